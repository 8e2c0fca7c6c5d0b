//! Who copied.

use std::collections::HashMap;

use super::column::{Column, Holds, Shown};
use crate::{
    run::{Ending, Process, Run, Successors},
    verdict::{NewOfProcess, new_by_process},
    words::{program_of, role_in_words, shorten, what_runs},
};

/// Longer names of the programs that processes started are cut.
const MAX_NEXT: usize = 12;

/// Titles of columns that recordings of older versions have nothing for.
const NEW: &str = "new";
const GIVEN_BACK: &str = "given back";
/// What they and that of copies mean.
pub(crate) const NOTE_ON_NEW: &str = "Copied: in all, in processes that have ended too. New: memory that a process has at the end and did not \
     have before. Given back: what else of new memory it touched.";

/// A process.
pub(crate) struct ProcessRow {
    pub(crate) name: String,
    /// Copied pages.
    pub(crate) pages: u64,
    /// Those, and pages of new memory that it has at the end.
    pub(crate) grown_pages: u64,
    copied_bytes: u64,
    /// New memory at the end; `None` if it has ended, or in recordings of versions that did not look.
    new_bytes: Option<u64>,
    given_back_bytes: Option<u64>,
    reused_faults: u64,
    inherited_bytes: Option<u64>,
    pid: Option<u64>,
    role: &'static str,
    /// How it ended, to follow its role.
    state: String,
    began_ns: u64,
    ended_ns: Option<u64>,
}

pub(crate) const PROCESSES: [Column<ProcessRow>; 13] = [
    Column::new("copied", Holds::Bytes, Shown::Everywhere, |row| {
        row.copied_bytes.into()
    }),
    Column::new("pages", Holds::Count, Shown::OnPage, |row| row.pages.into()),
    Column::new(NEW, Holds::Bytes, Shown::Everywhere, |row| {
        row.new_bytes.into()
    }),
    Column::new(GIVEN_BACK, Holds::Bytes, Shown::Everywhere, |row| {
        row.given_back_bytes.into()
    }),
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

/// Whether a column is about new memory.
pub(crate) fn is_about_new(column: &Column<ProcessRow>) -> bool {
    [NEW, GIVEN_BACK].contains(&column.title)
}

/// Makes the rows of processes of a run.
pub(crate) struct ProcessRows<'a> {
    run: &'a Run,
    successors: Successors<'a>,
    /// `None` in recordings of versions that did not look.
    new: Option<HashMap<u32, NewOfProcess>>,
}

impl<'a> ProcessRows<'a> {
    pub(crate) fn of(run: &'a Run) -> Self {
        Self {
            run,
            successors: Successors::of(&run.memory),
            new: new_by_process(run),
        }
    }

    /// Whether new memory is known.
    pub(crate) const fn have_new(&self) -> bool {
        self.new.is_some()
    }

    /// New memory of a process.
    pub(crate) fn new_of(&self, process: &Process) -> NewOfProcess {
        let new = self.new.as_ref().and_then(|new| new.get(&process.id));
        new.copied().unwrap_or_default()
    }

    pub(crate) const fn successors(&self) -> &Successors<'a> {
        &self.successors
    }

    pub(crate) fn row(&self, process: &Process) -> ProcessRow {
        let run = self.run;
        let pages = process.copied.total();
        let new = self.new_of(process);
        let inherited = run.memory.inherited_pages(process);
        let lives = process.exited_ns.is_none() || new.held > 0;
        ProcessRow {
            name: what_runs(run, process),
            pages,
            grown_pages: pages.saturating_add(new.held),
            copied_bytes: run.bytes(pages),
            new_bytes: (self.have_new() && lives).then(|| run.bytes(new.held)),
            given_back_bytes: self.have_new().then(|| run.bytes(new.given_back)),
            reused_faults: process.reused_faults,
            inherited_bytes: inherited.map(|pages| run.bytes(pages)),
            pid: (process.pid != 0).then(|| process.pid.into()),
            role: role_in_words(process),
            state: state(run, process, &self.successors),
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
