//! Who wrote, for people: what was written, by which function, and what can be done about it.

use std::io::{self, Write};

use super::{
    extent::Extent,
    native_stacks::native_stacks,
    view::{View, in_lines, name_in},
};
use crate::{
    report::columns::{BY, LINE, WRITERS, WRITTEN, WriterCells},
    run::Run,
    terminal::{Style, indented, item, section},
    verdict::{
        KnownPages, advice, is_pythons, note_on_python_stacks, notes_on_perf_maps, pages_by,
        tells_what_was_written, who_wrote_most_of_regions,
    },
    words::{Lines, NO_LINE, function, percent, plural, printable, written},
};

const MOST_TARGETS: usize = 8;
const MOST_FUNCTIONS: usize = 6;
const MOST_LINES: usize = 8;
/// Rows in the short report.
const SHORT_TARGETS: usize = 3;

/// Writes the section; nothing if no writer is known.
pub(super) fn write_writers(
    run: &Run,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let known = KnownPages::of(run);
    if known.recorded == 0 {
        return Ok(());
    }
    section(&title_of_writers(&known), style, out)?;
    let writers = &run.who_wrote.writers;
    let table = |title: &str, sums: &[(String, u64)], most: usize, out: &mut dyn Write| {
        write_sums(title, sums, most, known.recorded, run, style, out)
    };
    if tells_what_was_written(run) {
        let most = extent.most_rows(MOST_TARGETS, SHORT_TARGETS);
        table(
            WRITTEN,
            &pages_by(writers, |it| written(run, it)),
            most,
            out,
        )?;
        writeln!(out)?;
    }
    let lines = Lines::of(run);
    let has_lines = writers.iter().any(|writer| writer.python_stack.is_some());
    if extent.is_full() || !has_lines {
        let most = extent.most_rows(MOST_FUNCTIONS, SHORT_TARGETS);
        table(BY, &pages_by(writers, |it| function(run, it)), most, out)?;
    }
    if extent.is_full() {
        native_stacks(run, known.recorded, style, out)?;
        if has_lines {
            writeln!(out)?;
        }
    }
    if has_lines {
        let by_line = pages_by(writers, |it| lines.of_writer(it));
        let share = |(_, pages): &(String, u64)| *pages as f64 / known.recorded as f64;
        let most = extent.rows_with_much(MOST_LINES, by_line.iter().map(share));
        table(&format!("{BY} {LINE}"), &by_line, most, out)?;
    }
    match extent {
        Extent::Full => write_details(run, &lines, known.recorded, style, out),
        Extent::Short(_) => Ok(()),
    }
}

/// What is known besides the tables.
fn write_details(
    run: &Run,
    lines: &Lines<'_>,
    recorded: u64,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let writers = &run.who_wrote.writers;
    if writers.iter().any(|writer| writer.python_stack.is_some()) {
        if let Some(note) = note_on_python_stacks(run, recorded) {
            write_apart(&note, style, out)?;
        }
    } else if writers.iter().any(is_pythons) {
        write_apart(NO_LINES, style, out)?;
    }
    for (index, text) in who_wrote_most_of_regions(run, lines).iter().enumerate() {
        if index == 0 {
            writeln!(out)?;
        }
        item(text, style, out)?;
    }
    let notes = notes_on_perf_maps(run).into_iter().chain(advice(run));
    notes
        .into_iter()
        .try_for_each(|note| write_apart(&note, style, out))
}

/// A paragraph, preceded by an empty line.
fn write_apart(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    indented(text, style, out)
}

/// The basis of the section: pages with a named writer, pages with evidence of who wrote (the whole
/// for the tables' shares), and all pages.
fn title_of_writers(known: &KnownPages) -> String {
    let &KnownPages {
        named,
        recorded,
        all,
        ..
    } = known;
    let share = |pages: u64| percent(known.share(pages));
    let shares = match recorded {
        _ if recorded == all => String::new(),
        _ if recorded == named => "; shares are of these".into(),
        _ => format!(
            "; shares are of the {} with a record of the write",
            share(recorded)
        ),
    };
    let estimate = known.estimate();
    format!(
        "WHO WROTE (first writer of each page; known for {} of the copies{estimate}{shares})",
        share(named)
    )
}

/// Why there are no Python lines.
const NO_LINES: &str = "Python lines are shown for CPython 3.11 to 3.15, and not with --no-frames.";

fn write_sums(
    title: &str,
    sums: &[(String, u64)],
    most: usize,
    known: u64,
    run: &Run,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let view = View::about(&WRITERS, title);
    let mut table = view.grid();
    let mut row = |name: &str, pages: u64| {
        let row = WriterCells::of(run, pages, pages as f64 / known as f64);
        let name = printable(name);
        table.add(view.figures(&row), move |room| match name.as_str() {
            NO_LINE => in_lines(NO_LINE, room),
            name => name_in(name, room),
        });
    };
    for (name, pages) in sums.iter().take(most) {
        row(name, *pages);
    }
    let others = sums.get(most..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|(_, pages)| pages).sum();
        row(
            &format!("({})", plural(others.len() as u64, "other")),
            pages,
        );
    }
    writeln!(out, "{}", table.lines(style))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::CopySample;

    #[test]
    fn the_title_says_what_shares_are_of() {
        let known = |named, recorded, all| KnownPages {
            named,
            recorded,
            all,
            sample: None,
        };
        let title = |named, recorded, all| title_of_writers(&known(named, recorded, all));
        assert!(title(90, 100, 100).ends_with("known for 90 % of the copies)"));
        assert!(title(81, 81, 100).ends_with("known for 81 % of the copies; shares are of these)"));
        assert!(title(70, 81, 100).ends_with("shares are of the 81 % with a record of the write)"));
        let sampled = |looked_at| {
            title_of_writers(&KnownPages {
                sample: Some(CopySample {
                    error: 2,
                    looked_at,
                }),
                ..known(90, 100, 100)
            })
        };
        let ends = |looked_at, end| sampled(looked_at).ends_with(end);
        assert!(ends(None, "90 % of the copies, from a sample, ±2 %)"));
        assert!(ends(
            Some(0.061),
            "the copies, from a sample of 1 copy in 16, ±2 %)"
        ));
        assert!(ends(
            Some(0.8),
            "the copies, from a sample of 80 % of them, ±2 %)"
        ));
    }
}
