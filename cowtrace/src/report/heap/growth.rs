//! What the objects of a process grew by, as text.

use std::io::{self, Write};

use crate::{
    run::{HeapChange, HeapGrowth, VariableChange},
    terminal::{Grid, Style, indented, section},
    words::{count, plural, printable, seconds, shorten, size},
};

const TYPES: [&str; 3] = ["objects +/-", "bytes in all +/-", "type"];
const VARIABLES: [&str; 3] = ["objects +/-", "bytes in all +/-", "variable"];
/// Of the rows, 1/N is for what shrank most, with this N.
const PART_FOR_LESS: usize = 4;
/// Longer names of files are cut.
const MOST_FILE_NAME: usize = 40;
/// Variables that changed by less than 1/N of the largest change are left out, with this N.
const LEAST_PART: u64 = 20;
const NOTE: &str =
    "A variable of one look alone was too small in the other to have a line of its own.";

/// What grew since an earlier look that a file keeps.
#[derive(Clone, Copy, Debug)]
pub struct Since<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// What changed.
    pub growth: &'a HeapGrowth,
    /// Whether the look of now is not of all objects.
    pub is_partial: bool,
}

/// Writes what changed, the most growth first and what shrank last: at most `most` types and variables. Variables
/// that changed little are left out unless `is_all`.
pub(super) fn write_growth(
    since: Since<'_>,
    most: (usize, usize),
    is_all: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let growth = since.growth;
    let [objects, bytes] = change_in_words(growth.all);
    let title = format!(
        "CHANGED SINCE {} ({} earlier): {objects} objects, {bytes}",
        shorten(&printable(since.file), MOST_FILE_NAME),
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
    for (is_partial, which) in [
        (growth.was_partial, "The earlier look"),
        (since.is_partial, "This look"),
    ] {
        if is_partial {
            let what = "is not of all objects, so what seems to be more or less may have been left out there.";
            indented(&format!("{which} {what}"), style, out)?;
        }
    }
    write_variables(growth, most.1, is_all, style, out)
}

/// The changes that have rows, in their order: most growth first, and what shrank most last; and the others.
fn split_changes<T>(
    all: &[T],
    most: usize,
    bytes: impl Fn(&T) -> i64,
) -> (impl Iterator<Item = &T>, &[T]) {
    let rows = most.min(all.len());
    let less = all.iter().filter(|change| bytes(change) < 0).count();
    let last = if rows < all.len() {
        less.min(rows / PART_FOR_LESS)
    } else {
        0
    };
    let (first, rest) = all.split_at(rows - last);
    let (others, last) = rest.split_at(rest.len() - last);
    (first.iter().chain(last), others)
}

fn write_types(
    growth: &HeapGrowth,
    most: usize,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (shown, others) = split_changes(&growth.types, most, |(_, change)| change.bytes);
    let name = format!("({})", plural(others.len() as u64, "more type"));
    let mut grid = Grid::new(&TYPES, &[0, 1]).dispensable(&[0]);
    for (name, change) in shown {
        grid.add(change_in_words(*change), |room| {
            shorten(&printable(name), room)
        });
    }
    if !others.is_empty() {
        let rest = others.iter().map(|(_, change)| *change);
        grid.add(change_in_words(sum_of_changes(rest)), |room| {
            shorten(&name, room)
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
    let worth: Vec<&VariableChange> = growth.variables.iter().filter(is_worth_it).collect();
    let (shown, _) = split_changes(&worth, most, |variable| variable.change.bytes);
    let shown: Vec<&VariableChange> = shown.copied().collect();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut grid = Grid::new(&VARIABLES, &[0, 1]).dispensable(&[0]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_comes_first_and_what_shrank_most_last() {
        let all = [9, 7, 5, 3, 0, -1, -4, -8];
        let of = |most| {
            let (shown, others) = split_changes(&all, most, |change| *change);
            (shown.copied().collect::<Vec<i64>>(), others.to_vec())
        };
        assert_eq!(of(8), (all.to_vec(), vec![]));
        assert_eq!(of(20), (all.to_vec(), vec![]));
        assert_eq!(of(4), (vec![9, 7, 5, -8], vec![3, 0, -1, -4]));
        assert_eq!(of(0), (vec![], all.to_vec()));
        let (shown, _) = split_changes(&all[..5], 4, |change| *change);
        assert_eq!(shown.count(), 4);
    }
}
