//! Verdicts on made-up series.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts of small numbers"
)]

use std::collections::{BTreeMap, BTreeSet};

use super::{tree::VerdictKind, *};
use crate::run::{
    Balance, BalanceIs, HeldBefore, PageBalance, Process, Role, Run, Sample, Sources, arbitrary,
};

mod little;
mod returned;

const PAGES_PER_MIB: u64 = 256;

/// A master and a worker: `copied` and `new` MiB of the worker at each fraction of the time.
pub(super) fn run(
    seconds: u64,
    copied: impl Fn(f64) -> u64,
    new: impl Fn(f64) -> u64,
    touched: u64,
) -> Run {
    let mut run = arbitrary::empty();
    run.head.duration_ns = seconds * 1_000_000_000;
    let of = |id, role, pages| Process {
        id,
        pid: 100 + id,
        parent_id: (id > 0).then_some(0),
        comm: "python3".into(),
        role,
        started_ns: 0,
        exited_ns: None,
        exit: None,
        copied: Sources {
            anon: pages,
            ..Sources::default()
        },
        reused_faults: 0,
        inherited_pages: (id > 0).then_some(100 * PAGES_PER_MIB),
        target: None,
    };
    run.memory.processes = vec![
        of(0, Role::Master, 0),
        of(1, Role::Worker, copied(1.0) * PAGES_PER_MIB),
    ];
    let before = 100 * PAGES_PER_MIB;
    run.growth.held_before = (0..2)
        .map(|process_id| HeldBefore {
            process_id,
            pages: before,
        })
        .collect();
    let sample = |at: u64| {
        let part = at as f64 / seconds as f64;
        let pages = copied(part) * PAGES_PER_MIB;
        Sample {
            at_ns: at * 1_000_000_000,
            copied_pages: pages,
            touched_pages: (touched as f64 * part) as u64 * PAGES_PER_MIB,
            by_process: BTreeMap::from([(1, pages)]),
            held_by_process: BTreeMap::from([(0, before), (1, before + new(part) * PAGES_PER_MIB)]),
            ..Sample::default()
        }
    };
    run.memory.timeline.samples = (0..=seconds).map(sample).collect();
    run
}

fn verdict(run: &Run) -> (VerdictKind, String) {
    (
        growth_of_tree(run).unwrap().kind,
        verdict_in_words(run, &growth_of_tree(run).unwrap()),
    )
}

pub(super) fn linear(mib: u64) -> impl Fn(f64) -> u64 {
    move |part| (mib as f64 * part) as u64
}

#[test]
fn copies_alone_are_copy_on_write() {
    let told = verdict(&run(60, linear(90), linear(2), 2));
    let expected = "COPY-ON-WRITE, NOT A LEAK: 98 % of the 92 MiB that memory grew by in 60.0 s";
    assert_eq!(told, (VerdictKind::CopyOnWrite, expected.into()));
    let told = verdict(&run(6, linear(90), linear(2), 2));
    let expected = "SO FAR COPY-ON-WRITE: 98 % of 92 MiB in 6.0 s; too early to say if it goes on";
    assert_eq!(told, (VerdictKind::TooEarly, expected.into()));
}

#[test]
fn memory_that_grows_to_the_end_is_never_called_copy_on_write() {
    let told = verdict(&run(30, linear(1), linear(60), 60));
    let expected = "NEW MEMORY KEEPS GROWING: 60 MiB in 30.0 s, 2 MiB/s at the end";
    assert_eq!(told, (VerdictKind::Growing, expected.into()));
    let told = verdict(&run(30, linear(40), linear(60), 60));
    let expected = "NEW MEMORY KEEPS GROWING: 60 MiB in 30.0 s, and 40 MiB copied on write";
    assert_eq!(told, (VerdictKind::Both, expected.into()));
}

#[test]
fn memory_that_has_stopped_is_warm_up() {
    let warm = |part: f64| {
        if part < 0.25 {
            (200.0 * part) as u64
        } else {
            50
        }
    };
    let told = verdict(&run(40, linear(1), warm, 50));
    let expected = "NEW MEMORY THAT STOPPED GROWING 30.0 s AGO: 50 MiB in 40.0 s, 1 MiB copied";
    assert_eq!(told, (VerdictKind::WarmedUp, expected.into()));
    let told = verdict(&run(40, linear(20), warm, 50));
    let expected = "NEW MEMORY THAT STOPPED GROWING 30.0 s AGO: 50 MiB in 40.0 s, 20 MiB copied";
    assert_eq!(told, (VerdictKind::WarmedUp, expected.into()));
    // Beside many copies it is not worth the first words.
    assert_eq!(
        verdict(&run(40, linear(200), warm, 50)).0,
        VerdictKind::CopyOnWrite
    );
}

#[test]
fn what_is_given_back_comes_and_goes() {
    let told = verdict(&run(30, linear(0), linear(0), 990));
    let expected = "MEMORY COMES AND GOES: 990 MiB touched and 990 MiB given back in 30.0 s";
    assert_eq!(told, (VerdictKind::ComesAndGoes, expected.into()));
    let told = verdict(&run(30, linear(1), linear(1), 1));
    let expected = "LITTLE GREW IN 30.0 s: 1 MiB copied on write, 1 MiB of new memory";
    assert_eq!(told, (VerdictKind::NothingGrew, expected.into()));
    let told = verdict(&run(30, linear(0), linear(0), 0));
    let expected = "NOTHING GREW IN 30.0 s: 0 B copied on write, 0 B of new memory";
    assert_eq!(told, (VerdictKind::NothingGrew, expected.into()));
}

#[test]
fn growth_that_slows_down_is_left_open() {
    let slowing = |part: f64| (60.0 * part.sqrt()) as u64;
    assert_eq!(
        verdict(&run(60, linear(0), slowing, 60)).0,
        VerdictKind::TooEarly
    );
}

#[test]
fn steady_growth_after_a_warm_up_keeps_growing() {
    let warm = |mib: f64| move |part: f64| (mib * (part * 10.0).min(1.0) + 60.0 * part) as u64;
    for mib in [30.0, 60.0, 200.0, 600.0] {
        let told = verdict(&run(40, linear(0), warm(mib), 900));
        assert_eq!(told.0, VerdictKind::Growing, "{told:?}");
        // In half a minute or less it is not certain, and it is never called stopped.
        let told = verdict(&run(24, linear(0), warm(mib), 900));
        assert!(
            matches!(told.0, VerdictKind::Growing | VerdictKind::TooEarly),
            "{told:?}"
        );
    }
    let told = verdict(&run(24, linear(0), warm(200.0), 900));
    let expected = "SO FAR NEW MEMORY: 100 % of 260 MiB in 24.0 s; new memory grew by 2.5 MiB/s at \
                    the end, and may stop";
    assert_eq!(told, (VerdictKind::TooEarly, expected.into()));
}

#[test]
fn a_command_that_fails_at_once_is_said_to() {
    let mut run = run(1, linear(0), linear(0), 0);
    run.memory.processes.truncate(1);
    run.memory.processes[0].started_ns = 1_000_000;
    run.memory.processes[0].exited_ns = Some(30_000_000);
    run.memory.processes[0].exit = Some(crate::run::Exit {
        ending: crate::run::Ending::Status(1),
        out_of_memory: false,
        with_trace: false,
        oom_kills: 0,
    });
    for sample in &mut run.memory.timeline.samples {
        sample.held_by_process.remove(&1);
    }
    let expected = "THE COMMAND EXITED WITH STATUS 1 AT ONCE, BEFORE ANYTHING COULD BE SEEN";
    assert_eq!(verdict(&run), (VerdictKind::NothingGrew, expected.into()));
}

#[test]
fn what_a_service_gives_back_when_it_ends_does_not_count() {
    let mut run = run(60, linear(90), linear(2), 2);
    for sample in &mut run.memory.timeline.samples[50..] {
        sample.held_by_process.remove(&1);
    }
    let (kind, words) = verdict(&run);
    assert_eq!(kind, VerdictKind::CopyOnWrite);
    assert!(
        words.ends_with(" of the 74 MiB that memory grew by in 49.0 s"),
        "{words}"
    );
}

#[test]
fn what_a_command_loads_before_it_forks_is_no_growth() {
    let mut run = run(60, linear(90), linear(2), 300);
    let before = 100 * PAGES_PER_MIB;
    run.memory.processes[0].started_ns = 1_000_000;
    run.memory.processes[1].started_ns = 10_000_000_000;
    run.growth.held_before[0].pages = 0;
    for (at, sample) in run.memory.timeline.samples.iter_mut().enumerate() {
        sample.touched_pages = 298 * PAGES_PER_MIB;
        if at < 10 {
            sample.held_by_process = BTreeMap::from([(0, before * at as u64 / 10)]);
        }
    }
    let (kind, words) = verdict(&run);
    assert_eq!(kind, VerdictKind::CopyOnWrite);
    assert!(words.ends_with(" that memory grew by in 50.0 s"), "{words}");
    let loaded = growth_of_tree(&run).unwrap().loaded_bytes;
    assert_eq!(loaded, Some(100 << 20));
}

#[test]
fn short_programs_beside_a_service_do_not_cut_its_time() {
    // The master alone leaks; at the end it starts programs for a moment.
    let mut run = run(30, linear(0), linear(0), 60);
    let helper = |id, started_ns| Process {
        id,
        pid: 100 + id,
        started_ns,
        exited_ns: Some(started_ns + 2_000_000_000),
        inherited_pages: None,
        ..run.memory.processes[1].clone()
    };
    let helpers: Vec<_> = (1..9).map(|id| helper(id, 24_000_000_000)).collect();
    run.memory.processes.truncate(1);
    run.memory.processes.extend(helpers);
    for (at, sample) in run.memory.timeline.samples.iter_mut().enumerate() {
        let held = (100 + 2 * at as u64) * PAGES_PER_MIB;
        sample.held_by_process = BTreeMap::from([(0, held)]);
        if (24..26).contains(&at) {
            sample.held_by_process.extend((1..9).map(|id| (id, 256)));
        }
    }
    let told = verdict(&run);
    let expected = "NEW MEMORY KEEPS GROWING: 60 MiB in 30.0 s, 2 MiB/s at the end";
    assert_eq!(told, (VerdictKind::Growing, expected.into()));
}

#[test]
fn copies_of_workers_that_follow_each_other_are_work_though_the_last_still_lives() {
    let mut run = run(30, linear(0), linear(0), 0);
    let worker = run.memory.processes.remove(1);
    let pages = 20 * PAGES_PER_MIB;
    let second = |at: u64| at * 1_000_000_000;
    let one = |at: u64| Process {
        id: at as u32 + 1,
        pid: 200 + at as u32,
        started_ns: second(at),
        exited_ns: (at < 30).then_some(second(at + 1)),
        copied: Sources {
            anon: pages,
            ..Sources::default()
        },
        ..worker.clone()
    };
    run.memory.processes.extend((0..=30).map(one));
    let before = 100 * PAGES_PER_MIB;
    for (at, sample) in (0..).zip(&mut run.memory.timeline.samples) {
        sample.by_process = (0..=at).map(|id| (id + 1, pages)).collect();
        sample.held_by_process = BTreeMap::from([(0, before), (at + 1, before)]);
    }
    let (kind, words) = verdict(&run);
    assert_eq!(kind, VerdictKind::ComesAndGoes);
    let expected = "COPY-ON-WRITE WORK, LITTLE MEMORY: 620 MiB copied by 31 workers, \
                    about 20 MiB at a time";
    assert_eq!(words, expected);
    // One that stays has copied as much as all others together had at one time.
    for sample in &mut run.memory.timeline.samples {
        sample.by_process.insert(1, pages);
        sample.held_by_process.insert(1, before);
    }
    run.memory.processes[1].exited_ns = None;
    assert_eq!(verdict(&run).0, VerdictKind::CopyOnWrite);
}

#[test]
fn what_a_master_copies_again_after_each_fork_is_in_memory_once() {
    // A child a second that ends at once; after each fork the master writes to the same 10 MiB.
    let mut run = run(30, linear(0), linear(0), 0);
    let worker = run.memory.processes.remove(1);
    let second = |at: u64| at * 1_000_000_000;
    let pages = 10 * PAGES_PER_MIB;
    let child = |at: u64| Process {
        id: at as u32 + 1,
        started_ns: second(at),
        exited_ns: Some(second(at + 1)),
        ..worker.clone()
    };
    run.memory.processes.extend((0..30).map(child));
    run.memory.processes[0].copied.anon = 30 * pages;
    let before = 100 * PAGES_PER_MIB;
    for (at, sample) in (0..).zip(&mut run.memory.timeline.samples) {
        sample.by_process = BTreeMap::from([(0, u64::from(at) * pages)]);
        sample.held_by_process = BTreeMap::from([(0, before), (at, before)]);
    }
    let growth = growth_of_tree(&run).unwrap();
    assert_eq!(growth.kind, VerdictKind::ComesAndGoes);
    assert_eq!(growth.peak_held_bytes, 10 << 20);
}

#[test]
fn what_processes_that_ended_gave_back_stands_beside_the_growth_of_others() {
    let mut run = run(30, linear(60), linear(0), 0);
    // One was there before, and its successor was forked in the trace.
    run.memory.processes[1].started_ns = 2_000_000_000;
    let mut earlier = run.memory.processes[1].clone();
    earlier.id = 2;
    earlier.started_ns = 0;
    earlier.exited_ns = Some(3_000_000_000);
    earlier.copied = Sources::default();
    run.memory.processes.push(earlier);
    run.growth.balances = vec![Balance {
        process_id: 2,
        at_ns: 1,
        copied_pages: 0,
        pages: PageBalance {
            is: BalanceIs::Exact,
            unshared_pages: 50 * PAGES_PER_MIB,
            new_pages: 5 * PAGES_PER_MIB,
            ..PageBalance::default()
        },
    }];
    let all = growth_of_tree(&run).unwrap();
    assert_eq!((all.ended_bytes, all.growth_bytes()), (55 << 20, 60 << 20));
    let said = "COPY-ON-WRITE, NOT A LEAK: 100 % of 60 MiB in 30.0 s; processes that ended gave back 55 MiB";
    assert_eq!(verdict(&run), (VerdictKind::CopyOnWrite, said.into()));
    // While it lives it has given nothing back.
    for sample in &mut run.memory.timeline.samples {
        sample.held_by_process.insert(2, 100 * PAGES_PER_MIB);
    }
    assert_eq!(growth_of_tree(&run).unwrap().ended_bytes, 0);
}

#[test]
fn what_a_worker_copies_that_is_traced_alone_stays_with_it() {
    let mut run = run(30, linear(0), linear(0), 0);
    run.memory.processes.truncate(1);
    run.memory.processes[0].copied.anon = 30 * PAGES_PER_MIB;
    for (at, sample) in (0..).zip(&mut run.memory.timeline.samples) {
        sample.by_process = BTreeMap::from([(0, at * PAGES_PER_MIB)]);
        sample.held_by_process = BTreeMap::from([(0, 100 * PAGES_PER_MIB)]);
    }
    let growth = growth_of_tree(&run).unwrap();
    assert_eq!(growth.kind, VerdictKind::CopyOnWrite);
    assert!(growth.held_bytes > 20 << 20, "{growth:?}");
}

#[test]
fn older_recordings_have_no_verdict() {
    assert!(growth_of_tree(&arbitrary::empty()).is_none());
}

#[test]
fn copies_are_flat_if_the_last_third_added_next_to_none() {
    let flat = |run: &Run| growth_of_tree(run).unwrap().copied_flat_ns;
    let early = |part: f64| (part.min(0.5) * 180.0) as u64;
    assert_eq!(flat(&run(60, early, linear(2), 2)), Some(30_000_000_000));
    assert_eq!(flat(&run(60, linear(90), linear(2), 2)), None);
    assert_eq!(flat(&run(10, early, linear(2), 2)), None);
    assert_eq!(flat(&run(60, |_| 0, linear(2), 2)), None);
}

#[test]
fn who_lived_at_the_end_is_known_where_memory_was_looked_at() {
    let mut run = run(60, linear(90), linear(2), 2);
    assert_eq!(processes_at_end(&run), Some(BTreeSet::from([0, 1])));
    run.growth = crate::run::Growth::default();
    for sample in &mut run.memory.timeline.samples {
        sample.held_by_process.clear();
    }
    assert_eq!(processes_at_end(&run), None);
}
