//! The objects of a process as text: what there is, by type, by variable, and what nothing holds.

use std::io::{self, Write};

use super::growth::{Since, write_growth};
use crate::{
    run::{HeapContents, HeapLimit, HeapSum, HeapUnknown, TypeContents, VariableContents},
    terminal::{Grid, Style, indented, paragraph, section, wrap},
    words::{count, percent, plural, printable, seconds, shorten, size},
};

/// Rows that are shown without `--full`.
const MOST_TYPES: usize = 12;
const MOST_UNHELD: usize = 6;
const MOST_VARIABLES: usize = 8;
/// Longer names of types beside a variable are cut.
const MOST_TYPE_NAME: usize = 40;
/// Most containers that are named of those that could not be read.
const MOST_UNREAD: usize = 3;
const TYPES: [&str; 6] = ["objects", "share", "bytes in all", "sum", "largest", "type"];
const VARIABLES: [&str; 4] = ["objects", "share", "bytes in all", "variable"];
/// Of the columns, those with shares.
const SHARES_OF_TYPES: [usize; 2] = [1, 3];
const SHARES_OF_VARIABLES: [usize; 1] = [1];

/// Writes the objects of a process for people: the largest types and variables, or all of them. With what
/// they grew by that alone, unless all is wanted.
pub fn heap_as_text(
    contents: &HeapContents,
    since: Option<Since<'_>>,
    full: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let most = |most: usize| if full { usize::MAX } else { most };
    paragraph(&first_lines(contents), style, out)?;
    if let Some(since) = since {
        let most = (most(MOST_TYPES), most(MOST_VARIABLES));
        write_growth(since, most, full, style, out)?;
        if !full {
            return Ok(());
        }
    }
    // The share of what was read is not that of all.
    let all = contents.limits.is_empty().then_some(contents.all);
    let title = match all {
        Some(_) => "OBJECTS BY TYPE (share and sum: of all bytes)",
        None => "OBJECTS BY TYPE (of those that were read)",
    };
    section(title, style, out)?;
    let types = &contents.types;
    write_types(
        types,
        contents.all,
        all.is_some(),
        most(MOST_TYPES),
        style,
        out,
    )?;
    let title = "OBJECTS BY VARIABLE (each object counts once)";
    section(title, style, out)?;
    write_variables(contents, most(MOST_VARIABLES), style, out)?;
    write_unheld(contents, most(MOST_UNHELD), style, out)
}

/// `python3 (4242), CPython 3.11: at least 5,000,000 objects, 1 GiB.`, and how it was read.
fn first_lines(contents: &HeapContents) -> String {
    let (major, minor) = contents.python;
    let is_partial = !contents.limits.is_empty();
    let mut text = format!(
        "{} ({}), CPython {major}.{minor}: {}{}, {}. Read in {} without stopping it.",
        printable(&contents.comm),
        contents.pid,
        if is_partial { "at least " } else { "" },
        plural(contents.all.objects, "object"),
        size(contents.all.bytes),
        seconds(contents.duration_ns),
    );
    for limit in &contents.limits {
        text.push(' ');
        text.push_str(&left_out_by(*limit, contents));
    }
    if is_partial {
        text.push_str(" So all figures are lower bounds.");
    }
    text
}

/// What a bound that was met has left out.
fn left_out_by(limit: HeapLimit, contents: &HeapContents) -> String {
    match limit {
        HeapLimit::Time => "The time was over before all was read; --timeout gives more.".into(),
        HeapLimit::BytesRead => "It refers to more than cowtrace reads of a process.".into(),
        HeapLimit::Memory => "It has more memory than cowtrace keeps tables for.".into(),
        HeapLimit::Types => "It has more types than cowtrace keeps.".into(),
        HeapLimit::Changing => left_out_by_change(contents),
        HeapLimit::Depth => "Its structures branch more deeply than cowtrace follows.".into(),
        HeapLimit::Swap => format!(
            "{} of it are in swap and were not read.",
            size(contents.swapped_bytes)
        ),
    }
}

/// `1,203,441 entries of __main__.kept (list) could not be read: it was changing.`
fn left_out_by_change(contents: &HeapContents) -> String {
    let unread = contents.unread.iter().take(MOST_UNREAD);
    let sentences = unread.map(|it| {
        let kind = it.type_name.as_deref().unwrap_or("container");
        format!(
            "{} of {} ({}) could not be read: it was {}.",
            plural(it.entries, "entry"),
            printable(&it.path),
            shorten(&printable(kind), MOST_TYPE_NAME),
            if it.is_gone {
                "freed meanwhile"
            } else {
                "changing"
            },
        )
    });
    sentences.collect::<Vec<_>>().join(" ")
}

fn write_types(
    types: &[TypeContents],
    all: HeapSum,
    is_whole: bool,
    most: usize,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let grid = Grid::new(&TYPES, &[0, 1, 2, 3, 4]).dispensable(&[3, 4, 1]);
    let mut grid = if is_whole {
        grid
    } else {
        grid.hidden(&SHARES_OF_TYPES)
    };
    let mut so_far = HeapSum::default();
    for found in types.iter().take(most) {
        so_far.add(found.sum);
        let figures = [
            count(found.sum.objects),
            percent(found.sum.share_of(all)),
            size(found.sum.bytes),
            percent(so_far.share_of(all)),
            size(found.largest_bytes),
        ];
        grid.add(figures, |room| shorten(&printable(&found.name), room));
    }
    let more = types.len().saturating_sub(most);
    if more > 0 {
        let rest = all.without(so_far);
        let largest = types.iter().skip(most).map(|found| found.largest_bytes);
        let figures = [
            count(rest.objects),
            percent(rest.share_of(all)),
            size(rest.bytes),
            percent(1.0),
            size(largest.max().unwrap_or(0)),
        ];
        let name = format!("({})", plural(more as u64, "more type"));
        grid.add(figures, move |room| shorten(&name, room));
    }
    writeln!(out, "{}", grid.lines(style))
}

fn write_variables(
    contents: &HeapContents,
    most: usize,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let figures = |sum: HeapSum| {
        let share = percent(sum.share_of(contents.all));
        [count(sum.objects), share, size(sum.bytes)]
    };
    let grid = Grid::new(&VARIABLES, &[0, 1, 2]).dispensable(&[1]);
    let mut grid = if contents.limits.is_empty() {
        grid
    } else {
        grid.hidden(&SHARES_OF_VARIABLES)
    };
    for variable in contents.variables.iter().take(most) {
        grid.add(figures(variable.sum), |room| variable_lines(variable, room));
    }
    let mut smaller = contents.smaller_variables;
    let not_shown = contents.variables.iter().skip(most);
    not_shown.for_each(|variable| smaller.add(variable.sum));
    let unheld = contents
        .unheld
        .as_ref()
        .map_or_else(|_| HeapSum::default(), |unheld| unheld.sum);
    for (sum, what) in [
        (smaller, "(smaller variables)"),
        (
            contents.interpreter_alone,
            "(the interpreter or native code alone)",
        ),
        (unheld, "(nothing: reference cycles)"),
    ] {
        if sum.objects > 0 {
            grid.add(figures(sum), move |room| shorten(what, room));
        }
    }
    writeln!(out, "{}", grid.lines(style))
}

/// A variable, its other names, and what it is.
fn variable_lines(variable: &VariableContents, width: usize) -> String {
    let mut lines = vec![shorten(&printable(&variable.path), width)];
    for alias in &variable.aliases {
        let room = width.saturating_sub(3);
        lines.push(format!("or {}", shorten(&printable(alias), room)));
    }
    let name = variable.type_name.as_deref().unwrap_or_default();
    let name = shorten(&printable(name), MOST_TYPE_NAME);
    let what = match variable.entries {
        Some(entries) => format!("{name} of {}", plural(entries, unit_of_length(&name))),
        None => name,
    };
    let described = wrap(&what, width.saturating_sub(2));
    lines.extend(described.into_iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

/// What the length of an object counts.
fn unit_of_length(type_name: &str) -> &'static str {
    match type_name {
        "str" => "character",
        "bytes" | "bytearray" => "byte",
        _ => "entry",
    }
}

fn write_unheld(
    contents: &HeapContents,
    most: usize,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let unheld = match &contents.unheld {
        Ok(unheld) => unheld,
        Err(why) => {
            section("REFERENCE CYCLES THAT NOTHING HOLDS: NOT KNOWN", style, out)?;
            return indented(why_unknown(*why), style, out);
        }
    };
    let at_least = if unheld.is_partial { "at least " } else { "" };
    if unheld.sum.objects == 0 {
        let none = if unheld.is_partial {
            "Nothing was found that no variable holds; it changed meanwhile, so some may be missing."
        } else {
            "There are no reference cycles that nothing holds."
        };
        writeln!(out)?;
        return paragraph(none, style, out);
    }
    let title = format!(
        "REFERENCE CYCLES THAT NOTHING HOLDS: {at_least}{}, {}",
        plural(unheld.sum.objects, "object"),
        size(unheld.sum.bytes)
    );
    section(&title, style, out)?;
    write_types(&unheld.types, unheld.sum, true, most, style, out)?;
    let note = match contents.collects {
        Some(false) => {
            "With everything that only they hold. They stay: the garbage collector is off. \
             gc.enable() or gc.collect() would free them."
        }
        Some(true) => {
            "With everything that only they hold. They stay until the garbage collector frees \
             them: it is on, and has not come to them yet."
        }
        None => {
            "With everything that only they hold. They stay until the garbage collector frees \
             them: it may be off, or may not have come to them yet."
        }
    };
    indented(note, style, out)
}

const fn why_unknown(why: HeapUnknown) -> &'static str {
    match why {
        HeapUnknown::Partial => "Not all of it was read.",
        HeapUnknown::NoLists => {
            "A build without a global interpreter lock keeps no lists of its objects."
        }
        HeapUnknown::ListsNotFound => "The lists of the garbage collector were not found.",
        HeapUnknown::TooMany => "More than 8,388,608 objects are held by no variable.",
    }
}

#[cfg(test)]
mod tests;
