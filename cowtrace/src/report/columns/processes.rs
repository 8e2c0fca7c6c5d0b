//! Who copied.

use super::column::{Column, Holds, Shown};
use crate::{
    run::{Ending, Process, Run, Successors},
    words::{program_of, shorten, what_runs},
};

/// Longer names of the programs that processes started are cut.
const MAX_NEXT: usize = 12;

/// A process.
pub(crate) struct ProcessRow {
    pub(crate) name: String,
    /// Copied pages.
    pub(crate) pages: u64,
    copied_bytes: u64,
    reused_faults: u64,
    inherited_bytes: Option<u64>,
    pid: Option<u64>,
    role: &'static str,
    /// How it ended, to follow its role.
    state: String,
    began_ns: u64,
    ended_ns: Option<u64>,
}

pub(crate) const PROCESSES: [Column<ProcessRow>; 11] = [
    Column::new("copied", Holds::Bytes, Shown::Everywhere, |row| {
        row.copied_bytes.into()
    }),
    Column::new("pages", Holds::Count, Shown::OnPage, |row| row.pages.into()),
    Column::new("reused", Holds::Count, Shown::Everywhere, |row| {
        row.reused_faults.into()
    }),
    Column::new("inherited", Holds::Bytes, Shown::Everywhere, |row| {
        row.inherited_bytes.into()
    }),
    Column::new("pid", Holds::Number, Shown::Everywhere, |row| {
        row.pid.into()
    }),
    Column::new("role", Holds::Word, Shown::OnPage, |row| row.role.into()),
    Column::new("", Holds::Word, Shown::InText, |row| {
        (&format!("{}{}", row.role, row.state)).into()
    }),
    // Instead of the former, which has no room there.
    Column::new("", Holds::Word, Shown::InText, |row| row.role.into()),
    Column::new("began", Holds::Time, Shown::OnPage, |row| {
        row.began_ns.into()
    }),
    Column::new("ended", Holds::Time, Shown::OnPage, |row| {
        row.ended_ns.into()
    }),
    Column::new("process", Holds::Text, Shown::Everywhere, |row| {
        (&row.name).into()
    }),
];

impl ProcessRow {
    pub(crate) fn of(run: &Run, process: &Process, successors: &Successors<'_>) -> Self {
        let pages = process.copied.total();
        Self {
            name: what_runs(run, process),
            pages,
            copied_bytes: run.bytes(pages),
            reused_faults: process.reused_faults,
            inherited_bytes: process.inherited_pages.map(|pages| run.bytes(pages)),
            pid: (process.pid != 0).then(|| process.pid.into()),
            role: process.role.name(),
            state: state(run, process, successors),
            began_ns: process.started_ns,
            ended_ns: process.exited_ns,
        }
    }
}

/// How a process ended, or which program it started in its place.
fn state(run: &Run, process: &Process, successors: &Successors<'_>) -> String {
    if let Some(next) = successors.after(process) {
        return format!(", became {}", shorten(&program_of(run, next), MAX_NEXT));
    }
    if process.exit.is_some_and(|exit| exit.out_of_memory) {
        return ", out of memory".into();
    }
    match process.exit.map(|exit| (exit.ending, exit.signal_name())) {
        Some((Ending::Status(status), _)) => format!(", exited ({status})"),
        Some((Ending::Signal(_), Some(name))) => format!(", {name}"),
        Some((Ending::Signal(signal), None)) => format!(", signal {signal}"),
        None if process.exited_ns.is_some() => ", exited".into(),
        None => String::new(),
    }
}
