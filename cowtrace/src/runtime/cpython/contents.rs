//! Everything in the heap of a process, by type and by variable, read from outside.

use std::{
    io::ErrorKind,
    path::Path,
    time::{Duration, Instant},
};

use super::{Limits, Objects, Python, heap};
use crate::{
    memory::{self, Refusal},
    native::{Exports, NameReader, ProgramCode},
    run::{HeapContents, HeapLimit},
};

/// How often a process is read whose large containers change meanwhile.
const TRIES: usize = 3;

/// What to do where a process is no Python process.
const LISTS_PIDS: &str = "`pgrep -af python` lists pids";

/// Counts the objects of a process in at most this time; or says why it cannot.
pub fn read_contents(proc_root: &Path, pid: u32, time: Duration) -> Result<HeapContents, String> {
    check_readable(proc_root, pid)?;
    let code = ProgramCode::read(proc_root, &[pid], || false);
    let mut exports = Exports::read_by(NameReader::Apart);
    let limits = Limits {
        time,
        ..Limits::default()
    };
    Python::find(proc_root, &[pid], &code, &mut exports)
        .ok_or_else(|| format!("it runs no CPython of 3.8 or newer; {LISTS_PIDS}"))?
        .objects(proc_root)
        .contents(pid, &limits)
}

/// Whether a process is there and its memory may be read.
fn check_readable(proc_root: &Path, pid: u32) -> Result<(), String> {
    if pid == std::process::id() {
        return Err(format!("that is cowtrace itself; {LISTS_PIDS}"));
    }
    let found = memory::read_identity(proc_root, pid);
    let found = found.map_err(|_| format!("there is no such process; {LISTS_PIDS}"))?;
    if found.is_kernel_thread {
        return Err(format!("it is a thread of the kernel; {LISTS_PIDS}"));
    }
    if found.is_dead {
        return Err(format!("it has ended; {LISTS_PIDS}"));
    }
    memory::try_reading(proc_root, pid).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => refusal_in_words(proc_root),
        ErrorKind::NotFound => format!("it has ended; {LISTS_PIDS}"),
        _ => format!("its memory cannot be read: {error}"),
    })
}

/// Why a process's memory may not be read, and what would help.
fn refusal_in_words(proc_root: &Path) -> String {
    match memory::why_refused(proc_root) {
        Refusal::NotRoot => "your user may not read its memory; root may".into(),
        Refusal::NoCapability => "root may not read its memory here, because it lacks CAP_SYS_PTRACE; in a \
            container, start that with `--cap-add SYS_PTRACE`"
            .into(),
        Refusal::Confined(by) => format!(
            "{by} does not let cowtrace read its memory: a rule for ptrace is missing (the kernel's log has what \
             was denied)"
        ),
        Refusal::Protected => "the kernel refuses to let anyone read its memory, root with CAP_SYS_PTRACE \
            included: it is protected, as the first process of some containers is, or cowtrace runs in a domain of \
            Landlock. Give the pid of a Python process of your service, or run cowtrace outside of the domain"
            .into(),
    }
}

impl Objects {
    /// All objects of a process, by type and by variable; or why they are unknown.
    fn contents(&self, pid: u32, limits: &Limits) -> Result<HeapContents, String> {
        let mut found = self.settled_contents(pid, limits)?;
        let aside = memory::read_held_aside(&self.proc_root, pid);
        found.swapped_bytes = aside.map_or(0, |aside| aside.swapped_bytes);
        if found.swapped_bytes > 0 {
            found.limits.push(HeapLimit::Swap);
        }
        let identity = memory::read_identity(&self.proc_root, pid);
        found.started_ticks = identity.map_or(0, |it| it.started_ticks);
        found.at_ns = since_boot_ns();
        found.comm = memory::read_comm(&self.proc_root, pid);
        Ok(found)
    }

    /// The objects; read again where a large container was moved or freed each time it was read.
    fn settled_contents(&self, pid: u32, limits: &Limits) -> Result<HeapContents, String> {
        let began = Instant::now();
        let mut left_to_try = TRIES;
        loop {
            let left = limits.time.saturating_sub(began.elapsed());
            let limits = Limits {
                time: left,
                ..limits.clone()
            };
            let mut found = self.read_living(pid, |interpreter, read| {
                heap::count_objects(&self.proc_root, pid, interpreter, &limits, read)
            })?;
            left_to_try -= 1;
            let took = began.elapsed();
            let is_changing = found.limits.contains(&HeapLimit::Changing);
            // Another look takes as long.
            if !is_changing || left_to_try == 0 || took + took > limits.time {
                found.duration_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                return Ok(found);
            }
        }
    }
}

/// Time since boot, ns, as long as the machine is not asleep too.
fn since_boot_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    now.map_or(0, |now| {
        let (seconds, ns) = (now.tv_sec(), now.tv_nsec());
        u64::try_from(seconds).unwrap_or(0) * 1_000_000_000 + u64::try_from(ns).unwrap_or(0)
    })
}
