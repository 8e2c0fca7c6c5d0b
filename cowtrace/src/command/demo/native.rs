//! The demo's service where there is no python3: readers that count their reads in the data.

use std::{
    process,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::wait::waitpid,
    unistd::{ForkResult, fork, getppid},
};

use crate::cli::LoadArgs;

/// An object as CPython lays one out: a counter that every read writes, then the data.
#[derive(Clone)]
struct DemoObject {
    reads: u64,
    data: [u64; 7],
}

/// Runs the service: called in a process of its own.
pub fn native_service(load: LoadArgs) -> Result<()> {
    let starter = getppid();
    let objects = (load.megabytes as usize) << 20 >> 6;
    let mut heap: Vec<DemoObject> = (0..objects as u64)
        .map(|number| DemoObject {
            reads: 0,
            data: [number; 7],
        })
        .collect();
    let ends = Instant::now() + Duration::from_secs(load.seconds.into());
    let mut children = Vec::new();
    for seed in 1..=u64::from(load.workers) {
        // SAFETY: this process has one thread, so the child may do anything.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Child => {
                write_until(&mut heap, seed, ends);
                process::exit(0);
            }
            ForkResult::Parent { child } => children.push(child),
        }
    }
    for child in children {
        waitpid(child, None).context("cannot wait for a worker")?;
    }
    // As the service of Python: until it is told to end, or nobody is there to do so.
    while getppid() == starter {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn write_until(heap: &mut [DemoObject], seed: u64, ends: Instant) {
    let mut random = seed;
    let mut sum = 0u64;
    while Instant::now() < ends {
        for _ in 0..heap.len() / 1000 {
            // Knuth's MMIX generator: spread over the heap is all that is needed.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let index = (random >> 33) as usize % heap.len();
            let object = &mut heap[index];
            object.reads += 1;
            sum = sum.wrapping_add(object.data[0]);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    std::hint::black_box(sum);
}
