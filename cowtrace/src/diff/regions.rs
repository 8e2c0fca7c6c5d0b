//! The mappings of a run as a comparison needs them.

use super::shape::Shape;
use crate::run::{Kind, Region};

/// Mappings that can be each other's counterpart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// Number of their master, in the order in which masters were found; none for all workers that
    /// forked.
    pub master: Option<usize>,
    /// Name of the mapping. From outside: may contain any character.
    pub name: String,
    /// Kind, as in reports.
    pub kind: &'static str,
    /// Private and writable.
    pub can_be_copied: bool,
}

impl Class {
    /// The class of a region of the master with this number, or of a worker.
    #[must_use]
    pub fn of(region: &Region, master: Option<usize>) -> Self {
        let mapping = &region.mapping;
        Self {
            master,
            name: mapping.name.trim_end_matches(" (deleted)").to_owned(),
            kind: mapping.kind.name(),
            can_be_copied: mapping.is_copy_on_write(),
        }
    }

    pub(super) fn is_anonymous(&self) -> bool {
        self.kind == Kind::Anon.name()
    }
}

/// A master's mapping in one run.
#[derive(Clone, Debug)]
pub struct Piece {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Bytes copied in it.
    pub copied: f64,
    /// Share that is no longer shared.
    pub unshared: Option<f64>,
    /// How its copies are spread; none if it has no copies.
    pub shape: Option<Shape>,
    /// What its contents show it to be, if it stands among mappings without a name all the same.
    pub contents: Option<&'static str>,
}

/// Memory without a position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Memory of workers that forked: only their mappings with copies are recorded, so positions
    /// are unknown.
    OfWorkers(Class),
    /// Memory that the process itself mapped after its fork, by name if known.
    Own(Option<String>),
    /// Counts for which the histogram had no room.
    OutsideHistogram,
}
