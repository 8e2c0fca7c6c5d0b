//! Thousands of workers: counts are exact, places become coarser, and what is written about them stays small.

use std::{fs, process::Command};

use cowtrace_tests::{
    command::cowtrace,
    recorded::Folder,
    report::number,
    tracer::{Tracer, can_trace},
    workload::Service,
};

const WORKERS: u64 = 5_000;
/// Pages that each of them writes and gives back, in ten places of 20 GiB.
const PAGES: u64 = 1_000;
/// Of the copies, at most this part has no mapping either: 0.9 and 1.8 % were measured. The table keeps four places of ten for
/// coarse ranges, and some of its buckets are full before the others.
const MOST_UNPLACED: f64 = 0.04;
/// Bytes of a report, in any format for people.
const MOST_REPORT: usize = 1_000_000;

#[test]
fn five_thousand_workers_are_counted_to_the_page() {
    if !can_trace("five_thousand_workers_are_counted_to_the_page") {
        return;
    }
    let folder = Folder::new("many");
    let (source, built) = (folder.path("many.c"), folder.path("many"));
    fs::write(&source, include_str!("many.c")).expect("a file");
    let mut compiler = Command::new("cc");
    let made = compiler.args(["-O1", "-o", &built, &source]).status();
    assert!(made.expect("a C compiler").success());
    let recording = folder.path("run.cow");
    let mut service = Service::start(Command::new(&built).arg(WORKERS.to_string()));
    service.answer();
    let pid = service.pid().to_string();
    let more = ["--pid", &pid, "--range", "4KiB", "-o", &recording];
    let tracer = Tracer::start(&more);
    service.say("go");
    service.answer();
    let report = tracer.stop();
    service.end();
    let copied = number(&report.0["totals"], "copied_pages");
    // Each worker's stack and the program's data are a page or two more, the same for each.
    let each = copied / WORKERS;
    println!("{copied} copies, {each} by each worker");
    assert_eq!(copied % WORKERS, 0, "{copied}: {}", report.0["loss"]);
    assert!((PAGES..=PAGES + 2).contains(&each), "{copied}");
    assert_eq!(report.processes().len() as u64, WORKERS + 1);
    let unplaced = number(&report.0["loss"], "histogram_full") as f64 / copied as f64;
    println!("{unplaced} without a mapping");
    assert!(unplaced < MOST_UNPLACED, "{}", report.0["loss"]);
    for format in ["text", "html"] {
        let shown = cowtrace(&["report", &recording, "--full", "-f", format]);
        assert!(shown.status.success(), "{shown:?}");
        let bytes = shown.stdout.len();
        println!("{format}: {bytes} bytes");
        assert!(bytes < MOST_REPORT, "{format}: {bytes} bytes");
    }
}
