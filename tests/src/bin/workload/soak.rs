//! A service that recycles its workers under load for a long time, with bursts of forks.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::{
    sys::wait::waitpid,
    unistd::{ForkResult, fork},
};
use serde_json::json;

use crate::{
    child::{Child, exit},
    memory::{Memory, changed_by},
};

/// Workers at one time.
const WORKERS: usize = 4;
/// Between two bursts of forks.
const BURST_EVERY: Duration = Duration::from_secs(10);
/// A burst: a thousand forks in a second.
const BURST: Duration = Duration::from_secs(1);
const FORKS_PER_BURST: u32 = 1_000;
/// Every eighth child of a burst writes a page.
const WRITER_EVERY: u32 = 8;
/// Pages that a worker writes between two pauses.
const AT_ONCE: usize = 256;

/// `soak PAGES SECONDS`: prints `ready`, waits for a line, and then forks workers for SECONDS. Each writes
/// pages at random and compares the page frames before and after. In the end prints how many pages the kernel
/// copied for all of them, and how many processes there were.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let argument = |place: usize, what: &'static str| {
        let text = arguments.get(place).context(what)?;
        text.parse::<u64>().context(what)
    };
    let pages = usize::try_from(argument(0, "how many pages?")?)?;
    let time = Duration::from_secs(argument(1, "how many seconds?")?);
    let memory = Memory::anonymous(pages)?;
    memory.write_all();
    println!(
        "{}",
        json!({ "ready": { "start": memory.start(), "end": memory.end() } })
    );
    std::io::stdin().read_line(&mut String::new())?;
    let (begun, mut burst) = (Instant::now(), Instant::now());
    let mut random = Random(1);
    let (mut copied, mut processes) = (0, 0_u64);
    while begun.elapsed() < time {
        copied += write_in_workers(memory, &mut random)?;
        processes += WORKERS as u64;
        if burst.elapsed() >= BURST_EVERY {
            copied += fork_in_burst(memory)?;
            processes += u64::from(FORKS_PER_BURST);
            burst = Instant::now();
        }
    }
    println!(
        "{}",
        json!({ "done": { "copied": copied, "processes": processes } })
    );
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Lets workers write at the same time; returns the pages that the kernel copied for them.
fn write_in_workers(memory: Memory, random: &mut Random) -> Result<u64> {
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let (mut own, writes) = (Random(random.next()), memory.pages() / 4);
        workers.push(Child::fork(move || {
            changed_by(memory, || {
                for write in 1..=writes {
                    memory.write(own.next() as usize % memory.pages());
                    if write % AT_ONCE == 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                Ok(())
            })
        })?);
    }
    let mut copied = 0;
    for worker in &mut workers {
        copied += worker.result()?;
    }
    for worker in workers {
        worker.release()?;
    }
    Ok(copied)
}

/// Forks children that exit at once; returns the pages that some of them wrote.
fn fork_in_burst(memory: Memory) -> Result<u64> {
    let begun = Instant::now();
    let mut copied = 0;
    for forked in 0..FORKS_PER_BURST {
        let writes = forked % WRITER_EVERY == 0;
        // SAFETY: one thread.
        match unsafe { fork() }? {
            ForkResult::Child => {
                if writes {
                    memory.write(forked as usize % memory.pages());
                }
                exit()
            }
            ForkResult::Parent { child } => {
                waitpid(child, None)?;
                // Nobody else has the page in this moment but the master, which keeps it.
                copied += u64::from(writes);
            }
        }
        let due = BURST * forked / FORKS_PER_BURST;
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok(copied)
}

/// Marsaglia's xorshift: the same numbers in each run.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
