//! What the objects of a process grew by, as text.

use std::io::{self, Write};

use crate::{
    run::{HeapChange, HeapGrowth, VariableChange},
    terminal::{Grid, Style, indented, section},
    words::{count, plural, printable, seconds, shorten, size},
};

const TYPES: [&str; 3] = ["objects", "bytes", "type"];
const VARIABLES: [&str; 3] = ["objects", "bytes", "variable"];
/// Variables that changed by less than 1/N of the largest change are left out, with this N.
const LEAST_PART: u64 = 20;
const NOTE: &str =
    "A variable of one look alone was too small in the other to have a line of its own.";

/// Writes what grew, and what shrank: at most `most` types and variables. Variables that changed little are left
/// out unless `is_all`.
pub(super) fn write_growth(
    growth: &HeapGrowth,
    most: (usize, usize),
    is_all: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let [objects, bytes] = change_in_words(growth.all);
    let title = format!(
        "GREW SINCE THE LOOK {} BEFORE: {objects} objects, {bytes}",
        seconds(growth.elapsed_ns)
    );
    section(&title, style, out)?;
    if growth.types.is_empty() {
        return indented(
            "Nothing: each type has as many objects and bytes.",
            style,
            out,
        );
    }
    write_types(growth, most.0, style, out)?;
    if growth.was_partial {
        indented("The earlier look was not of all objects.", style, out)?;
    }
    write_variables(growth, most.1, is_all, style, out)
}

fn write_types(
    growth: &HeapGrowth,
    most: usize,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let more = growth.types.len().saturating_sub(most);
    let others = format!("({})", plural(more as u64, "more type"));
    let mut grid = Grid::new(&TYPES, &[0, 1]);
    for (name, change) in growth.types.iter().take(most) {
        grid.add(change_in_words(*change), |room| {
            shorten(&printable(name), room)
        });
    }
    if more > 0 {
        let rest = growth.types.iter().skip(most).map(|(_, change)| *change);
        grid.add(change_in_words(sum_of_changes(rest)), |room| {
            shorten(&others, room)
        });
    }
    writeln!(out, "{}", grid.lines(style))
}

fn write_variables(
    growth: &HeapGrowth,
    most: usize,
    is_all: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let largest = growth.variables.iter().map(bytes_of_change).max();
    let is_worth_it = |variable: &&VariableChange| {
        let least = largest.unwrap_or(0) / if is_all { u64::MAX } else { LEAST_PART };
        bytes_of_change(variable) >= least
    };
    let shown: Vec<&VariableChange> = growth
        .variables
        .iter()
        .filter(is_worth_it)
        .take(most)
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut grid = Grid::new(&VARIABLES, &[0, 1]);
    for variable in &shown {
        grid.add(change_in_words(variable.change), |room| {
            lines_of_change(variable, room)
        });
    }
    writeln!(out, "{}", grid.lines(style))?;
    if shown.iter().any(|variable| !variable.is_in_both) {
        indented(NOTE, style, out)?;
    }
    Ok(())
}

fn bytes_of_change(variable: &VariableChange) -> u64 {
    variable.change.bytes.unsigned_abs()
}

fn sum_of_changes(changes: impl Iterator<Item = HeapChange>) -> HeapChange {
    changes.fold(HeapChange::default(), |sum, change| HeapChange {
        objects: sum.objects.saturating_add(change.objects),
        bytes: sum.bytes.saturating_add(change.bytes),
    })
}

/// `+1,024`, `-4 KiB`.
fn change_in_words(change: HeapChange) -> [String; 2] {
    let signed = |number: i64, words: fn(u64) -> String| {
        let sign = match number {
            0 => "",
            1.. => "+",
            _ => "-",
        };
        format!("{sign}{}", words(number.unsigned_abs()))
    };
    [signed(change.objects, count), signed(change.bytes, size)]
}

/// A variable, and what it is.
fn lines_of_change(variable: &VariableChange, room: usize) -> String {
    let mut what = printable(variable.type_name.as_deref().unwrap_or_default());
    if let Some(entries) = variable.entries {
        let change = HeapChange {
            objects: entries,
            bytes: 0,
        };
        let [entries, _] = change_in_words(change);
        what = format!("{what}, {entries} entries");
    }
    if !variable.is_in_both {
        what.push_str(" (of one look alone)");
    }
    let path = shorten(&printable(&variable.path), room);
    format!("{path}\n  {}", shorten(&what, room.saturating_sub(2)))
}
