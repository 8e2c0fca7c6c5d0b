//! Several tracers at one time, of the same and of different services: each counts as if it were alone.

use std::thread;

use cowtrace_tests::{
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::{Workload, Writer},
};

/// Tracers of one service, and as many others of a service each.
const TRACERS: usize = 5;

/// Does something in as many threads as there are items: loading the kernel side takes some tenths of a second each.
fn at_once<Item: Send, Given: Send>(
    items: Vec<Item>,
    act: impl Fn(Item) -> Given + Sync,
) -> Vec<Given> {
    thread::scope(|scope| {
        let act = &act;
        let begun: Vec<_> = items
            .into_iter()
            .map(|item| scope.spawn(move || act(item)))
            .collect();
        let ended = begun.into_iter().map(|it| it.join().expect("no panic"));
        ended.collect()
    })
}

/// Every worker's counts agree with its page frames.
#[track_caller]
fn check(report: &Report, workload: &Workload, writers: &[Writer]) {
    let counts = report.counts_in(workload.start, workload.end);
    for writer in writers {
        assert_eq!(writer.changed, 1000);
        assert_eq!(counts[&writer.pid].copied, writer.changed, "{writer:?}");
    }
}

#[test]
fn ten_tracers_at_once_count_each_page_as_one_does() {
    if !can_trace("ten tracers") {
        return;
    }
    // The first service has several tracers, the others one each.
    let mut services: Vec<_> = (0..=TRACERS)
        .map(|_| Workload::prepare("three-children"))
        .collect();
    let traced = |tracer: usize| tracer.saturating_sub(TRACERS - 1);
    let pids = (0..2 * TRACERS)
        .map(|tracer| services[traced(tracer)].pid())
        .collect();
    let tracers = at_once(pids, Tracer::of);
    let writers: Vec<_> = services.iter_mut().map(Workload::writers).collect();
    let reports = at_once(tracers, Tracer::stop);
    for (tracer, report) in reports.iter().enumerate() {
        let at = traced(tracer);
        check(report, &services[at], &writers[at]);
    }
    // To the page, also outside of the planted memory.
    for writer in &writers[0] {
        let copied = |report: &Report| number(report.images(writer.pid)[0], "copied_pages");
        let all: Vec<_> = reports[..TRACERS].iter().map(copied).collect();
        assert!(all.iter().all(|it| *it == all[0]), "{all:?}");
    }
    services.into_iter().for_each(Workload::end);
}
