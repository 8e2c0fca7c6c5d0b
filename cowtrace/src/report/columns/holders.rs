//! Which variables hold what was copied.

use super::column::{Column, Holds, Shown};
use crate::{
    run::{Holder, Run},
    verdict::{HeldPages, copied_types, equal_holders, lesser_holders, part_of},
    words::{owner_of, percent, printable, type_name},
};

/// A variable.
pub(crate) struct HolderRow {
    /// Copied pages.
    pub(crate) pages: u64,
    copied_bytes: u64,
    share: f64,
    variable: String,
    type_name: String,
    entries: Option<u64>,
    copied_types: String,
    also_held_by: String,
    process: String,
}

pub(crate) const HOLDERS: [Column<HolderRow>; 8] = [
    Column {
        title: "copied",
        holds: Holds::Bytes,
        shown: Shown::Everywhere,
        cell: |row| row.copied_bytes.into(),
    },
    Column {
        title: "pages",
        holds: Holds::Count,
        shown: Shown::OnPage,
        cell: |row| row.pages.into(),
    },
    Column {
        title: "share",
        holds: Holds::Share,
        shown: Shown::Everywhere,
        cell: |row| row.share.into(),
    },
    Column {
        title: "variable",
        holds: Holds::Text,
        shown: Shown::Everywhere,
        cell: |row| (&row.variable).into(),
    },
    Column {
        title: "type",
        holds: Holds::Word,
        shown: Shown::OnPage,
        cell: |row| (&row.type_name).into(),
    },
    Column {
        title: "entries",
        holds: Holds::Count,
        shown: Shown::OnPage,
        cell: |row| row.entries.into(),
    },
    Column {
        title: "copied in it",
        holds: Holds::Text,
        shown: Shown::OnPage,
        cell: |row| (&row.copied_types).into(),
    },
    Column {
        title: "also held by",
        holds: Holds::Text,
        shown: Shown::OnPage,
        cell: |row| (&row.also_held_by).into(),
    },
];

/// Where the variables are of several processes.
pub(crate) const PROCESS_OF_HOLDER: Column<HolderRow> = Column {
    title: "process",
    holds: Holds::Text,
    shown: Shown::OnPage,
    cell: |row| (&row.process).into(),
};

impl HolderRow {
    pub(crate) fn of(run: &Run, held: &HeldPages, holder: &Holder) -> Self {
        Self {
            variable: printable(&holder.path),
            type_name: type_name(holder),
            entries: holder.entries,
            copied_types: copied_types(holder),
            also_held_by: also_held_by(holder),
            process: owner_of(run, holder),
            ..Self::nameless(run, held, holder.copied_pages)
        }
    }

    /// Pages that are in no variable of a name.
    pub(crate) fn nameless(run: &Run, held: &HeldPages, pages: u64) -> Self {
        Self {
            pages,
            copied_bytes: run.bytes(pages),
            share: held.share(pages),
            variable: String::new(),
            type_name: String::new(),
            entries: None,
            copied_types: String::new(),
            also_held_by: String::new(),
            process: String::new(),
        }
    }
}

fn also_held_by(holder: &Holder) -> String {
    let others = equal_holders(holder).chain(lesser_holders(holder));
    let told = others.map(|other| {
        let part = percent(part_of(holder, other.copied_pages));
        format!("{part} {}", printable(&other.path))
    });
    told.collect::<Vec<_>>().join(", ")
}
