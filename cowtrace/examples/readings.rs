//! Reads what a trace reads of memory, many times, and tells what a reading takes: processor time of this
//! thread and time that passed, medians.
//!
//!     readings DONOR [INHERITOR…]        # process ids

use std::{hint::black_box, path::Path, time::Instant};

use anyhow::{Context as _, Result};
use cowtrace::memory::{
    BalanceBudget, CgroupMounts, HeldReader, balance_spans, network_namespace, page_bytes,
    read_balance, read_consumers, read_held_aside, read_identity, read_layout_text, read_machine,
    read_mappings, read_sockets, refresh_counters,
};
use nix::time::{ClockId, clock_gettime};

fn main() -> Result<()> {
    let pids = std::env::args().skip(1).map(|pid| pid.parse());
    let pids: Vec<u32> = pids
        .collect::<Result<_, _>>()
        .context("usage: readings PID…")?;
    let (&donor, inheritors) = pids.split_first().context("usage: readings PID…")?;
    let (root, page_bytes) = (Path::new("/proc"), page_bytes());
    let process = read_identity(root, donor)?;
    let mounts = CgroupMounts::read(root);
    let cgroup = mounts
        .of_process(root, donor)
        .context("no cgroup that counts memory")?;
    let mut kept = HeldReader::new(root, 1);
    let mut opened = HeldReader::new(root, 0);
    tell("statm, kept open", 2000, || kept.anonymous_pages(&process));
    tell("statm, opened, with stat", 2000, || {
        opened.anonymous_pages(&process)
    });
    tell("status", 2000, || read_held_aside(root, donor));
    tell("meminfo and zoneinfo", 500, || {
        read_machine(root, page_bytes)
    });
    tell("vm/stat_refresh", 100, || refresh_counters(root));
    tell("sockstat", 1000, || read_sockets(root, donor, page_bytes));
    tell("number of a network namespace", 1000, || {
        network_namespace(root, donor)
    });
    tell("mounts of cgroups", 200, || CgroupMounts::read(root));
    tell("cgroup of a process", 500, || {
        mounts.of_process(root, donor)
    });
    tell("memory of a cgroup", 500, || cgroup.read());
    tell("nearest limit", 500, || cgroup.nearest_limit());
    tell("all processes of the machine", 20, || read_consumers(root));
    println!(
        "{} processes have anonymous memory",
        read_consumers(root)?.processes.len()
    );
    let mut mappings = read_mappings(&read_layout_text(root, donor)?)?;
    for &pid in inheritors {
        mappings.extend(read_mappings(&read_layout_text(root, pid)?)?);
    }
    let spans = balance_spans(&mappings);
    let bytes: u64 = spans.iter().map(|span| span.end - span.start).sum();
    println!("{} MiB are compared", bytes >> 20);
    let whole = BalanceBudget {
        pages_each: u64::MAX,
        pages_in_all: u64::MAX,
        ..BalanceBudget::default()
    };
    let sample = |units| BalanceBudget {
        pages_each: 0,
        units,
        ..BalanceBudget::default()
    };
    for (name, budget) in [
        ("balance of every page", whole),
        ("balance of 2,048 units", sample(2048)),
        ("balance of 579 units", sample(579)),
    ] {
        let balance = || read_balance(root, donor, inheritors, &spans, page_bytes, budget);
        tell(name, 9, balance);
        println!("{:?}", balance());
    }
    Ok(())
}

/// Prints what something takes, in microseconds.
fn tell<T>(name: &str, times: usize, mut act: impl FnMut() -> T) {
    let mut passed = Vec::new();
    let mut taken = Vec::new();
    for _ in 0..times {
        let (begun, before) = (Instant::now(), thread_us());
        black_box(act());
        taken.push(thread_us() - before);
        passed.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    passed.sort_by(f64::total_cmp);
    taken.sort_by(f64::total_cmp);
    let half = times / 2;
    println!(
        "{name:32} {:10.1} us of CPU {:10.1} us",
        taken[half], passed[half]
    );
}

/// Processor time of this thread, microseconds.
fn thread_us() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(0.0, |time| {
        time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3
    })
}
