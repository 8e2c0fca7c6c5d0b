//! A CPython prefork service: counts per worker and mapping, compared with the kernel's page
//! tables.

use std::process::Command;

use cowtrace_tests::{
    pagemap::frames,
    python,
    pythons::interpreters,
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

/// A master with a dict and lists of strings, and two workers; it obeys one line after the other.
const SERVICE: &str = include_str!("service.py");
/// A parent that reuses pages.
const REUSE: &str = include_str!("reuse.py");

/// A worker's copies in one mapping of its master may differ from pagemap by this share: a page can
/// be freed and allocated again in another frame without a copy.
const TOLERANCE: f64 = 0.001;
/// Number of pages below which that share is less than one page.
const SMALL: u64 = 1000;

fn start() -> (Service, Vec<u32>) {
    let mut service = Service::start(Command::new(python()).args(["-c", SERVICE]));
    let ready = service.answer();
    let pids = ready["workers"]
        .as_array()
        .expect("workers")
        .iter()
        .filter_map(Value::as_u64);
    let workers = pids.map(|pid| u32::try_from(pid).expect("a pid")).collect();
    (service, workers)
}

fn ask(service: &mut Service, what: &str) {
    service.say(what);
    assert_eq!(service.answer()["done"], what);
}

#[test]
fn reading_in_workers_copies_what_pagemap_says_by_mapping() {
    if !can_trace("cpython") {
        return;
    }
    let (mut service, workers) = start();
    let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"]);
    let before: Vec<_> = workers.iter().map(|&pid| frames(pid)).collect();
    ask(&mut service, "read");
    let after: Vec<_> = workers.iter().map(|&pid| frames(pid)).collect();
    let report = tracer.stop();
    let mut compared = 0;
    for ((pid, before), after) in workers.iter().zip(&before).zip(&after) {
        for mapping in before.values() {
            let truth = mapping.changed(after);
            let counted = copied_in(&report, *pid, mapping.start, mapping.end());
            let allowed = if truth < SMALL {
                1
            } else {
                (truth as f64 * TOLERANCE) as u64
            };
            assert!(
                counted.abs_diff(truth) <= allowed,
                "pid {pid}, {:#x}: counted {counted}, pagemap {truth}",
                mapping.start
            );
            compared += truth;
        }
    }
    assert!(
        compared > 10_000,
        "the workers read 25 MB each: {compared} pages"
    );
    assert_eq!(report.losses(), std::collections::BTreeMap::new());
    service.end();
}

#[test]
fn a_master_that_reads_again_after_its_workers_have_gone_copies_nothing() {
    if !can_trace("cpython-reuse") {
        return;
    }
    let (mut service, workers) = start();
    ask(&mut service, "end");
    let pid = service.pid();
    let before = frames(pid);
    let tracer = Tracer::of(pid);
    ask(&mut service, "read-master");
    let report = tracer.stop();
    let changed: u64 = before
        .values()
        .map(|mapping| mapping.changed(&frames(pid)))
        .sum();
    let totals = &report.0["totals"];
    assert!(
        number(totals, "reused_faults") > 5_000,
        "{totals}; workers {workers:?}"
    );
    assert_eq!(number(totals, "copied_pages"), 0, "{totals}");
    assert_eq!(changed, 0);
    service.end();
}

/// Pages that the parent in [`REUSE`] writes once more.
const REUSE_PAGES: u64 = 20_000;
/// The interpreter's own faults meanwhile, on its own pages that the child shared: 31 to 58 in
/// versions 3.8 to 3.13, once for each page.
const INTERPRETER_FAULTS: u64 = 400;

#[test]
fn a_traced_interpreter_takes_no_fault_more_for_pages_that_it_re_uses() {
    if !can_trace("cpython-faults") {
        return;
    }
    let faults = |service: &mut Service| {
        service.say("write");
        service.answer()["done"]
            .as_u64()
            .expect("a count of faults")
    };
    let begun = || {
        let mut service = Service::start(Command::new(python()).args(["-c", REUSE]));
        assert_eq!(service.answer()["ready"], REUSE_PAGES);
        service
    };
    let mut alone = begun();
    let untraced = faults(&mut alone);
    alone.end();
    let mut service = begun();
    let tracer = Tracer::of(service.pid());
    let with_trace = faults(&mut service);
    let report = tracer.stop();
    service.end();
    assert_eq!(report.losses(), std::collections::BTreeMap::new());
    let reused = number(&report.0["totals"], "reused_faults");
    let copied = number(&report.0["totals"], "copied_pages");
    let told = format!(
        "{untraced} faults untraced, {with_trace} traced, {reused} re-uses and {copied} copies counted"
    );
    let expected = REUSE_PAGES..=REUSE_PAGES + INTERPRETER_FAULTS;
    assert!(expected.contains(&untraced), "{told}");
    // If each stale translation caused another fault, both would be twice as many.
    assert!(expected.contains(&with_trace), "{told}");
    // The faults of the fork and around the writing are added. The kernel copies a page instead of re-using it
    // while anything else holds it, as compaction does when other tests need memory.
    assert!(
        (REUSE_PAGES..=REUSE_PAGES + 3_000).contains(&(reused + copied)),
        "{told}"
    );
    assert!(copied < REUSE_PAGES / 20, "{told}");
}

/// What a process copied in the region that begins at, or contains, these addresses, according to
/// the report.
fn copied_in(report: &Report, pid: u32, start: u64, end: u64) -> u64 {
    let ranges = report.0["histogram"]["ranges"]
        .as_array()
        .expect("ranges")
        .iter();
    let in_mapping = |range: &&Value| {
        let Some(region) = report.region(range) else {
            return false;
        };
        let at = |key: &str| cowtrace_tests::report::address(&region[key]).expect("an address");
        report.pid_of(range) == pid && at("start") < end && start < at("end")
    };
    ranges
        .filter(in_mapping)
        .map(|range| number(range, "copied_pages"))
        .sum()
}

/// The output about a command whose two workers read, then exit in some way.
fn printed_where_workers_end_by(end: &str) -> String {
    let mut pythons = interpreters();
    // An interpreter with Python lines and access to the same files.
    pythons.retain(|it| it.version >= (3, 11) && !it.is_free && it.command().get_args().len() == 0);
    let python = pythons
        .first()
        .expect("a CPython of 3.11 or later")
        .command();
    let script = format!(
        "import os, sys
data = [{{'id': i, 'text': 'row %d of all' % i}} for i in range(60000)]
input()
for worker in range(2):
    if os.fork() == 0:
        for row in data[:30000]: len(row['text'])
        {end}(0)
os.wait(); os.wait()"
    );
    let program = python.get_program().to_str().expect("a plain name");
    let mut tracer = Tracer::start_full_text_with_input(&["--", program, "-c", &script]);
    tracer.has_found_an_interpreter();
    tracer.say("");
    let text = tracer.wait_and_read();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn copies_by_interpreters_that_shut_down_are_told() {
    if !can_trace("shutdown") {
        return;
    }
    let sentence = "of the copies were made by freeing objects outside of any Python function";
    let printed = printed_where_workers_end_by("sys.exit");
    assert!(printed.contains(sentence), "{printed}");
    let printed = printed_where_workers_end_by("os._exit");
    assert!(!printed.contains(sentence), "{printed}");
}
