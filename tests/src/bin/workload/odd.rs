//! Cases of processes that are none of the usual ones: ended and never waited for, of a memory that two processes
//! have, or another program every few milliseconds.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::Result;
use nix::{
    sched::{CloneFlags, clone},
    sys::{
        signal::Signal,
        wait::{Id, WaitPidFlag, waitid, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};
use serde_json::{Value, json};

use crate::{
    child::{Child, exit, writer},
    memory::{Memory, changed_by},
    tree::Case,
};

pub(crate) const ALL: &[(&str, Case)] = &[
    ("unreaped", unreaped),
    ("shares-its-memory", shares_its_memory),
    ("exec-storm", exec_storm),
];

/// 300 workers that write four pages each and are never waited for.
fn unreaped(memory: &Memory) -> Result<Value> {
    const WORKERS: usize = 300;
    const PART: usize = 4;
    let mut writers = Vec::new();
    for _ in 0..WORKERS {
        // SAFETY: one thread.
        match unsafe { fork() }? {
            ForkResult::Child => {
                (0..PART).for_each(|page| memory.write(page));
                exit()
            }
            ForkResult::Parent { child } => {
                has_ended(child)?;
                writers.push(writer(child.as_raw().unsigned_abs(), PART, PART as u64));
            }
        }
    }
    Ok(json!({ "writers": writers }))
}

/// Waits until a child has ended, and leaves it a zombie.
fn has_ended(child: Pid) -> Result<()> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(child), flags)?;
    Ok(())
}

/// Other processes write in the worker's memory, each a page: they are no threads of it, and the memory is one.
fn shares_its_memory(memory: &Memory) -> Result<Value> {
    const SHARERS: usize = 100;
    let mut worker = Child::fork(|| {
        changed_by(*memory, || {
            (0..SHARERS).try_for_each(|page| written_by_sharer(*memory, page))
        })
    })?;
    let told = writer(worker.pid(), SHARERS, worker.result()?);
    worker.release()?;
    Ok(json!({ "writers": [told] }))
}

fn written_by_sharer(memory: Memory, page: usize) -> Result<()> {
    let mut stack = vec![0; 64 << 10];
    let write = Box::new(|| {
        memory.write(page);
        0
    });
    let flags = CloneFlags::CLONE_VM;
    // SAFETY: the process only writes a byte, on a stack of its own, and its parent waits for it.
    let sharer = unsafe { clone(write, &mut stack, flags, Some(Signal::SIGCHLD as i32)) }?;
    waitpid(sharer, None)?;
    Ok(())
}

/// Four workers write a part, then run one program after the other.
fn exec_storm(memory: &Memory) -> Result<Value> {
    const WORKERS: usize = 4;
    const PART: usize = 64;
    const PROGRAMS: &str = "200";
    const SCRIPT: &str = r#"[ $1 -gt 0 ] && exec sh -c "$0" "$0" $(($1 - 1)); exit 0"#;
    let mut writers = Vec::new();
    for _ in 0..WORKERS {
        // SAFETY: one thread.
        match unsafe { fork() }? {
            ForkResult::Child => {
                (0..PART).for_each(|page| memory.write(page));
                let _ = Command::new("sh")
                    .args(["-c", SCRIPT, SCRIPT, PROGRAMS])
                    .exec();
                exit()
            }
            ForkResult::Parent { child } => {
                writers.push((
                    child,
                    writer(child.as_raw().unsigned_abs(), PART, PART as u64),
                ));
            }
        }
    }
    for (child, _) in &writers {
        waitpid(*child, None)?;
    }
    let told: Vec<Value> = writers.into_iter().map(|(_, told)| told).collect();
    Ok(json!({ "writers": told }))
}
