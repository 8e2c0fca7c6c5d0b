//! A forked child that does some work, reports a number, and waits to be released.

use std::{
    io::{Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::wait::waitpid,
    unistd::{ForkResult, Pid, fork, pipe},
};
use serde_json::{Value, json};

use crate::memory::wait_for_byte;

/// A running child.
pub(crate) struct Child {
    pid: Pid,
    result: std::fs::File,
    hold: OwnedFd,
}

impl Child {
    /// Forks a child that does `work`, reports its result, and waits to be released.
    pub(crate) fn fork(work: impl FnOnce() -> Result<u64>) -> Result<Self> {
        let (result, tell) = pipe()?;
        let (gate, hold) = pipe()?;
        // SAFETY: the cases fork while they have one thread, or the child allocates nothing.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self {
                pid: child,
                result: result.into(),
                hold,
            }),
            ForkResult::Child => {
                drop(hold);
                let number = work().unwrap_or(u64::MAX);
                let _ = std::fs::File::from(tell).write_all(&number.to_ne_bytes());
                wait_for_byte(gate.as_fd());
                exit()
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Waits for the number.
    pub(crate) fn result(&mut self) -> Result<u64> {
        let mut number = [0; 8];
        self.result
            .read_exact(&mut number)
            .context("a child ended without its number")?;
        let number = u64::from_ne_bytes(number);
        anyhow::ensure!(number != u64::MAX, "a child failed");
        Ok(number)
    }

    /// Releases the child, and waits until it has exited.
    pub(crate) fn release(self) -> Result<()> {
        nix::unistd::write(&self.hold, &[1])?;
        waitpid(self.pid, None)?;
        Ok(())
    }
}

/// Exits without running anything that the parent registered.
pub(crate) fn exit() -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { nix::libc::_exit(0) }
}

/// What a process wrote, for the test.
pub(crate) fn writer(pid: u32, written: usize, changed: u64) -> Value {
    json!({ "pid": pid, "written": written, "changed": changed })
}
