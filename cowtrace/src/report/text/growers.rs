//! What grew the heap: who touched new memory first, by a sample.

use std::io::{self, Write};

use super::view::{View, name_in};
use crate::{
    report::columns::{BY, GREW_IN, GROWERS, GrowerRow},
    run::{Grower, Run},
    terminal::{Style, indented, section},
    verdict::{SampledTouches, grown_by},
    words::{Lines, NO_LINE, count, function_of_grower, plural, printable},
};

const MOST_LINES: usize = 10;
const MOST_FUNCTIONS: usize = 6;

/// Writes the section; nothing if no first touch is known.
pub(super) fn write_growers(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Some(sampled) = SampledTouches::of(run) else {
        return Ok(());
    };
    let title = format!(
        "WHAT GREW THE HEAP (about, from 1 in {} first touches: {} sampled)",
        Grower::PAGES_PER_SAMPLE,
        count(sampled.touches)
    );
    section(&title, style, out)?;
    let growers = &run.growth.growers;
    if growers.iter().any(|grower| grower.python_stack.is_some()) {
        let lines = Lines::of(run);
        let by_line = grown_by(growers, |it| lines.of_stack(it.python_stack));
        write_sums(run, &sampled, GREW_IN, &by_line, MOST_LINES, style, out)?;
        writeln!(out)?;
    }
    let by_function = grown_by(growers, |it| function_of_grower(run, it));
    write_sums(run, &sampled, BY, &by_function, MOST_FUNCTIONS, style, out)?;
    writeln!(out)?;
    indented(&note_on_growers(&sampled), style, out)
}

/// What the figures are worth, and what they do not say.
fn note_on_growers(sampled: &SampledTouches) -> String {
    let points = format!("{:.0}", (sampled.error() * 100.0).ceil());
    let points = match points.as_str() {
        "1" => "1 percentage point".to_owned(),
        points => format!("{points} percentage points"),
    };
    format!(
        "An estimate: 19 of 20 shares are within {points}. What grew the heap need not be what leaks: peaks \
         grow it, and what stays lies in the holes that they leave."
    )
}

fn write_sums(
    run: &Run,
    sampled: &SampledTouches,
    title: &str,
    sums: &[(String, u64)],
    most: usize,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let view = View::about(&GROWERS, title);
    let mut table = view.grid();
    let mut row = |name: &str, pages: u64| {
        let row = GrowerRow::nameless(run, sampled, pages);
        let name = printable(name);
        table.add(view.figures(&row), move |room| name_in(&name, room));
    };
    for (name, pages) in sums.iter().take(most) {
        let name = if name == NO_LINE {
            "(not in Python code)"
        } else {
            name
        };
        row(name, *pages);
    }
    let others = sums.get(most..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|(_, pages)| pages).sum();
        let others = plural(others.len() as u64, "other");
        row(&format!("({others})"), pages);
    }
    writeln!(out, "{}", table.lines(style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_says_how_far_off_a_share_may_be() {
        let note = |touches| note_on_growers(&SampledTouches { touches, pages: 64 });
        assert!(
            note(400).starts_with("An estimate: 19 of 20 shares are within 5 percentage points.")
        );
        assert!(note(1_000_000).contains("within 1 percentage point."));
    }
}
