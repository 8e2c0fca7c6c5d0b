//! Which variables hold what was copied, for people.

use std::io::{self, Write};

use super::{
    Style,
    text::{section, table, trimmed},
    words::{count, percent, printable, shorten, size, wrap},
};
use crate::run::{HeapWalk, Holder, Run};

const MOST_HOLDERS: usize = 8;
const MOST_TYPES: usize = 3;
/// Another variable with at least this share of a holder's pages stands beside it.
const SHARED: f64 = 0.2;
/// One with less than this is not told.
const ALSO: f64 = 0.01;
/// Types below this share are not told.
const TYPE_SHARE: f64 = 0.01;
/// Columns that the table's numbers take.
const NUMBERS: usize = 24;

/// Writes the section; nothing if no variables were looked for.
pub(super) fn holders(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let sum = |of: fn(&HeapWalk) -> u64| -> u64 { run.heap_walks.iter().map(of).sum() };
    let (asked, held) = (sum(|walk| walk.asked_pages), sum(|walk| walk.held_pages));
    if asked == 0 {
        return Ok(());
    }
    if held == 0 {
        section("HELD BY: NOT KNOWN", style, out)?;
        return notes(run, style, out);
    }
    let title = format!(
        "HELD BY (variables that hold what was copied; found for {} of it)",
        percent(held as f64 / asked as f64)
    );
    section(&title, style, out)?;
    let mut table = table(style, &["copied", "share", "variable"], &[0, 1]);
    let width = style.width.saturating_sub(NUMBERS);
    let mut told = 0;
    for holder in run.holders.iter().take(MOST_HOLDERS) {
        told += holder.copied_pages;
        let mut lines = lines(holder, width).into_iter();
        table.add_row([
            size(run.bytes(holder.copied_pages)),
            percent(holder.copied_pages as f64 / asked as f64),
            lines.next().unwrap_or_default(),
        ]);
        for line in lines {
            table.add_row([String::new(), String::new(), line]);
        }
    }
    if held > told {
        table.add_row([
            size(run.bytes(held - told)),
            percent((held - told) as f64 / asked as f64),
            "(smaller variables)".into(),
        ]);
    }
    if asked > held {
        table.add_row([
            size(run.bytes(asked - held)),
            percent((asked - held) as f64 / asked as f64),
            "(not reachable from any variable)".into(),
        ]);
    }
    writeln!(out, "{}", trimmed(&table))?;
    notes(run, style, out)
}

/// A variable with those that hold the same, then what it is.
fn lines(holder: &Holder, width: usize) -> Vec<String> {
    let path = |path: &str, width| shorten(&printable(path), width);
    let share = |pages: u64| pages as f64 / holder.copied_pages.max(1) as f64;
    let mut lines = vec![path(&holder.path, width)];
    let (beside, also): (Vec<_>, Vec<_>) = holder
        .also_held_by
        .iter()
        .filter(|also| share(also.copied_pages) >= ALSO)
        .partition(|also| share(also.copied_pages) > SHARED);
    for other in beside {
        let part = match share(other.copied_pages) {
            1.0.. => String::new(),
            part => format!(" ({} of it)", percent(part)),
        };
        let name = path(&other.path, width.saturating_sub(3 + part.len()));
        lines.push(format!("or {name}{part}"));
    }
    lines.extend(
        wrap(&what(holder), width.saturating_sub(2))
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    for other in also {
        let part = percent(share(other.copied_pages));
        let name = path(&other.path, width.saturating_sub(22 + part.len()));
        lines.push(format!("  {part} also held by {name}"));
    }
    lines
}

/// Its type and size, and the types of what was copied in it.
fn what(holder: &Holder) -> String {
    let type_name = holder.type_name.as_deref().unwrap_or("unknown type");
    let mut text = shorten(&printable(type_name), 40);
    if let Some(entries) = holder.entries {
        text = format!("{text} x{}", count(entries));
    }
    let share = |pages: u64| pages as f64 / holder.copied_pages.max(1) as f64;
    let types: Vec<String> = holder
        .copied_types
        .iter()
        .filter(|of| share(of.copied_pages) >= TYPE_SHARE)
        .take(MOST_TYPES)
        .map(|of| {
            let name = shorten(&printable(&of.type_name), 24);
            format!("{name} {}", percent(share(of.copied_pages)))
        })
        .collect();
    if types.is_empty() {
        text
    } else {
        format!("{text}; copied: {}", types.join(", "))
    }
}

/// What makes the table less than it seems.
fn notes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut notes = Vec::new();
    for walk in &run.heap_walks {
        let pid = run
            .process(walk.process_id)
            .map_or(0, |process| process.pid);
        let read = walk.read_process_id.and_then(|id| run.process(id));
        if let Some(why) = &walk.failure {
            notes.push(format!("Of process {pid}: {}.", printable(why)));
        }
        if walk.is_partial {
            notes.push(format!(
                "Process {pid} was looked through only in part ({} objects): shares are lower \
                 bounds.",
                count(walk.objects)
            ));
        } else if !walk.is_compared && walk.failure.is_none() {
            notes.push("There was no time to tell what several variables hold.".into());
        }
        if let Some(read) = read.filter(|read| read.id != walk.process_id) {
            notes.push(format!(
                "Process {pid} is gone: read from process {}, which may have changed since.",
                read.pid
            ));
        }
        if walk.by_page > 0 {
            notes.push(format!(
                "{} pages are told by another write in the same page.",
                count(walk.by_page)
            ));
        }
    }
    for line in notes.iter().flat_map(|note| wrap(note, style.width - 2)) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}
