//! What a walk looks at again at its end: large containers, and memory of unknown content.

use super::objects::ContentsPlace;

/// What is known of a large container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is to be looked at again.
    Open,
    /// It was read as it was at one moment.
    Yes,
    /// Each time its table was moved meanwhile.
    Moved,
    /// It was freed before all of it was read.
    Gone,
}

/// A container with many entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct LargeContainer {
    pub(super) address: u64,
    /// Number of its type.
    pub(super) number: u32,
    pub(super) node: u32,
    /// Where its contents were when all of them could be read.
    pub(super) seen: Option<ContentsPlace>,
    /// Its entries when it was last looked at.
    pub(super) entries: u64,
    pub(super) has_table: bool,
    pub(super) settled: Settled,
}

/// The large containers that a walk has met.
#[derive(Debug, Default)]
pub(super) struct LargeContainers {
    /// Whether they are wanted.
    pub(super) are_kept: bool,
    pub(super) all: Vec<LargeContainer>,
}

impl LargeContainers {
    /// How many entries a container had when it was read, if it is a large one.
    pub(super) fn entries_of(&self, address: u64) -> Option<u64> {
        let found = self.all.iter().find(|it| it.address == address);
        found.map(|it| it.entries)
    }
}

/// Memory of unknown content that an object refers to.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpaqueTable {
    pub(super) start: u64,
    pub(super) bytes: u64,
    pub(super) node: u32,
    pub(super) number: u32,
}
