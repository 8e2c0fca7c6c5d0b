//! Names of processes.

use super::shorten::shorten;
use crate::{
    foreign::printable,
    run::{Process, Role, Run, UntracedDonor},
};

/// Longer names of processes are cut.
const MAX_NAME: usize = 32;

/// A process's name; the kernel allows empty ones.
pub(crate) fn named(comm: &str) -> String {
    if comm.trim().is_empty() {
        "(no name)".into()
    } else {
        printable(comm)
    }
}

/// `4243 is itself a child of gunicorn (4242); to see …`: what leads to more where a target has its memory from a
/// process that is not traced.
pub(crate) fn untraced_donor(it: &UntracedDonor) -> String {
    let (pid, donor, name) = (it.pid, it.donor_pid, named(&it.donor_comm));
    if it.is_parent {
        format!(
            "{pid} is itself a child of {name} ({donor}); to see which of its parent's memory it copies, trace --pid \
             {donor}"
        )
    } else {
        format!(
            "{pid} itself has its memory from {name} ({donor}); to see which of it it copies, trace --pid {donor}"
        )
    }
}

/// What a process runs: `celery -A app worker`; else its name.
pub(crate) fn what_runs(run: &Run, process: &Process) -> String {
    match run.memory.command_line_of(process.id) {
        Some(line) if !line.trim().is_empty() => printable(line),
        _ => named(&process.comm),
    }
}

/// The program that a process runs: `celery`; else its name.
pub(crate) fn program_of(run: &Run, process: &Process) -> String {
    let line = run.memory.command_line_of(process.id).unwrap_or_default();
    let program = line.split_whitespace().next();
    let program = program.map(|program| program.trim_end_matches(':'));
    match program {
        Some(program) if !program.is_empty() => printable(program),
        _ => named(&process.comm),
    }
}

/// `node (4242)`: the name of the last program that ran under the process id.
pub(crate) fn last_of_pid(run: &Run, pid: u32) -> String {
    let process = run
        .memory
        .processes
        .iter()
        .rfind(|process| process.pid == pid);
    match process {
        Some(process) => format!("{} ({pid})", shorten(&program_of(run, process), MAX_NAME)),
        None => format!("process {pid}"),
    }
}

/// `master`, `worker`; `process` if it was started as a program of its own.
pub(crate) fn role_in_words(process: &Process) -> &'static str {
    let has_inherited = process.inherited_pages.is_some() || process.pid == 0;
    if process.role == Role::Worker && !has_inherited {
        "process"
    } else {
        process.role.name()
    }
}
