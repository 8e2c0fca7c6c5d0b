//! Which processes copied.

use std::io::{self, Write};

use crate::{
    run::{Ending, Process, Role, Run},
    terminal::{Grid, Style, section},
    words::{count, named, plural, shorten, size},
};

const MOST_PROCESSES: usize = 12;

/// Writes the section.
pub(super) fn processes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let told = |process: &&Process| process.copied.total() > 0 || process.role == Role::Master;
    let mut processes: Vec<&Process> = run.memory.processes.iter().filter(told).collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(process.copied.total()), process.id));
    let header = ["copied", "reused", "inherited", "pid", "", "", "process"];
    let mut table = Grid::new(&header, &[0, 1, 2, 3])
        .dispensable(&[1, 2, 4])
        .shorter(4, 5);
    for process in processes.iter().take(MOST_PROCESSES) {
        let inherited = process.inherited_pages.map(|pages| size(run.bytes(pages)));
        let role = process.role.name();
        let state = state(process);
        let figures = [
            size(run.bytes(process.copied.total())),
            count(process.reused_faults),
            inherited.unwrap_or_default(),
            if process.pid == 0 {
                String::new()
            } else {
                process.pid.to_string()
            },
            format!("{role}{state}"),
            role.to_owned(),
        ];
        table.add(figures, |room| shorten(&named(&process.comm), room));
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

/// What became of a process.
fn state(process: &Process) -> String {
    match process.exit.map(|exit| (exit.ending, exit.signal_name())) {
        Some((Ending::Status(status), _)) => format!(", exited ({status})"),
        Some((Ending::Signal(_), Some(name))) => format!(", {name}"),
        Some((Ending::Signal(signal), None)) => format!(", signal {signal}"),
        None if process.exited_ns.is_some() => ", exited".into(),
        None => String::new(),
    }
}
