//! Everything full at once: each table is as small as it can be made, and the report says so.

use cowtrace_tests::{
    report::{Counts, Report, number},
    tracer::{Tracer, can_trace},
    workload::{Workload, Writer},
};

/// Two hundred workers, ten at a time, and the report of a trace with room for this many threads, and half as many
/// processes.
fn traced_with(slots: &str) -> (Vec<Writer>, Report, Counts) {
    let mut workload = Workload::prepare("many-workers");
    let small = [
        "--__slots",
        slots,
        "--__ring-bytes",
        "4096",
        "--overhead",
        "full",
    ];
    let tracer = Tracer::by(None, workload.pid(), &small);
    let writers = workload.writers();
    let report = tracer.stop();
    let counts = report.counts_in(workload.start, workload.end);
    let mut all = Counts::default();
    for counts in counts.values() {
        all.copied += counts.copied;
        all.reused += counts.reused;
    }
    workload.end();
    (writers, report, all)
}

fn changed(writers: &[Writer]) -> u64 {
    writers.iter().map(|writer| writer.changed).sum()
}

#[test]
fn totals_are_exact_where_processes_and_evidence_have_no_room() {
    if !can_trace("no room for processes") {
        return;
    }
    let (writers, report, counted) = traced_with("14");
    assert_eq!(counted.copied, changed(&writers));
    let losses = report.losses();
    // Those that had room have what is theirs, and the others nothing.
    for writer in &writers {
        for image in report.images(writer.pid) {
            let copied = number(image, "copied_pages");
            assert!(copied <= writer.changed + 20, "{image}");
        }
    }
    for cause in ["processes_full", "writers_full"] {
        assert!(losses.contains_key(cause), "{cause} in {losses:?}");
    }
    assert!(!losses.contains_key("threads_full"), "{losses:?}");
}

#[test]
fn threads_without_room_are_said_to_be_missing() {
    if !can_trace("no room for threads") {
        return;
    }
    let (writers, report, counted) = traced_with("6");
    let missing = report.losses().get("threads_full").copied();
    assert!(missing > Some(0), "{:?}", report.losses());
    assert!((1..changed(&writers)).contains(&counted.copied));
    // Nobody has the copies of another.
    for writer in &writers {
        for image in report.images(writer.pid) {
            let copied = number(image, "copied_pages");
            assert!(copied <= writer.changed + 20, "{image}");
        }
    }
}
