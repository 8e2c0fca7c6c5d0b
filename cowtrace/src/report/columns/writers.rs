//! Who wrote, and into what.

use super::column::{Cell, Column, Holds, Shown};
use crate::run::Run;

/// A writer, as far as a table tells them apart.
pub(crate) struct WriterCells {
    /// Copied pages.
    pub(crate) pages: u64,
    copied_bytes: u64,
    /// Of what the table says its shares are of.
    share: f64,
    /// What was written, by which function, from which Python line, in which mapping: harmless, and
    /// empty where the table does not tell.
    names: [String; 4],
}

/// What the text's tables are about, one each.
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

    /// A row of figures, beside which the text names what its table is about.
    pub(crate) fn of(run: &Run, pages: u64, share: f64) -> Self {
        Self {
            pages,
            copied_bytes: run.bytes(pages),
            share,
            names: Default::default(),
        }
    }
}
