//! Names of variables that hold copied memory: their types and entries, and their processes.

use super::{
    numbers::{count, seconds},
    processes::program_of,
    shorten::shorten,
};
use crate::{
    foreign::printable,
    run::{Allocator, Holder, Process, Run},
};

/// Longer names of types are cut.
const MAX_TYPE: usize = 40;
/// Longer names of processes beside a variable are cut.
const MAX_PROCESS: usize = 16;

/// What no variable holds because the master's allocator had it.
pub(crate) const FREE_MEMORY: &str = "free memory of the master";

/// The same, with whose it is.
pub(crate) const fn free_memory_of(allocator: Allocator) -> &'static str {
    match allocator {
        Allocator::Pymalloc => "free memory of the master (pymalloc)",
        Allocator::Malloc => "free memory of the master (malloc)",
        Allocator::Mimalloc => "free memory of the master (mimalloc)",
    }
}

/// `dict x900,000`.
pub(crate) fn type_and_entries(holder: &Holder) -> String {
    let text = type_name(holder);
    match holder.entries {
        Some(entries) => format!("{text} x{}", count(entries)),
        None => text,
    }
}

pub(crate) fn type_name(holder: &Holder) -> String {
    let name = holder.type_name.as_deref().unwrap_or("unknown type");
    shorten(&printable(name), MAX_TYPE)
}

/// `python3 (4242)`: the variable's process; with its start time if another program had the same
/// process id before.
pub(crate) fn owner_of(run: &Run, holder: &Holder) -> String {
    let Some(process) = run.process(holder.process_id) else {
        return format!("process {}", holder.process_id);
    };
    let name = shorten(&program_of(run, process), MAX_PROCESS);
    let mut others = run
        .who_holds
        .holders
        .iter()
        .filter_map(|it| run.process(it.process_id));
    let has_pid = |other: &Process| other.pid == process.pid && other.id != process.id;
    let since = if others.any(has_pid) {
        format!(", since {}", seconds(process.started_ns))
    } else {
        String::new()
    };
    format!("{name} ({}{since})", process.pid)
}
