//! What grew the heap.

use super::column::{Column, Holds, Shown};
use crate::{
    run::{Grower, Run},
    verdict::{SampledTouches, place_of_grower},
    words::{Lines, function_of_grower, printable, program_of},
};

/// What touched new memory first, by a sample.
pub(crate) struct GrowerRow {
    /// Pages that the sample stands for.
    pub(crate) pages: u64,
    bytes: u64,
    sampled: u64,
    share: f64,
    place: String,
    function: String,
    kind: Option<&'static str>,
    process: String,
}

/// The subjects of the text's tables.
pub(crate) const GREW_IN: &str = "grew the heap in";

pub(crate) const GROWERS: [Column<GrowerRow>; 7] = [
    Column::new("about", Holds::Bytes, Shown::Everywhere, |row| {
        row.bytes.into()
    }),
    Column::new("sampled", Holds::Count, Shown::OnPage, |row| {
        row.sampled.into()
    }),
    Column::new("share", Holds::Share, Shown::Everywhere, |row| {
        row.share.into()
    }),
    Column::new(GREW_IN, Holds::Text, Shown::Everywhere, |row| {
        (&row.place).into()
    }),
    Column::new("by", Holds::Text, Shown::OnPage, |row| {
        (&row.function).into()
    }),
    Column::new("memory", Holds::Word, Shown::OnPage, |row| row.kind.into()),
    Column::new("process", Holds::Text, Shown::OnPage, |row| {
        (&row.process).into()
    }),
];

impl GrowerRow {
    pub(crate) fn of(
        run: &Run,
        sampled: &SampledTouches,
        lines: &Lines<'_>,
        grower: &Grower,
    ) -> Self {
        let process = run.process(grower.process_id);
        Self {
            sampled: grower.sampled_touches,
            place: printable(&place_of_grower(run, lines, grower)),
            function: printable(&function_of_grower(run, grower)),
            kind: grower.kind.map(crate::run::Kind::name),
            process: process.map_or_else(String::new, |process| {
                format!("{} ({})", program_of(run, process), process.pid)
            }),
            ..Self::nameless(run, sampled, grower.pages)
        }
    }

    /// A row of figures, beside which text shows the table's subject.
    pub(crate) fn nameless(run: &Run, sampled: &SampledTouches, pages: u64) -> Self {
        Self {
            pages,
            bytes: run.bytes(pages),
            sampled: 0,
            share: sampled.share(pages),
            place: String::new(),
            function: String::new(),
            kind: None,
            process: String::new(),
        }
    }
}
