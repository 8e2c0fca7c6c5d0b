//! Everything in the heap of a process, by type and by variable, read from outside.

use std::{io::ErrorKind, path::Path, time::Duration};

use super::{Limits, Objects, Python, heap};
use crate::{
    memory,
    native::{Exports, NameReader, ProgramCode},
    run::{HeapContents, HeapLimit},
};

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
        .ok_or("it runs no CPython of 3.8 or newer")?
        .objects(proc_root)
        .contents(pid, limits)
}

/// Whether a process is there and its memory may be read.
fn check_readable(proc_root: &Path, pid: u32) -> Result<(), String> {
    let found = memory::read_identity(proc_root, pid);
    let found = found.map_err(|_| "there is no such process")?;
    if found.is_kernel_thread {
        return Err("it is a thread of the kernel".into());
    }
    if found.is_dead {
        return Err("it has ended".into());
    }
    memory::try_reading(proc_root, pid).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            "its memory may not be read; this needs root with CAP_SYS_PTRACE, as by sudo".into()
        }
        ErrorKind::NotFound => "it has ended".into(),
        _ => format!("its memory cannot be read: {error}"),
    })
}

impl Objects {
    /// All objects of a process, by type and by variable; or why they are unknown.
    fn contents(&self, pid: u32, limits: Limits) -> Result<HeapContents, String> {
        let mut found = self.read_living(pid, |interpreter, read| {
            heap::count_objects(&self.proc_root, pid, interpreter, limits, read)
        })?;
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
}

/// Time since boot, ns, as long as the machine is not asleep too.
fn since_boot_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    now.map_or(0, |now| {
        let (seconds, ns) = (now.tv_sec(), now.tv_nsec());
        u64::try_from(seconds).unwrap_or(0) * 1_000_000_000 + u64::try_from(ns).unwrap_or(0)
    })
}
