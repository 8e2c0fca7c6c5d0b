//! Which processes copied.

use std::io::{self, Write};

use super::view::View;
use crate::{
    report::columns::{PROCESSES, ProcessRow},
    run::{Process, Role, Run},
    terminal::{Style, section},
    words::{plural, shorten, size},
};

const MOST_PROCESSES: usize = 12;

/// Writes the section.
pub(super) fn write_processes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let told = |process: &&Process| process.copied.total() > 0 || process.role == Role::Master;
    let mut processes: Vec<&Process> = run.memory.processes.iter().filter(told).collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(process.copied.total()), process.id));
    let view = View::of(&PROCESSES);
    let mut table = view.grid().dispensable(&[1, 2, 4]).shorter(4, 5);
    for process in processes.iter().take(MOST_PROCESSES) {
        let row = ProcessRow::of(run, process);
        table.add(view.figures(&row), move |room| shorten(&row.name, room));
    }
    let explained = if table.shows(1, style) {
        " (reused: write faults that copied nothing)"
    } else {
        ""
    };
    section(&format!("WHO COPIED{explained}"), style, out)?;
    writeln!(out, "{}", table.lines(style))?;
    let others = processes.get(MOST_PROCESSES..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|process| process.copied.total()).sum();
        writeln!(
            out,
            "  and {} with {}",
            plural(others.len() as u64, "more process"),
            size(run.bytes(pages))
        )?;
    }
    Ok(())
}
