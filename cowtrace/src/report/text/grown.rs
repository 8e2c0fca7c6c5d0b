//! What grows: the objects that live on new memory, and the variables that hold them.

use std::io::{self, Write};

use super::view::{View, in_lines, name_in};
use crate::{
    report::columns::{GROWN_TYPES, GROWN_VARIABLES, rows_of_grown_types, rows_of_grown_variables},
    run::Run,
    terminal::{Style, indented, paragraph, section},
    verdict::{WhatGrows, failures_of_grown, notes_on_grown},
    words::{named, plural, printable, seconds, shorten, size},
};

const MOST_ROWS: usize = 12;
/// Longer names are cut.
const MOST_PROCESS_NAME: usize = 32;
const MOST_FILE_NAME: usize = 40;

/// Writes what grows of a recorded run, and why nothing is known of some processes.
pub fn grown_as_text(
    recording: &str,
    run: &Run,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    paragraph(&what_was_looked_at(recording, run), style, out)?;
    if WhatGrows::of(run).is_some() {
        return write_grown(run, style, out);
    }
    for why in failures_of_grown(run) {
        paragraph(&why, style, out)?;
    }
    Ok(())
}

/// What was looked at, when, and in which processes.
fn what_was_looked_at(recording: &str, run: &Run) -> String {
    let heaps = run.growth.grown.heaps.iter();
    let read = heaps.filter(|heap| heap.failure.is_none());
    let mut names: Vec<String> = read
        .map(|heap| match run.process(heap.process_id) {
            Some(process) => {
                let name = shorten(&named(&process.comm), MOST_PROCESS_NAME);
                format!("{name} ({})", process.pid)
            }
            None => format!("process {}", heap.process_id),
        })
        .collect();
    let last = names.pop();
    let names = match (names.is_empty(), last) {
        (_, None) => "no process".into(),
        (true, Some(last)) => last,
        (false, Some(last)) => format!("{} and {last}", names.join(", ")),
    };
    format!(
        "{}: objects on new memory of {names}, at the end of a trace that began at {} and lasted {}.",
        shorten(&printable(recording), MOST_FILE_NAME),
        printable(&run.head.started_at),
        seconds(run.head.duration_ns),
    )
}

/// Writes the section; nothing if no process was read.
pub(super) fn write_grown(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Some(found) = WhatGrows::of(run) else {
        return Ok(());
    };
    let title = format!(
        "WHAT GROWS (objects on {} of new memory of {})",
        size(found.bytes),
        plural(found.processes, "process")
    );
    section(&title, style, out)?;
    let types = rows_of_grown_types(&run.growth.grown.types, found.bytes);
    if types.is_empty() {
        indented("No Python objects live on it.", style, out)?;
    }
    let view = View::of(&GROWN_TYPES);
    let mut table = view.grid().dispensable(&[2, 0, 3]);
    for row in types.iter().take(MOST_ROWS) {
        table.add(view.figures(row), |room| name_in(&row.name, room));
    }
    if !types.is_empty() {
        writeln!(out, "{}", table.lines(style))?;
    }
    let variables = rows_of_grown_variables(&run.growth.grown.variables, found.bytes);
    if !variables.is_empty() {
        writeln!(out)?;
        let view = View::of(&GROWN_VARIABLES);
        let mut table = view.grid().dispensable(&[2, 0]);
        for row in variables.iter().take(MOST_ROWS) {
            let what = match row.entries {
                Some(entries) => format!("{} of {}", row.type_name, plural(entries, "entry")),
                None => row.type_name.clone(),
            };
            table.add(view.figures(row), move |room| {
                format!(
                    "{}\n{}",
                    name_in(&row.path, room),
                    in_lines(&format!("  {what}"), room)
                )
            });
        }
        writeln!(out, "{}", table.lines(style))?;
    }
    writeln!(out)?;
    indented(&notes_on_grown(run, &found).join(" "), style, out)
}
