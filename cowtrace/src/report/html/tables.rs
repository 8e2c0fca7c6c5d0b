//! Tables that can be sorted: their columns with what they hold, and their rows.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{
    run::{Holder, Process, Region, Run, Writer},
    verdict::{
        HeldPages, KnownPages, are_of_several_processes, copied_types, equal_holders,
        lesser_holders, notes_on_walks, pages_in_own_memory, part_of, why_not_looked_for,
    },
    words::{
        Lines, function, named, owner_of, percent, plural, printable, region_name, type_name,
        written,
    },
};

/// Rows of a table; all others together are one more.
const MOST_ROWS: usize = 300;

#[derive(Serialize)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
    /// What was left out; empty if nothing was.
    note: String,
}

#[derive(Clone, Copy, Serialize)]
struct Column {
    name: &'static str,
    holds: Holds,
}

/// How a column's values are written.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Holds {
    /// A number of bytes.
    Bytes,
    /// A number of things.
    Count,
    /// A number that is a name, such as a process id.
    Number,
    /// A part of a whole, from 0 to 1.
    Share,
    /// ns.
    Time,
    /// One word of few.
    Word,
    /// Words.
    Text,
}

const fn column(name: &'static str, holds: Holds) -> Column {
    Column { name, holds }
}

/// The rows that a table has room for, which are sorted by copies; the note tells of the others.
fn capped(columns: Vec<Column>, mut rows: Vec<(u64, Vec<Value>)>, what: &str) -> Table {
    rows.sort_by_key(|(pages, _)| std::cmp::Reverse(*pages));
    let others = rows.split_off(rows.len().min(MOST_ROWS));
    let pages: u64 = others.iter().map(|(pages, _)| pages).sum();
    Table {
        columns,
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        note: if others.is_empty() {
            String::new()
        } else {
            let left_out = plural(others.len() as u64, &format!("more {what}"));
            let is = if others.len() == 1 { "is" } else { "are" };
            format!(
                "{left_out} with {} {is} left out: -f json has all.",
                plural(pages, "page")
            )
        },
    }
}

/// Where the copies come from.
pub(super) fn mappings(run: &Run) -> Table {
    let columns = vec![
        column("Copied", Holds::Bytes),
        column("Pages", Holds::Count),
        column("Unshared", Holds::Share),
        column("Present", Holds::Bytes),
        column("Inheritors", Holds::Count),
        column("Kind", Holds::Word),
        column("Mapping", Holds::Text),
    ];
    let region = |region: &Region| {
        let pages = region.copied_pages;
        let row = vec![
            run.bytes(pages).into(),
            pages.into(),
            region.unshared_fraction().into(),
            run.bytes(region.mapping.resident_pages).into(),
            region.inheritors.into(),
            region.mapping.kind.name().into(),
            region_name(run, region).into(),
        ];
        (pages, row)
    };
    let own = |(name, pages): (String, u64)| {
        let row = vec![
            run.bytes(pages).into(),
            pages.into(),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            name.into(),
        ];
        (pages, row)
    };
    let mut rows: Vec<_> = run.regions_by_copies().into_iter().map(region).collect();
    rows.extend(pages_in_own_memory(run).into_iter().map(own));
    capped(columns, rows, "mapping")
}

/// Who wrote, and into what.
pub(super) fn writers(run: &Run) -> Table {
    let lines = Lines::of(run);
    let known = KnownPages::of(run);
    let mut sums: BTreeMap<[String; 4], u64> = BTreeMap::new();
    for writer in &run.who_wrote.writers {
        *sums.entry(words(run, &lines, writer)).or_default() += writer.copied_pages;
    }
    let rows = sums.into_iter().map(|(words, pages)| {
        let mut row = vec![
            run.bytes(pages).into(),
            pages.into(),
            known.share(pages).into(),
        ];
        row.extend(words.into_iter().map(Value::from));
        (pages, row)
    });
    let columns = vec![
        column("Copied", Holds::Bytes),
        column("Pages", Holds::Count),
        column("Share", Holds::Share),
        column("Written", Holds::Text),
        column("By", Holds::Text),
        column("Python line", Holds::Text),
        column("Mapping", Holds::Text),
    ];
    let mut table = capped(columns, rows.collect(), "writer");
    table.note = format!(
        "Whoever writes a page first; known for {} of the copies. {}",
        percent(known.share(known.named)),
        table.note
    );
    table
}

fn words(run: &Run, lines: &Lines<'_>, writer: &Writer) -> [String; 4] {
    let region = writer.region_id.and_then(|id| run.region(id));
    let has_line = writer.python_stack.is_some();
    [
        printable(&written(run, writer)),
        printable(&function(writer)),
        if has_line {
            lines.of_writer(writer)
        } else {
            String::new()
        },
        region.map_or_else(String::new, |region| region_name(run, region)),
    ]
}

/// Which variables hold what was copied; none if they were not to be looked for.
pub(super) fn holders(run: &Run) -> Option<Table> {
    let Some(held) = HeldPages::of(run) else {
        return why_not_looked_for(run).map(|why| Table {
            columns: Vec::new(),
            rows: Vec::new(),
            note: why.into(),
        });
    };
    let mut columns = vec![
        column("Copied", Holds::Bytes),
        column("Pages", Holds::Count),
        column("Share", Holds::Share),
        column("Variable", Holds::Text),
        column("Type", Holds::Word),
        column("Entries", Holds::Count),
        column("Copied in it", Holds::Text),
        column("Also held by", Holds::Text),
    ];
    let are_of_several = are_of_several_processes(run);
    if are_of_several {
        columns.push(column("Process", Holds::Text));
    }
    let row = |holder: &Holder| {
        let pages = holder.copied_pages;
        let mut row: Vec<Value> = vec![
            run.bytes(pages).into(),
            pages.into(),
            held.share(pages).into(),
            printable(&holder.path).into(),
            type_name(holder).into(),
            holder.entries.into(),
            copied_types(holder).into(),
            also_held(holder).into(),
        ];
        if are_of_several {
            row.push(owner_of(run, holder).into());
        }
        (pages, row)
    };
    let mut table = capped(
        columns,
        run.who_holds.holders.iter().map(row).collect(),
        "variable",
    );
    let is_whole = run
        .who_holds
        .heap_walks
        .iter()
        .all(|walk| !walk.is_partial && walk.failure.is_none());
    let mut notes = vec![format!(
        "Variables from which the written objects can be reached, {}; found for {} of the copies.",
        if is_whole {
            "all looked through"
        } else {
            "looked through only in part"
        },
        percent(held.share(held.found))
    )];
    notes.extend(notes_on_walks(run));
    notes.push(std::mem::take(&mut table.note));
    table.note = notes.join(" ");
    Some(table)
}

fn also_held(holder: &Holder) -> String {
    let others = equal_holders(holder).chain(lesser_holders(holder));
    let told = others.map(|other| {
        let part = percent(part_of(holder, other.copied_pages));
        format!("{part} {}", printable(&other.path))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Every process, those without copies too.
pub(super) fn processes(run: &Run) -> Table {
    let columns = vec![
        column("Copied", Holds::Bytes),
        column("Pages", Holds::Count),
        column("Reused", Holds::Count),
        column("Inherited", Holds::Bytes),
        column("Pid", Holds::Number),
        column("Role", Holds::Word),
        column("Began", Holds::Time),
        column("Ended", Holds::Time),
        column("Process", Holds::Text),
    ];
    let row = |process: &Process| {
        let pages = process.copied.total();
        let row = vec![
            run.bytes(pages).into(),
            pages.into(),
            process.reused_faults.into(),
            process.inherited_pages.map(|pages| run.bytes(pages)).into(),
            process.pid.into(),
            process.role.name().into(),
            process.started_ns.into(),
            process.exited_ns.into(),
            named(&process.comm).into(),
        ];
        (pages, row)
    };
    capped(
        columns,
        run.memory.processes.iter().map(row).collect(),
        "process",
    )
}
