//! Cases in which another process writes a process's memory: its pages are copied without a fault
//! of its own.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    sync::Mutex,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::{ptrace, wait::waitpid},
    unistd::{ForkResult, Pid, fork, pipe},
};
use serde_json::Value;

use crate::{
    child::{Child, exit, writer},
    memory::{Memory, changed_by, wait_for_byte},
};

/// The parent writes into its child's memory with `process_vm_writev`.
pub(crate) fn written_by_parent(memory: &Memory) -> Result<Vec<Value>> {
    written_by(memory, |child| memory.write_into(child))
}

/// The parent stops its child and writes into its memory as a debugger does.
pub(crate) fn written_by_debugger(memory: &Memory) -> Result<Vec<Value>> {
    written_by(memory, |child| {
        let child = Pid::from_raw(i32::try_from(child)?);
        ptrace::attach(child)?;
        waitpid(child, None)?;
        for page in 0..memory.pages() {
            ptrace::write(child, memory.address(page), 1)?;
        }
        Ok(ptrace::detach(child, None)?)
    })
}

/// A process outside the traced tree writes into the child's memory.
pub(crate) fn written_by_stranger(memory: &Memory) -> Result<Vec<Value>> {
    let mut held = STRANGER
        .lock()
        .map_err(|_| anyhow::anyhow!("no stranger"))?;
    let stranger = held.as_mut().context("no stranger was started")?;
    written_by(memory, |child| stranger.write_into(child))
}

/// The writer of `written_by_stranger`: it exists before the trace, and is not a descendant of this
/// process.
static STRANGER: Mutex<Option<Stranger>> = Mutex::new(None);

struct Stranger {
    ask: File,
    answer: File,
}

impl Stranger {
    fn write_into(&mut self, pid: u32) -> Result<()> {
        self.ask.write_all(&pid.to_ne_bytes())?;
        self.answer
            .read_exact(&mut [0])
            .context("the stranger could not write")
    }
}

/// Memory, and a process that can write it in other processes, reparented to init before the trace
/// begins.
pub(crate) fn with_stranger() -> Result<Memory> {
    let memory = Memory::anonymous(crate::PAGES)?;
    memory.write_all();
    let (asked, ask) = pipe()?;
    let (answer, answered) = pipe()?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop((ask, answer));
            // SAFETY: as above.
            if let Ok(ForkResult::Child) = unsafe { fork() } {
                let _ = serve(memory, asked, answered);
            }
            exit()
        }
        ForkResult::Parent { child } => waitpid(child, None)?,
    };
    *STRANGER
        .lock()
        .map_err(|_| anyhow::anyhow!("no stranger"))? = Some(Stranger {
        ask: ask.into(),
        answer: answer.into(),
    });
    Ok(memory)
}

/// The stranger: writes into one process, and sends one answer.
fn serve(memory: Memory, asked: OwnedFd, answered: OwnedFd) -> Result<()> {
    let mut pid = [0; 4];
    File::from(asked).read_exact(&mut pid)?;
    memory.write_into(u32::from_ne_bytes(pid))?;
    Ok(File::from(answered).write_all(&[1])?)
}

/// A child that only waits while `write` writes every page of its memory.
fn written_by(memory: &Memory, write: impl FnOnce(u32) -> Result<()>) -> Result<Vec<Value>> {
    let (ready, is_ready) = pipe()?;
    let (wait, go) = pipe()?;
    let mut child = Child::fork(|| {
        changed_by(*memory, || {
            nix::unistd::write(&is_ready, &[1])?;
            wait_for_byte(wait.as_fd());
            Ok(())
        })
    })?;
    wait_for_byte(ready.as_fd());
    write(child.pid())?;
    nix::unistd::write(&go, &[1])?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    child.release()?;
    Ok(vec![told])
}
