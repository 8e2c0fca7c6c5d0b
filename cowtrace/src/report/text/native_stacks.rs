//! The native calls that led to writes.

use std::io::{self, Write};

use super::view::View;
use crate::{
    report::columns::{BY, WRITERS, WriterCells},
    run::{NativeFrame, Run, StackEnd, Writer},
    terminal::{Style, indented},
    verdict::{note_on_native_stacks, pages_by},
    words::{count, plural, printable, shorten, with_place},
};

const MOST_STACKS: usize = 4;
/// Most lines of a stack; of longer ones the middle is left out.
const MOST_CALLS: usize = 12;
/// How many of these lines are at the outer end.
const OUTER_CALLS: usize = 2;
/// Indentation of calls, columns.
const INDENT: &str = "  ";

/// The most frequent native stacks, with `--stacks`.
pub(super) fn native_stacks(
    run: &Run,
    known: u64,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let with_stack = run.who_wrote.writers.iter();
    let with_stack = with_stack.filter(|writer| writer.native_stack.is_some());
    let width = style.width.saturating_sub(24);
    let stacks = pages_by(with_stack, |writer| {
        calls_of_writer(run, writer, width).unwrap_or_default()
    });
    if stacks.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let title = format!("{BY} native calls, the innermost first");
    let view = View::about(&WRITERS, &title);
    let mut table = view.grid();
    let mut row = |calls: String, pages: u64| {
        let row = WriterCells::of(run, pages, pages as f64 / known as f64);
        table.add(view.figures(&row), move |room| {
            let lines: Vec<String> = calls.lines().map(|line| shorten(line, room)).collect();
            lines.join("\n")
        });
    };
    for (calls, pages) in stacks.iter().take(MOST_STACKS) {
        row(calls.clone(), *pages);
    }
    let others = stacks.get(MOST_STACKS..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|(_, pages)| pages).sum();
        row(format!("({})", plural(others.len() as u64, "other")), pages);
    }
    writeln!(out, "{}", table.lines(style))?;
    if let Some(note) = note_on_native_stacks(run, known) {
        writeln!(out)?;
        indented(&note, style, out)?;
    }
    Ok(())
}

/// A writer's stack, one call per line, innermost first; none if it is unknown.
fn calls_of_writer(run: &Run, writer: &Writer, width: usize) -> Option<String> {
    let (frames, end) = run.native_of(writer)?;
    let mut lines = lines_of_calls(run, &frames, width.saturating_sub(INDENT.len()));
    let left_out = lines.len().saturating_sub(MOST_CALLS);
    if left_out > 0 {
        let outer = lines.split_off(lines.len() - OUTER_CALLS);
        lines.truncate(MOST_CALLS - OUTER_CALLS);
        lines.push(format!("… {} more …", count(left_out as u64)));
        lines.extend(outer);
    }
    match end {
        StackEnd::Outermost => {}
        StackEnd::Limit => lines.push("… more calls than are kept".into()),
        StackEnd::Lost => lines.push("… by callers that are not known".into()),
    }
    Some(lines.join(&format!("\n{INDENT}")))
}

/// One line per call, and one for consecutive calls of the same function.
fn lines_of_calls(run: &Run, frames: &[&NativeFrame], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut module = None;
    for same in frames.chunk_by(|one, next| one == next && one.function.is_some()) {
        let Some(&frame) = same.first() else { continue };
        let mut ending = String::new();
        if frame.inlined {
            ending.push_str(" (inlined)");
        } else if frame.module != module && !names_its_module(frame) {
            let module = frame.module.as_deref().unwrap_or_default();
            ending = format!(" ({})", shorten(&printable(module), width / 3));
        }
        if same.len() > 1 {
            ending = format!("{ending} x {}", same.len());
        }
        if !frame.inlined && frame.module.is_some() {
            module.clone_from(&frame.module);
        }
        let name = match &frame.function {
            Some(function) => printable(&with_place(run, function)),
            None => "(unknown call)".into(),
        };
        let left = width.saturating_sub(ending.chars().count());
        lines.push(format!("{}{ending}", shorten(&name, left)));
    }
    lines
}

/// Whether the name already has module and offset, or nothing is known about the function.
fn names_its_module(frame: &NativeFrame) -> bool {
    match (&frame.function, &frame.module) {
        (Some(function), Some(module)) => function.starts_with(module.as_str()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::arbitrary;

    fn frame(function: Option<&str>, module: &str, inlined: bool) -> NativeFrame {
        NativeFrame {
            function: function.map(Into::into),
            module: function.map(|_| module.into()),
            inlined,
        }
    }

    #[test]
    fn calls_are_told_with_their_module_where_it_changes() {
        let frames = [
            frame(Some("put"), "app", true),
            frame(Some("store"), "app", false),
            frame(Some("visit"), "app", false),
            frame(Some("visit"), "app", false),
            frame(None, "", false),
            frame(Some("libc.so.6+0x1234"), "libc.so.6", false),
            frame(Some("main"), "app", false),
        ];
        let frames: Vec<&NativeFrame> = frames.iter().collect();
        assert_eq!(
            lines_of_calls(&arbitrary::empty(), &frames, 60),
            [
                "put (inlined)",
                "store (app)",
                "visit x 2",
                "(unknown call)",
                "libc.so.6+0x1234",
                "main (app)",
            ]
        );
    }
}
