//! Sortable tables: their columns with the kind of content, and their rows.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::Serialize;
use serde_json::Value;

use crate::{
    report::columns::{
        Column, GROWERS, GROWN_TYPES, GROWN_VARIABLES, GrowerRow, HOLDERS, HolderRow, Holds,
        MAPPINGS, MappingRow, NOTE_ON_NEW, PROCESS_OF_HOLDER, PROCESSES, ProcessRows,
        SAVING_OF_HOLDER, WRITERS, WriterCells, is_about_new, rows_of_grown_types,
        rows_of_grown_variables,
    },
    run::{Grower, Run, Writer},
    verdict::{
        FreePages, HeldPages, KnownPages, SampledTouches, WhatGrows, are_of_several_processes,
        notes_on_grown, notes_on_walks, pages_in_own_memory, why_not_looked_for,
    },
    words::{Lines, function, percent, plural, printable, region_name, written},
};

/// Most rows of a table; all others together are one more.
const MOST_ROWS: usize = 300;

#[derive(Serialize)]
pub(super) struct Table {
    columns: Vec<PageColumn>,
    rows: Vec<Vec<Value>>,
    /// What was left out; empty if nothing.
    note: String,
}

#[derive(Serialize)]
struct PageColumn {
    name: String,
    holds: Holds,
}

impl PageColumn {
    fn of<R>(column: &Column<R>) -> Self {
        let mut letters = column.title.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        Self {
            name: first.into_iter().chain(letters).collect(),
            holds: column.holds,
        }
    }
}

/// The rows with most copies that a table has room for; the note describes the others.
fn capped<'a, R: 'a>(
    columns: impl IntoIterator<Item = &'a Column<R>>,
    mut rows: Vec<R>,
    pages: fn(&R) -> u64,
    what: &str,
) -> Table {
    let columns = columns.into_iter().filter(|column| column.is_on_page());
    let columns: Vec<&Column<R>> = columns.collect();
    rows.sort_by_key(|row| Reverse(pages(row)));
    let others = rows.split_off(rows.len().min(MOST_ROWS));
    let row = |row: &R| columns.iter().map(|it| (it.cell)(row).into()).collect();
    Table {
        columns: columns.iter().map(|it| PageColumn::of(it)).collect(),
        rows: rows.iter().map(row).collect(),
        note: left_out(others.len() as u64, others.iter().map(pages).sum(), what),
    }
}

fn left_out(rows: u64, pages: u64, what: &str) -> String {
    if rows == 0 {
        return String::new();
    }
    let left_out = plural(rows, &format!("more {what}"));
    let is = if rows == 1 { "is" } else { "are" };
    let pages = plural(pages, "page");
    format!("{left_out} with {pages} {is} left out: -f json has all.")
}

/// Where the copies come from.
pub(super) fn mappings_table(run: &Run) -> Table {
    let regions = run.regions_by_copies().into_iter();
    let own = pages_in_own_memory(run).into_iter();
    let rows = regions
        .map(|region| MappingRow::of(run, region))
        .chain(own.map(|(name, pages)| MappingRow::named(run, name, pages)));
    capped(&MAPPINGS, rows.collect(), |row| row.pages, "mapping")
}

/// Who wrote, and what was written.
pub(super) fn writers_table(run: &Run) -> Table {
    let lines = Lines::of(run);
    let known = KnownPages::of(run);
    let mut sums: BTreeMap<[String; 4], u64> = BTreeMap::new();
    for writer in &run.who_wrote.writers {
        *sums
            .entry(names_of_writer(run, &lines, writer))
            .or_default() += writer.copied_pages;
    }
    let rows = sums
        .into_iter()
        .map(|(names, pages)| WriterCells::named(run, names, pages, known.share(pages)));
    let mut table = capped(&WRITERS, rows.collect(), |row| row.pages, "writer");
    table.note = format!(
        "Whoever writes a page first; known for {} of the copies{}. {}",
        percent(known.share(known.named)),
        known.estimate(),
        table.note
    );
    table
}

fn names_of_writer(run: &Run, lines: &Lines<'_>, writer: &Writer) -> [String; 4] {
    let region = writer.region_id.and_then(|id| run.region(id));
    let has_line = writer.python_stack.is_some();
    [
        printable(&written(run, writer)),
        printable(&function(run, writer)),
        if has_line {
            lines.of_writer(writer)
        } else {
            String::new()
        },
        region.map_or_else(String::new, |region| region_name(run, region)),
    ]
}

/// Which variables hold the copied memory; none if they were not looked up.
pub(super) fn holders_table(run: &Run) -> Option<Table> {
    let Some(held) = HeldPages::of(run) else {
        return why_not_looked_for(run).map(|why| Table {
            columns: Vec::new(),
            rows: Vec::new(),
            note: why.into(),
        });
    };
    let process = are_of_several_processes(run).then_some(&PROCESS_OF_HOLDER);
    let holders = run.who_holds.holders.iter();
    let has_saving = holders.clone().any(|it| it.saving.is_some());
    let saving = has_saving.then_some(&SAVING_OF_HOLDER);
    let holders = holders.map(|it| HolderRow::of(run, &held, it));
    let free = FreePages::of(run).map(|free| free.by_allocator);
    let free = free.into_iter().flatten();
    let free = free.map(|it| HolderRow::free(run, &held, &it));
    let mut table = capped(
        HOLDERS.iter().chain(saving).chain(process),
        holders.chain(free).collect(),
        |row| row.pages,
        "variable",
    );
    let is_whole = run
        .who_holds
        .heap_walks
        .iter()
        .all(|walk| !walk.is_partial && walk.failure.is_none());
    let mut notes = vec![format!(
        "Variables from which the written objects can be reached, {}; found for {} of the copies{}.",
        if is_whole {
            "all looked through"
        } else {
            "looked through only in part"
        },
        percent(held.share(held.found)),
        KnownPages::of(run).estimate()
    )];
    notes.extend(notes_on_walks(run));
    notes.push(std::mem::take(&mut table.note));
    table.note = notes.join(" ");
    Some(table)
}

/// What grew the heap; none if no first touch is known.
pub(super) fn growers_table(run: &Run) -> Option<Table> {
    let sampled = SampledTouches::of(run)?;
    let lines = Lines::of(run);
    let growers = run.growth.growers.iter();
    let rows = growers.map(|it| GrowerRow::of(run, &sampled, &lines, it));
    let mut table = capped(&GROWERS, rows.collect(), |row| row.pages, "row");
    table.note = format!(
        "Who touched new memory first: about, from 1 in {} first touches. It need not be what leaks: peaks \
         grow the heap, and what stays lies in the holes that they leave. {}",
        Grower::PAGES_PER_SAMPLE,
        table.note
    );
    Some(table)
}

/// What lives on new memory, and what holds it; none if no process was read.
pub(super) fn grown_tables(run: &Run) -> Option<[Table; 2]> {
    let found = WhatGrows::of(run)?;
    let types = rows_of_grown_types(&run.growth.grown.types, found.bytes);
    let variables = rows_of_grown_variables(&run.growth.grown.variables, found.bytes);
    let mut tables = [
        table_of_all(&GROWN_TYPES, &types),
        table_of_all(&GROWN_VARIABLES, &variables),
    ];
    tables[0].note = notes_on_grown(run, &found).join(" ");
    Some(tables)
}

/// All rows, which are few, in their order.
fn table_of_all<R>(columns: &[Column<R>], rows: &[R]) -> Table {
    let columns: Vec<&Column<R>> = columns.iter().filter(|it| it.is_on_page()).collect();
    let row = |row: &R| columns.iter().map(|it| (it.cell)(row).into()).collect();
    Table {
        columns: columns.iter().map(|it| PageColumn::of(it)).collect(),
        rows: rows.iter().map(row).collect(),
        note: String::new(),
    }
}

/// Every process, including those without copies.
pub(super) fn processes_table(run: &Run) -> Table {
    let processes = run.memory.processes.iter();
    let rows = ProcessRows::of(run);
    let columns = PROCESSES.iter();
    let columns = columns.filter(|column| rows.have_new() || !is_about_new(column));
    let processes = processes.map(|process| rows.row(process));
    let mut table = capped(
        columns,
        processes.collect(),
        |row| row.grown_pages,
        "process",
    );
    if rows.have_new() {
        table.note = format!("{NOTE_ON_NEW} {}", table.note);
    }
    table
}
