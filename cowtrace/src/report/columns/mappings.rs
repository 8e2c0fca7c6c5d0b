//! Where the copies come from.

use super::column::{Column, Holds, Shown};
use crate::{
    run::{Region, Run},
    words::{count, region_name, size},
};

/// A mapping with copies.
pub(crate) struct MappingRow {
    pub(crate) name: String,
    /// Copied pages.
    pub(crate) pages: u64,
    copied_bytes: u64,
    /// None for memory that no other process inherited.
    region: Option<Inherited>,
}

/// What is known about an inherited mapping.
struct Inherited {
    unshared: Option<f64>,
    /// None if it is not known.
    present_bytes: Option<u64>,
    inheritors: u64,
    kind: &'static str,
}

pub(crate) const MAPPINGS: [Column<MappingRow>; 9] = [
    Column::new("copied", Holds::Bytes, Shown::Everywhere, |row| {
        row.copied_bytes.into()
    }),
    Column::new("pages", Holds::Count, Shown::OnPage, |row| row.pages.into()),
    Column::new("inherited", Holds::Figures, Shown::InText, |row| {
        row.region.as_ref().map(Inherited::of).as_ref().into()
    }),
    Column::new("unshared", Holds::Share, Shown::Everywhere, |row| {
        row.unshared().into()
    }),
    Column::new("", Holds::Bar, Shown::InText, |row| row.unshared().into()),
    Column::new("present", Holds::Bytes, Shown::OnPage, |row| {
        row.region.as_ref().and_then(|it| it.present_bytes).into()
    }),
    Column::new("inheritors", Holds::Count, Shown::OnPage, |row| {
        row.region.as_ref().map(|it| it.inheritors).into()
    }),
    Column::new("kind", Holds::Word, Shown::OnPage, |row| {
        row.region.as_ref().map(|it| it.kind).into()
    }),
    Column::new("mapping", Holds::Text, Shown::Everywhere, |row| {
        (&row.name).into()
    }),
];

impl MappingRow {
    pub(crate) fn of(run: &Run, region: &Region) -> Self {
        let is_counted = run.memory.is_counted(region.process_id);
        let inherited = Inherited {
            unshared: run.memory.unshared_fraction(region),
            present_bytes: is_counted.then(|| run.bytes(region.mapping.resident_pages)),
            inheritors: region.inheritors,
            kind: region.mapping.kind.name(),
        };
        Self {
            region: Some(inherited),
            ..Self::named(run, region_name(run, region), region.copied_pages)
        }
    }

    /// Memory of which only the name is known, and its copies.
    pub(crate) fn named(run: &Run, name: String, pages: u64) -> Self {
        Self {
            name,
            pages,
            copied_bytes: run.bytes(pages),
            region: None,
        }
    }

    fn unshared(&self) -> Option<f64> {
        self.region.as_ref()?.unshared
    }
}

impl Inherited {
    /// `4 GiB x 82`: the present memory, and how many processes inherited it.
    fn of(&self) -> String {
        let present = self.present_bytes.map_or_else(|| "unknown".into(), size);
        match self.inheritors {
            0 => present,
            inheritors => format!("{present} x {}", count(inheritors)),
        }
    }
}
