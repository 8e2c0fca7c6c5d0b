//! Which variables hold the copied memory.

use super::column::{Column, Holds, Shown};
use crate::{
    run::{FreeMemory, Holder, Run},
    verdict::{HeldPages, copied_types, equal_holders, lesser_holders, part_of, saving_in_words},
    words::{free_memory_of, owner_of, percent, printable, type_name},
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
    saving: String,
    process: String,
}

pub(crate) const HOLDERS: [Column<HolderRow>; 8] = [
    Column::new("copied", Holds::Bytes, Shown::Everywhere, |row| {
        row.copied_bytes.into()
    }),
    Column::new("pages", Holds::Count, Shown::OnPage, |row| row.pages.into()),
    Column::new("share", Holds::Share, Shown::Everywhere, |row| {
        row.share.into()
    }),
    Column::new("variable", Holds::Text, Shown::Everywhere, |row| {
        (&row.variable).into()
    }),
    Column::new("type", Holds::Word, Shown::OnPage, |row| {
        (&row.type_name).into()
    }),
    Column::new("entries", Holds::Count, Shown::OnPage, |row| {
        row.entries.into()
    }),
    Column::new("copied in it", Holds::Text, Shown::OnPage, |row| {
        (&row.copied_types).into()
    }),
    Column::new("also held by", Holds::Text, Shown::OnPage, |row| {
        (&row.also_held_by).into()
    }),
];

/// What moving a variable saves, if that is known of any.
pub(crate) const SAVING_OF_HOLDER: Column<HolderRow> = Column {
    title: "moved elsewhere",
    holds: Holds::Text,
    shown: Shown::OnPage,
    cell: |row| (&row.saving).into(),
};

/// The process of a variable, if the variables belong to several processes.
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
            saving: saving_in_words(run, holder).unwrap_or_default(),
            process: owner_of(run, holder),
            ..Self::nameless(run, held, holder.copied_pages)
        }
    }

    /// Pages that were free memory.
    pub(crate) fn free(run: &Run, held: &HeldPages, free: &FreeMemory) -> Self {
        Self {
            variable: free_memory_of(free.allocator).into(),
            ..Self::nameless(run, held, free.copied_pages)
        }
    }

    /// Pages that no named variable holds.
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
            saving: String::new(),
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
