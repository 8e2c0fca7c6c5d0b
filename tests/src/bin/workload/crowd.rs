//! A worker with very many threads, each of which writes inherited memory.

use std::{
    os::fd::AsFd as _,
    sync::{Arc, Barrier},
    thread,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::pipe,
};
use serde_json::json;

use crate::{
    child::{Child, writer},
    memory::{Memory, changed_by, wait_for_byte},
};

/// Enough for a thread that writes one page.
const STACK_BYTES: usize = 64 << 10;

/// `crowd THREADS`: after a line of input a worker starts its threads, and this is reported. After another line each
/// thread writes a page, and it reports that like any case.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let threads: usize = arguments.first().context("how many threads?")?.parse()?;
    let memory = Memory::anonymous(threads)?;
    memory.write_all();
    crate::ready(&memory)?;
    let (wait, go) = pipe()?;
    let (told, tell) = pipe()?;
    let mut worker = Child::fork(|| {
        // A failing test kills only the master.
        set_pdeathsig(Signal::SIGKILL)?;
        write_together(memory, || {
            nix::unistd::write(&tell, &[1]).is_ok() && wait_for_byte(wait.as_fd())
        })
    })?;
    anyhow::ensure!(wait_for_byte(told.as_fd()), "the worker has no threads");
    crate::say(&json!({ "done": "started" }));
    crate::wait_for_line()?;
    nix::unistd::write(&go, &[1])?;
    let changed = worker.result()?;
    crate::done(&json!({ "writers": [writer(worker.pid(), threads, changed)] }));
    worker.release()
}

/// Starts a thread for each page, calls `started`, and has each thread write its page.
fn write_together(memory: Memory, started: impl FnOnce() -> bool) -> Result<u64> {
    let gate = Arc::new(Barrier::new(memory.pages() + 1));
    let write = |page: usize| {
        let gate = Arc::clone(&gate);
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        builder.spawn(move || {
            gate.wait();
            memory.write(page);
        })
    };
    let threads = (0..memory.pages()).map(write);
    let threads = threads.collect::<Result<Vec<_>, _>>();
    let threads = threads.context("the system refuses another thread")?;
    anyhow::ensure!(started(), "the master has exited");
    changed_by(memory, || {
        gate.wait();
        for thread in threads {
            anyhow::ensure!(thread.join().is_ok(), "a thread failed");
        }
        Ok(())
    })
}
