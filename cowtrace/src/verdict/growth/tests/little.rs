//! Where little grew, few copied, or nothing lives any more.

use super::*;

#[test]
fn a_little_of_processes_that_live_may_become_more() {
    let mut early = run(3, linear(3), linear(0), 0);
    let expected = "SO FAR LITTLE GREW IN 3.0 s: 3 MiB copied on write, 0 B of new memory";
    assert_eq!(verdict(&early), (VerdictKind::NothingGrew, expected.into()));
    for process in &mut early.memory.processes {
        process.exited_ns = Some(3_000_000_000);
    }
    let expected = "LITTLE GREW IN 3.0 s: 3 MiB copied on write, 0 B of new memory";
    assert_eq!(verdict(&early), (VerdictKind::NothingGrew, expected.into()));
}

#[test]
fn work_is_that_of_those_who_copied() {
    let mut run = run(30, linear(20), linear(0), 0);
    let idle = Process {
        id: 2,
        copied: Sources::default(),
        ..run.memory.processes[1].clone()
    };
    run.memory.processes.push(idle);
    for sample in &mut run.memory.timeline.samples {
        sample.by_process.clear();
    }
    let expected = "COPY-ON-WRITE WORK, LITTLE MEMORY: 20 MiB copied by 1 worker, which has exited";
    assert_eq!(verdict(&run).1, expected);
}

#[test]
fn when_all_have_ended_the_verdict_is_about_the_time_when_they_lived() {
    let lived = run(30, linear(90), linear(2), 2);
    let mut ended = run(30, linear(90), linear(2), 2);
    ended.head.duration_ns *= 10;
    for process in &mut ended.memory.processes {
        process.exited_ns = Some(30_000_000_000);
    }
    let last = ended.memory.timeline.samples.last().unwrap().clone();
    let later = (31..300).map(|second| Sample {
        at_ns: second * 1_000_000_000,
        held_by_process: BTreeMap::new(),
        ..last.clone()
    });
    ended.memory.timeline.samples.extend(later);
    assert_eq!(verdict(&ended), verdict(&lived));
}

#[test]
fn copies_of_processes_that_have_ended_are_work() {
    let mut run = run(30, linear(60), linear(0), 0);
    // The workers that replace it have copied nothing yet.
    let before = 100 * PAGES_PER_MIB;
    for sample in &mut run.memory.timeline.samples[25..] {
        sample.held_by_process.remove(&1);
        sample.held_by_process.insert(2, before);
    }
    let successor = Process {
        id: 2,
        pid: 102,
        started_ns: 25_000_000_000,
        copied: Sources::default(),
        ..run.memory.processes[1].clone()
    };
    run.memory.processes.push(successor);
    run.growth.held_before.push(HeldBefore {
        process_id: 2,
        pages: before,
    });
    let (kind, words) = verdict(&run);
    assert_eq!(kind, VerdictKind::ComesAndGoes);
    let expected =
        "COPY-ON-WRITE WORK, LITTLE MEMORY: 60 MiB copied by 1 worker, about 60 MiB at a time";
    assert_eq!(words, expected);
}
