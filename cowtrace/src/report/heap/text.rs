//! The objects of a process as text: what there is, by type, by variable, and what nothing holds.

use std::io::{self, Write};

use super::growth::write_growth;
use crate::{
    run::{
        HeapContents, HeapGrowth, HeapLimit, HeapSum, HeapUnknown, TypeContents, VariableContents,
    },
    terminal::{Grid, Style, indented, paragraph, section, wrap},
    words::{count, percent, plural, printable, seconds, shorten, size},
};

/// Rows that are shown without `--full`.
const MOST_TYPES: usize = 12;
const MOST_UNHELD: usize = 6;
const MOST_VARIABLES: usize = 8;
/// Longer names of types beside a variable are cut.
const MOST_TYPE_NAME: usize = 40;
const TYPES: [&str; 6] = ["objects", "share", "bytes", "sum", "largest", "type"];
const VARIABLES: [&str; 4] = ["objects", "share", "bytes", "variable"];

/// Writes the objects of a process for people: the largest types and variables, or all of them. With what
/// they grew by that alone, unless all is wanted.
pub fn heap_as_text(
    contents: &HeapContents,
    since: Option<&HeapGrowth>,
    full: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let most = |most: usize| if full { usize::MAX } else { most };
    paragraph(&first_lines(contents), style, out)?;
    if let Some(growth) = since {
        let most = (most(MOST_TYPES), most(MOST_VARIABLES));
        write_growth(growth, most, full, style, out)?;
        if !full {
            return Ok(());
        }
    }
    let title = "OBJECTS BY TYPE (share and sum: of all bytes)";
    section(title, style, out)?;
    let types = &contents.types;
    write_types(types, contents.all, most(MOST_TYPES), style, out)?;
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
        HeapLimit::Depth => "Its structures branch more deeply than cowtrace follows.".into(),
        HeapLimit::Swap => format!(
            "{} of it are in swap and were not read.",
            size(contents.swapped_bytes)
        ),
    }
}

fn write_types(
    types: &[TypeContents],
    all: HeapSum,
    most: usize,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut grid = Grid::new(&TYPES, &[0, 1, 2, 3, 4]).dispensable(&[3, 4, 1]);
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
    let mut grid = Grid::new(&VARIABLES, &[0, 1, 2]).dispensable(&[1]);
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
        Some(entries) => format!("{name} x{}", count(entries)),
        None => name,
    };
    let described = wrap(&what, width.saturating_sub(2));
    lines.extend(described.into_iter().map(|line| format!("  {line}")));
    lines.join("\n")
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
    write_types(&unheld.types, unheld.sum, most, style, out)?;
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
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;
    use crate::run::UnheldObjects;

    fn contents() -> HeapContents {
        let sum = |objects, bytes| HeapSum { objects, bytes };
        let of_type = |name: &str, objects, bytes| TypeContents {
            name: name.into(),
            sum: sum(objects, bytes),
            largest_bytes: bytes / objects,
        };
        let types: Vec<_> = (1..=20)
            .rev()
            .map(|n| of_type(&format!("t{n}"), n, n << 20))
            .collect();
        let variable = |n: u64| VariableContents {
            path: format!("__main__.data{n}\u{1b}[2J"),
            type_name: Some("dict".into()),
            entries: Some(n),
            sum: sum(n, n << 20),
            aliases: vec![format!("__main__.handler.{}", "long".repeat(30))],
        };
        HeapContents {
            pid: 4242,
            comm: "python3".into(),
            started_ticks: 1,
            at_ns: 1,
            python: (3, 11),
            all: sum(210, 210 << 20),
            types,
            variables: (1..=16).rev().map(variable).collect(),
            smaller_variables: sum(10, 10 << 20),
            interpreter_alone: sum(1, 1 << 20),
            unheld: Ok(UnheldObjects {
                sum: sum(63, 63 << 20),
                types: vec![of_type("list", 63, 63 << 20)],
                is_partial: false,
            }),
            collects: Some(true),
            limits: Vec::new(),
            swapped_bytes: 0,
            bytes_read: 0,
            duration_ns: 1_260_000_000,
        }
    }

    fn text(contents: &HeapContents, full: bool, width: usize) -> String {
        let mut out = Vec::new();
        let color = false;
        heap_as_text(contents, None, full, Style { width, color }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Without the layout.
    fn words_of(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_largest_are_shown_and_the_others_added_up() {
        let short = words_of(&text(&contents(), false, 80));
        assert!(short.starts_with("python3 (4242), CPython 3.11: 210 objects, 210 MiB."));
        // 8 + 7 + … + 1.
        let rest = "36 17 % 36 MiB 100 % 1 MiB (8 more types)";
        assert!(short.contains(rest), "{short}");
        // 10 smaller ones, and 8 + 7 + … + 1 of those listed.
        let rest = "46 22 % 46 MiB (smaller variables)";
        assert!(short.contains(rest), "{short}");
        let full = text(&contents(), true, 80);
        assert!(
            !full.contains("more types") && full.contains("data1\\u{1b}[2J"),
            "{full}"
        );
        assert!(short.contains("REFERENCE CYCLES THAT NOTHING HOLDS: 63 objects, 63 MiB"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_or_harmful() {
        for width in 40..120 {
            let text = text(&contents(), true, width);
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
            assert!(!text.contains('\u{1b}'));
        }
    }

    #[test]
    fn a_bound_that_was_met_is_said() {
        let mut found = contents();
        found.limits = vec![HeapLimit::Time, HeapLimit::Swap];
        found.swapped_bytes = 3 << 20;
        found.unheld = Err(HeapUnknown::Partial);
        let text = words_of(&text(&found, false, 80));
        assert!(text.contains("CPython 3.11: at least 210 objects"));
        assert!(text.contains("3 MiB of it are in swap") && text.contains("lower bounds"));
        assert!(text.contains("HOLDS: NOT KNOWN") && !text.contains("(nothing"));
    }
}
