//! Names of processes.

use super::shorten::shorten;
use crate::{foreign::printable, run::Run};

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

/// `node (4242)`: the name of the last program that ran under the process id.
pub(crate) fn last_of_pid(run: &Run, pid: u32) -> String {
    let process = run
        .memory
        .processes
        .iter()
        .rfind(|process| process.pid == pid);
    match process {
        Some(process) => format!("{} ({pid})", shorten(&named(&process.comm), MAX_NAME)),
        None => format!("process {pid}"),
    }
}
