//! More ranges than the histogram has room for.

use cowtrace_tests::{
    report::{address, number},
    tracer::{Tracer, can_trace},
    workload::{Workload, writers},
};

/// Ranges that have a place of their own (docs/bounds.md).
const PLACES: u64 = 196_608;
/// Most pages that a fork by itself copies of what is beside the memory: the stack, and data of libraries.
const OF_FORK: u64 = 64;

#[test]
fn what_has_no_room_for_its_place_keeps_its_mapping() {
    if !can_trace("many-pages") {
        return;
    }
    let mut workload = Workload::prepare("many-pages");
    let start = workload.start;
    let tracer = Tracer::of(workload.pid());
    let done = workload.run();
    let report = tracer.stop();
    workload.end();
    let changed = writers(&done)[0].changed;
    assert_eq!(changed, 300_000);
    let regions = report.0["regions"].as_array().into_iter().flatten();
    let mut regions = regions.filter(|region| {
        let bounds = [&region["start"], &region["end"]].map(|it| address(it).expect("an address"));
        (bounds[0]..bounds[1]).contains(&start)
    });
    let region = regions.next().expect("the memory's region");
    let copied = number(region, "copied_pages");
    println!(
        "{changed} pages, {copied} in the region: {}",
        report.0["loss"]
    );
    assert!((changed..=changed + OF_FORK).contains(&copied), "{region}");
    let loss = |cause| number(&report.0["loss"], cause);
    assert!(loss("ranges_coarse") >= changed - PLACES);
    assert_eq!((loss("histogram_full"), loss("unsplit_pages")), (0, 0));
    let in_place: u64 = report
        .counts_in(0, u64::MAX)
        .values()
        .map(|counts| counts.copied)
        .sum();
    // All but one range in a thousand has found a place of its own.
    assert!(in_place >= PLACES * 3 / 4, "{in_place}");
}
