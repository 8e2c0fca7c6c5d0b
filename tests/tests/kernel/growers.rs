//! Who grew the heap, compared with a service of which it is known how much each function allocates.

use std::{collections::BTreeMap, process::Command};

use cowtrace_tests::{
    pythons::{Interpreter, interpreters, line_of},
    recorded::{Folder, reported, reported_in_full},
    report::{Report, number},
    tracer::{Tracer, can_trace, program},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("growers.py");

/// What the service's functions allocate, by their marks.
const SHARES: [(&str, f64); 3] = [("most", 0.58), ("some", 0.34), ("few", 0.08)];
/// Pages that the worker touches at least: 48,000 objects of 4,033 bytes are 47,260, less up to 5 MiB of free blocks
/// on pages that it had.
const LEAST_PAGES: f64 = 46_000.0;
/// One page in so many is sampled.
const PER_SAMPLE: f64 = 64.0;
/// Most standard deviations that a share may be off. Three shares are compared for each of five Pythons: with 3.0,
/// one of 25 runs of this test would fail by chance, with this one of 10,000.
const DEVIATIONS: f64 = 4.5;

/// The interpreters whose frames are supported.
fn walked() -> Vec<Interpreter> {
    let mut found = interpreters();
    found.retain(|python| python.version >= (3, 11));
    assert!(!found.is_empty(), "no CPython of 3.11 or later is here");
    found
}

/// Makes the worker grow; returns the report, and the worker's pid.
fn grown(python: &Interpreter, more: &[&str]) -> (Report, u32) {
    let mut service = Service::start(python.command().args(["-c", SERVICE]));
    let worker = number(&service.answer(), "worker");
    let worker = u32::try_from(worker).expect("a pid");
    let pid = service.pid().to_string();
    let mut arguments = vec!["--pid", &pid, "-i", "100ms", "--holders", "off"];
    arguments.extend(more);
    let mut tracer = Tracer::start(&arguments);
    if more.is_empty() {
        tracer.has_found_an_interpreter();
    }
    service.say("grow");
    assert_eq!(service.answer()["done"], "grow");
    let report = tracer.stop();
    service.say("end");
    service.end();
    (report, worker)
}

fn growers(report: &Report) -> &[Value] {
    report.0["growers"].as_array().expect("a list")
}

/// The process's estimate by Python function and line.
fn by_line(report: &Report, pid: u32) -> BTreeMap<(String, u64), u64> {
    let mut sums = BTreeMap::new();
    for grower in growers(report).iter().filter(|it| it["pid"] == pid) {
        let frame = &grower["python"][0];
        let function = frame["function"].as_str().unwrap_or_default().to_owned();
        let line = frame["line"].as_u64().unwrap_or(0);
        *sums.entry((function, line)).or_default() += number(grower, "touched_pages_estimate");
    }
    sums
}

#[test]
fn each_function_has_the_share_that_it_allocates() {
    if !can_trace("growers") {
        return;
    }
    for python in walked() {
        let (report, worker) = grown(&python, &[]);
        let sums = by_line(&report, worker);
        let all: u64 = sums.values().sum();
        assert!(all as f64 >= LEAST_PAGES, "{python}: {sums:?}");
        let process = report.images(worker)[0];
        let counted = number(process, "touched_pages");
        // Each thread has one page of each block in the sample, and begins in the midst of one.
        assert!(
            all.abs_diff(counted) as f64 <= 2.0 * PER_SAMPLE,
            "{python}: {all} estimated, {counted} counted"
        );
        let samples = all as f64 / PER_SAMPLE;
        for (function, share) in SHARES {
            let line = line_of(SERVICE, function);
            let pages = sums.get(&(function.to_owned(), line)).copied();
            let found = pages.unwrap_or(0) as f64 / all as f64;
            let error = DEVIATIONS * (share * (1.0 - share) / samples).sqrt();
            assert!(
                (found - share).abs() <= error,
                "{python}: {function} {found}, not {share} ± {error}; {sums:?}"
            );
        }
        assert!(
            report.written(|writer| writer["python"][0]["function"] == "most") < 2_000,
            "{python}: touches of new memory are no copies"
        );
    }
}

#[test]
fn nobody_is_named_without_writers_and_no_line_without_frames() {
    if !can_trace("growers-without") {
        return;
    }
    let python = walked().pop().expect("a CPython");
    let (report, worker) = grown(&python, &["--no-writers"]);
    assert!(growers(&report).is_empty());
    let touched = number(report.images(worker)[0], "touched_pages");
    assert!(touched as f64 >= LEAST_PAGES, "{touched}");

    let (report, _) = grown(&python, &["--no-frames"]);
    let named = growers(&report)
        .iter()
        .filter(|it| it["function"].is_string());
    let named: u64 = named.map(|it| number(it, "touched_pages_estimate")).sum();
    assert!(named as f64 >= 0.9 * LEAST_PAGES, "{:?}", growers(&report));
    assert!(growers(&report).iter().all(|it| it["python"].is_null()));
}

#[test]
fn a_recording_has_them_and_the_full_text_labels_them() {
    if !can_trace("growers-recorded") {
        return;
    }
    let python = walked().pop().expect("a CPython");
    let folder = Folder::new("growers");
    let file = folder.path("run.cow");
    let (live, worker) = grown(&python, &["-o", &file]);
    let report = Report::parse(&reported(&file, "json"));
    assert_eq!(growers(&report), growers(&live));
    assert!(by_line(&report, worker).contains_key(&("most".into(), line_of(SERVICE, "most"))));
    let text = reported_in_full(&file);
    assert!(
        text.contains("grew the heap in") && text.contains("1 in 64 first touches"),
        "{text}"
    );
    assert!(!text.to_lowercase().contains("leaks in"), "{text}");
    let short = Command::new(program("cowtrace"))
        .args(["report", &file])
        .output();
    let short = String::from_utf8_lossy(&short.expect("it runs").stdout).into_owned();
    assert!(!short.contains("WHAT GREW"), "{short}");
}
