//! The benchmark's busy master: how long its mmap and munmap take while it forks and grows.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::libc;

use crate::{
    bench::{answer_lines, prepared},
    child::Child,
    memory::Memory,
};

/// Time between forks.
const FORK_INTERVAL: Duration = Duration::from_millis(500);
/// Time between calls.
const CALL_INTERVAL: Duration = Duration::from_micros(500);
/// How much memory the master allocates and frees between forks: more than a sixty-fourth of its
/// memory, the change after which its pages are counted again.
const EXTRA_PART: usize = 32;
/// Pages that a worker writes.
const WRITTEN: usize = 1000;
/// Pages that are mapped and unmapped.
const MAPPED: usize = 16;
/// Calls that take longer are counted.
const LONG: Duration = Duration::from_millis(1);

/// Odd while the master forks or frees much memory: that delays other calls even without a trace.
static OWN: AtomicU64 = AtomicU64::new(0);
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// `stalls PAGES`: prints `ready`. Then, for each line of input, which gives a number of seconds,
/// prints a line with the forks, the calls, how many took over 1 ms, and the nanoseconds of the
/// longest.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let memory = prepared(arguments)?;
    answer_lines(|line| {
        let seconds = line.parse().context("how many seconds?")?;
        IS_OVER.store(false, SeqCst);
        let caller = thread::spawn(call);
        let forks = fork_for(Duration::from_secs(seconds), memory);
        IS_OVER.store(true, SeqCst);
        let calls = caller.join().ok().context("the calls failed")??;
        Ok(format!(
            "{} {} {} {}",
            forks?,
            calls.count,
            calls.long,
            calls.longest.as_nanos()
        ))
    })
}

/// Forks workers, and allocates and frees memory in between.
fn fork_for(time: Duration, memory: Memory) -> Result<u64> {
    let ends = Instant::now() + time;
    let mut forks = 0;
    while Instant::now() < ends {
        let extra = Memory::anonymous(memory.pages() / EXTRA_PART)?;
        if forks % 2 == 0 {
            extra.write_all();
        }
        OWN.fetch_add(1, SeqCst);
        let child = Child::fork(|| {
            (0..WRITTEN).for_each(|page| memory.write(page));
            Ok(0)
        });
        OWN.fetch_add(1, SeqCst);
        let mut child = child?;
        child.result()?;
        thread::sleep(FORK_INTERVAL);
        child.release()?;
        OWN.fetch_add(1, SeqCst);
        extra.unmap()?;
        OWN.fetch_add(1, SeqCst);
        forks += 1;
    }
    Ok(forks)
}

#[derive(Default)]
struct Calls {
    count: u64,
    long: u64,
    longest: Duration,
}

/// Maps and unmaps until the time is over.
fn call() -> Result<Calls> {
    be_first();
    let mut calls = Calls::default();
    while !IS_OVER.load(SeqCst) {
        let before = OWN.load(SeqCst);
        let begun = Instant::now();
        let memory = Memory::anonymous(MAPPED)?;
        memory.write(0);
        memory.unmap()?;
        let took = begun.elapsed();
        if before.is_multiple_of(2) && OWN.load(SeqCst) == before {
            calls.count += 1;
            calls.long += u64::from(took > LONG);
            calls.longest = calls.longest.max(took);
        }
        thread::sleep(CALL_INTERVAL);
    }
    Ok(calls)
}

/// Gives the calling thread priority, so that other work on the machine is not measured.
fn be_first() {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: changes this thread's scheduling, if permitted; the parameter outlives the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) };
}
