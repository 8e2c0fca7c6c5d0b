//! Very many short-lived children, under process ids that are used again and again.

use std::mem;

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    libc,
    sys::wait::waitpid,
    unistd::{ForkResult, Pid, fork},
};
use serde_json::{Value, json};

use crate::{
    child::exit,
    memory::{Memory, PAGE},
};

/// Process ids that the children share.
const IDS: usize = 32;
/// Children that are alive together.
const TOGETHER: usize = 8;
/// Children write from 1 page to this many: a prime, so that children of the same id differ.
const MOST: usize = 13;
/// Pages of a range of 64 KiB. All writes are in one, so that the report has one row a child.
const RANGE: usize = 16;

/// `storm COUNT`: after a line of input, COUNT children write some inherited pages each and exit at once. It reports
/// the id and the pages of each, in order.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let count: usize = arguments.first().context("how many children?")?.parse()?;
    let memory = Memory::anonymous(2 * RANGE)?;
    memory.write_all();
    let page = usize::try_from(memory.start())? / PAGE;
    let first_page = page.next_multiple_of(RANGE) - page;
    crate::ready(&memory)?;
    let mut ids = Vec::new();
    let mut children = Vec::with_capacity(count);
    while children.len() < count {
        let first = children.len();
        for _ in first..count.min(first + TOGETHER) {
            let pages = 1 + children.len() % MOST;
            let wanted = (ids.len() == IDS).then(|| ids[children.len() % IDS]);
            let child = fork_as(wanted, || {
                (0..pages).for_each(|page| memory.write(first_page + page));
            })?;
            children.push((child, pages));
        }
        for (child, _) in &children[first..] {
            waitpid(*child, None)?;
            if ids.len() < IDS {
                ids.push(*child);
            }
        }
    }
    let written = children
        .iter()
        .map(|(child, pages)| json!([child.as_raw(), pages]));
    crate::done(&json!({ "children": written.collect::<Vec<Value>>() }));
    Ok(())
}

/// Forks a child with this id, or with the kernel's choice where none is given or another process has it.
fn fork_as(id: Option<Pid>, work: impl Fn()) -> Result<Pid> {
    let forked = match id {
        Some(id) => match fork_with_id(id) {
            Err(Errno::EEXIST) => fork_by_kernels_choice(),
            forked => forked,
        },
        None => fork_by_kernels_choice(),
    };
    match forked.context("cannot fork")? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            work();
            exit()
        }
    }
}

fn fork_by_kernels_choice() -> nix::Result<ForkResult> {
    // SAFETY: this program has one thread here.
    unsafe { fork() }
}

/// `struct clone_args` of `include/uapi/linux/sched.h`, up to what is used.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
}

/// clone3(2) with an id of our choice (Linux 5.5).
fn fork_with_id(id: Pid) -> nix::Result<ForkResult> {
    let ids = [id.as_raw()];
    let arguments = CloneArguments {
        exit_signal: libc::SIGCHLD as u64,
        set_tid: ids.as_ptr() as u64,
        set_tid_size: ids.len() as u64,
        ..CloneArguments::default()
    };
    let size = mem::size_of::<CloneArguments>();
    // SAFETY: a fork without shared memory; the child writes memory and exits.
    let forked = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) };
    Ok(match Errno::result(forked)? {
        0 => ForkResult::Child,
        child => ForkResult::Parent {
            child: Pid::from_raw(child as i32),
        },
    })
}
