//! Very many processes, under process ids that are used again, and very many threads.

use std::collections::BTreeMap;

use cowtrace_tests::{
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::{Workload, writers},
};
use serde_json::Value;

/// The range in which the children of a storm write.
const RANGE: u64 = 64 << 10;
/// Losses of detail where processes exit before they are examined. They do not affect counts.
pub const HARMLESS: [&str; 6] = [
    "mappings_missed",
    "unsplit_pages",
    "code_gone",
    "writers_sampled",
    "writers_drawn",
    "writers_error",
];

/// Pages of the processes that had an id, in order, by the id.
pub(super) type PagesByPid = BTreeMap<u64, Vec<u64>>;

/// What the children of a storm wrote.
pub(super) fn planted(done: &Value) -> PagesByPid {
    let mut pages = PagesByPid::new();
    for child in done["children"].as_array().expect("children") {
        let number = |place: usize| child[place].as_u64().expect("a number");
        pages.entry(number(0)).or_default().push(number(1));
    }
    pages
}

/// What a report has of them. All of it lies in the master's mapping.
pub(super) fn counted(report: &Report, storm: &Workload) -> PagesByPid {
    let start = storm.start.next_multiple_of(RANGE);
    let mut by_process = BTreeMap::new();
    let mut regions = BTreeMap::new();
    for range in report.ranges_in(start, start + RANGE) {
        *by_process.entry(number(range, "process_id")).or_insert(0) +=
            number(range, "copied_pages");
        *regions.entry(range["region_id"].as_u64()).or_insert(0) += number(range, "copied_pages");
    }
    let master = number(report.images(storm.pid())[0], "id");
    for (region, copied) in &regions {
        let regions = report.0["regions"].as_array().expect("regions");
        let region = region.and_then(|id| regions.iter().find(|it| it["id"] == id));
        let owner = region.map(|region| &region["process_id"]);
        assert_eq!(owner.and_then(Value::as_u64), Some(master), "{copied}");
    }
    let mut pages = PagesByPid::new();
    for process in report.processes() {
        if let Some(copied) = by_process.get(&number(process, "id")).filter(|it| **it > 0) {
            assert_eq!(process["parent_id"], master, "{process}");
            let pid = number(process, "pid");
            pages.entry(pid).or_default().push(*copied);
        }
    }
    pages
}

/// Traces a storm, given with its number of children, in ranges of 64 KiB.
pub(super) fn trace_storm(storm: &Workload, more: &[&str]) -> Tracer {
    let pid = storm.pid().to_string();
    let mut arguments = vec!["--pid", &pid, "--range", "64KiB", "-i", "100ms"];
    arguments.extend(more);
    Tracer::start(&arguments)
}

#[test]
fn ten_thousand_children_that_share_their_ids_are_each_counted() {
    if !can_trace("storm of ids") {
        return;
    }
    let mut storm = Workload::prepare("storm 10000");
    let tracer = trace_storm(&storm, &[]);
    let planted = planted(&storm.run());
    let most = planted.values().map(Vec::len).max();
    assert!(most > Some(100), "ids are used again: {most:?}");
    let report = tracer.stop();
    assert!(counted(&report, &storm) == planted, "by process id");
    let mut losses = report.losses();
    losses.retain(|cause, _| !HARMLESS.contains(&cause.as_str()));
    assert_eq!(losses, BTreeMap::new());
    storm.end();
}

#[test]
fn each_of_five_thousand_threads_is_counted_whenever_it_started() {
    if !can_trace("threads") {
        return;
    }
    for before_the_trace in [true, false] {
        let mut crowd = Workload::prepare("crowd 5000");
        let start = |crowd: &mut Workload| assert_eq!(crowd.run(), "started");
        if before_the_trace {
            start(&mut crowd);
        }
        let tracer = Tracer::of(crowd.pid());
        if !before_the_trace {
            start(&mut crowd);
        }
        let worker = writers(&crowd.run())[0];
        assert_eq!((worker.written, worker.changed), (5_000, 5_000));
        let report = tracer.stop();
        let counts = report.counts_in(crowd.start, crowd.end);
        assert_eq!(counts[&worker.pid].copied, 5_000, "{before_the_trace}");
        let mut losses = report.losses();
        // Where backends learn of lost races only from a process's first thread on.
        losses.remove("races_unwatched");
        assert_eq!(losses, BTreeMap::new(), "{before_the_trace}");
        crowd.end();
    }
}
