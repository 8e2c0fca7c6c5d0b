//! A master with very many mappings: every other page of its memory is inaccessible, so that no two
//! mappings can merge.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use nix::sys::{prctl::set_pdeathsig, signal::Signal};
use serde_json::json;

use crate::{
    child::{Child, writer},
    memory::{Memory, changed_by, wait_for_byte},
};

const WORKERS: usize = 2;

/// `mappings COUNT`: forks workers, which wait, and reports that. After a line of input they write
/// every inherited page, and it reports them like any case. It exits when the input ends.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mappings: usize = arguments.first().context("how many mappings?")?.parse()?;
    let memory = Memory::anonymous(mappings)?;
    (0..mappings).step_by(2).for_each(|page| memory.write(page));
    (1..mappings).step_by(2).try_for_each(|page| {
        memory
            .forbid(page)
            .with_context(|| format!("the kernel gives a process no {mappings} mappings"))
    })?;
    let mut workers = Vec::new();
    let mut starters = Vec::new();
    for _ in 0..WORKERS {
        let (wait, go) = nix::unistd::pipe()?;
        workers.push(Child::fork(|| {
            // A failing test kills only the master.
            set_pdeathsig(Signal::SIGKILL)?;
            wait_for_byte(wait.as_fd());
            changed_by(memory, || {
                (0..mappings).step_by(2).for_each(|page| memory.write(page));
                Ok(())
            })
        })?);
        starters.push(go);
    }
    crate::ready(&memory)?;
    for starter in &starters {
        nix::unistd::write(starter, &[1])?;
    }
    let mut writers = Vec::new();
    for worker in &mut workers {
        let changed = worker.result()?;
        writers.push(writer(worker.pid(), mappings.div_ceil(2), changed));
    }
    crate::done(&json!({ "writers": writers }));
    drop(starters);
    workers.into_iter().try_for_each(Child::release)
}
