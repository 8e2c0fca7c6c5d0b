//! Who wrote, and what was written.

use super::column::{Cell, Column, Holds, Shown};
use crate::run::Run;

/// A writer, with the details that a table shows.
pub(crate) struct WriterCells {
    /// Copied pages.
    pub(crate) pages: u64,
    copied_bytes: u64,
    /// The share of the whole that the table names.
    share: f64,
    /// What was written, by which function, from which Python line, in which mapping: escaped, and
    /// empty where the table does not show it.
    names: [String; 4],
}

/// The subjects of the text's tables.
pub(crate) const WRITTEN: &str = "written";
pub(crate) const BY: &str = "by";
pub(crate) const LINE: &str = "Python line";

pub(crate) const WRITERS: [Column<WriterCells>; 7] = [
    Column::new("copied", Holds::Bytes, Shown::Everywhere, |row| {
        row.copied_bytes.into()
    }),
    Column::new("pages", Holds::Count, Shown::OnPage, |row| row.pages.into()),
    Column::new("share", Holds::Share, Shown::Everywhere, |row| {
        row.share.into()
    }),
    name(WRITTEN, |row| (&row.names[0]).into()),
    name(BY, |row| (&row.names[1]).into()),
    name(LINE, |row| (&row.names[2]).into()),
    name("mapping", |row| (&row.names[3]).into()),
];

const fn name(title: &'static str, cell: fn(&WriterCells) -> Cell) -> Column<WriterCells> {
    Column::new(title, Holds::Text, Shown::Everywhere, cell)
}

impl WriterCells {
    pub(crate) fn named(run: &Run, names: [String; 4], pages: u64, share: f64) -> Self {
        Self {
            names,
            ..Self::of(run, pages, share)
        }
    }

    /// A row of figures, beside which text shows the table's subject.
    pub(crate) fn of(run: &Run, pages: u64, share: f64) -> Self {
        Self {
            pages,
            copied_bytes: run.bytes(pages),
            share,
            names: Default::default(),
        }
    }
}
