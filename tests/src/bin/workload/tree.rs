//! Cases of processes that start and exit in unusual ways. Each writes the inherited memory once.

use std::{
    os::fd::AsFd as _,
    os::unix::process::CommandExt as _,
    process::{self, Command},
    thread,
    time::Duration,
};

use anyhow::Result;
use nix::unistd::{ForkResult, fork, getppid};
use serde_json::{Value, json};

use crate::{
    child::{Child, exit, writer},
    memory::{Memory, changed_by, wait_for_byte},
};

pub(crate) type Case = fn(&Memory) -> Result<Value>;

pub(crate) const ALL: &[(&str, Case)] = &[
    ("worker-forks-worker", worker_forks_worker),
    ("worker-execs", worker_execs),
    ("double-fork", double_fork),
    ("gone-at-once", gone_at_once),
    ("many-workers", many_workers),
    ("spawned-child", spawned_child),
    ("leader-exits-first", leader_exits_first),
    ("remapped", remapped),
    ("grown", grown),
    ("waiting-workers", waiting_workers),
];

fn write_all(memory: &Memory) -> Result<u64> {
    changed_by(*memory, || {
        memory.write_all();
        Ok(())
    })
}

/// The worker's own worker writes; the worker does not.
fn worker_forks_worker(memory: &Memory) -> Result<Value> {
    let mut worker = Child::fork(|| {
        let mut grandchild = Child::fork(|| write_all(memory))?;
        let changed = grandchild.result()?;
        let pid = u64::from(grandchild.pid());
        grandchild.release()?;
        Ok(pid << 32 | changed)
    })?;
    let told = worker.result()?;
    worker.release()?;
    let (pid, changed) = ((told >> 32) as u32, told & 0xffff_ffff);
    Ok(json!({ "writers": [writer(pid, memory.pages(), changed)] }))
}

/// The worker writes a part, then executes another program.
fn worker_execs(memory: &Memory) -> Result<Value> {
    const PART: usize = 300;
    // SAFETY: one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            (0..PART).for_each(|page| memory.write(page));
            let _ = Command::new("sleep").arg("0.2").exec();
            exit()
        }
        ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None)?;
            Ok(json!({ "writers": [writer(child.as_raw().unsigned_abs(), PART, PART as u64)] }))
        }
    }
}

/// As daemons do: the worker's parent has exited before the worker writes.
fn double_fork(memory: &Memory) -> Result<Value> {
    let (read, write) = nix::unistd::pipe()?;
    let middle = Child::fork(|| {
        let own = process::id();
        // SAFETY: one thread.
        if let ForkResult::Child = unsafe { fork() }? {
            while getppid().as_raw().unsigned_abs() == own {
                thread::sleep(Duration::from_millis(1));
            }
            let changed = write_all(memory)?;
            let told = u64::from(process::id()) << 32 | changed;
            nix::unistd::write(&write, &told.to_ne_bytes())?;
            exit();
        }
        Ok(0)
    })?;
    middle.release()?;
    let mut told = [0; 8];
    anyhow::ensure!(
        nix::unistd::read(&read, &mut told)? == 8,
        "the worker told nothing"
    );
    let told = u64::from_ne_bytes(told);
    Ok(json!({ "writers": [writer((told >> 32) as u32, memory.pages(), told & 0xffff_ffff)] }))
}

/// The worker writes and exits, and so does the only other process with the same code.
fn gone_at_once(memory: &Memory) -> Result<Value> {
    // SAFETY: one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            memory.write_all();
            exit()
        }
        ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None)?;
            Ok(
                json!({ "writers": [writer(child.as_raw().unsigned_abs(), memory.pages(), memory.pages() as u64)] }),
            )
        }
    }
}

/// Workers that are forked at the first line of input and write at the second.
fn waiting_workers(memory: &Memory) -> Result<Value> {
    let mut workers = Vec::new();
    let mut starters = Vec::new();
    for _ in 0..3 {
        let (wait, go) = nix::unistd::pipe()?;
        workers.push(Child::fork(|| {
            wait_for_byte(wait.as_fd());
            write_all(memory)
        })?);
        starters.push(go);
    }
    crate::say(&json!({ "done": "forked" }));
    crate::wait_for_line()?;
    for starter in &starters {
        nix::unistd::write(starter, &[1])?;
    }
    let tell = |worker: &mut Child| Ok(writer(worker.pid(), memory.pages(), worker.result()?));
    let told: Result<Vec<Value>> = workers.iter_mut().map(tell).collect();
    workers.into_iter().try_for_each(Child::release)?;
    Ok(json!({ "writers": told? }))
}

/// 200 workers, up to ten at a time, each writing ten pages.
fn many_workers(memory: &Memory) -> Result<Value> {
    const WORKERS: usize = 200;
    const PART: usize = 10;
    let mut writers = Vec::new();
    for _ in 0..WORKERS / 10 {
        let mut group = Vec::new();
        for _ in 0..10 {
            group.push(Child::fork(|| {
                changed_by(*memory, || {
                    (0..PART).for_each(|page| memory.write(page));
                    Ok(())
                })
            })?);
        }
        for mut child in group {
            writers.push(writer(child.pid(), PART, child.result()?));
            child.release()?;
        }
    }
    Ok(json!({ "writers": writers }))
}

/// A program started as runtimes do it (vfork or `posix_spawn`): it shares the parent's memory
/// until it execs, so it copies nothing.
fn spawned_child(memory: &Memory) -> Result<Value> {
    let status = Command::new("true").status()?;
    anyhow::ensure!(status.success(), "true is false");
    let mut child = Child::fork(|| write_all(memory))?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    child.release()?;
    Ok(json!({ "writers": [told] }))
}

/// The worker's main thread exits; another thread writes afterwards.
fn leader_exits_first(memory: &Memory) -> Result<Value> {
    let (read, write) = nix::unistd::pipe()?;
    // SAFETY: one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let memory = *memory;
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                let changed = write_all(&memory).unwrap_or(u64::MAX);
                let _ = nix::unistd::write(&write, &changed.to_ne_bytes());
                exit()
            });
            // SAFETY: ends the calling thread only, which owns nothing that others use.
            unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
            unreachable!("the main thread has exited")
        }
        ForkResult::Parent { child } => {
            let mut told = [0; 8];
            anyhow::ensure!(
                nix::unistd::read(&read, &mut told)? == 8,
                "the worker told nothing"
            );
            nix::sys::wait::waitpid(child, None)?;
            let pid = child.as_raw().unsigned_abs();
            Ok(json!({ "writers": [writer(pid, memory.pages(), u64::from_ne_bytes(told))] }))
        }
    }
}

/// The worker maps something else over half of its inherited memory: that half no longer belongs to
/// the parent's region, nor do copies in it. The worker stays until the second line.
fn remapped(memory: &Memory) -> Result<Value> {
    let mut child = Child::fork(|| {
        memory.map_file_over_second_half()?;
        let first_half = memory.pages() / 2;
        (first_half..memory.pages()).for_each(|page| memory.read(page));
        changed_by(*memory, || {
            memory.write_all();
            Ok(())
        })
    })?;
    let changed = child.result()?;
    let told = writer(child.pid(), memory.pages(), changed);
    crate::done(&json!({ "writers": [told] }));
    child.release()?;
    Ok(json!("left"))
}

/// The worker maps memory of its own, forks, and copies it: this memory is not the master's.
fn grown(memory: &Memory) -> Result<Value> {
    let mut worker = Child::fork(|| {
        let own = Memory::anonymous(100)?;
        own.write_all();
        let hold = Child::fork(|| Ok(0))?;
        let changed = write_all(&own)?;
        hold.release()?;
        Ok(own.start() << 8 | changed)
    })?;
    let told = worker.result()?;
    let pid = worker.pid();
    // What a worker mapped can be read only while it lives.
    thread::sleep(Duration::from_secs(1));
    worker.release()?;
    Ok(
        json!({ "writers": [writer(pid, 100, told & 0xff)], "own_start": told >> 8, "master_pages": memory.pages() }),
    )
}
