//! Names of processes and files that would harm a terminal or a page: counted like any other, and shown as text.

use std::process::Command;

use cowtrace_tests::{
    python,
    recorded::{Folder, reported, reported_in_full},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};

const SERVICE: &str = include_str!("hostile.py");
/// The interpreter's own pages that a worker copies: some 30.
const OF_PYTHON: u64 = 200;
/// Turns text around.
const OVERRIDE: char = '\u{202e}';

/// Nothing that a terminal does anything with but show it. JSON keeps names as they are, but for control characters.
#[track_caller]
fn expect_harmless(text: &str, what: &str) {
    let is_harmful = |letter: char| letter.is_control() || letter == OVERRIDE && what != "json";
    let mut letters = text.chars().filter(|letter| *letter != '\n');
    let harmful = letters.find(|letter| is_harmful(*letter));
    assert_eq!(harmful, None, "{what}: {text:?}");
}

#[test]
fn hostile_names_are_counted_like_others_and_harm_nobody() {
    if !can_trace("hostile") {
        return;
    }
    let folder = Folder::new("hostile");
    let recording = folder.path("run.cow");
    let files = folder.path("files");
    std::fs::create_dir(&files).expect("a folder");
    let mut service = Service::start(Command::new(python()).args(["-c", SERVICE, &files]));
    let ready = service.answer();
    let pid = service.pid().to_string();
    let tracer = Tracer::start(&["--pid", &pid, "-o", &recording]);
    service.say("go");
    service.answer();
    let (report, said) = tracer.stop_and_hear();
    service.say("end");
    service.end();
    expect_counts(&report, &ready);
    expect_harmless(&said, "standard error");
    expect_harmless(&reported_in_full(&recording), "text");
    for format in ["json", "csv", "folded", "html"] {
        expect_harmless(&reported(&recording, format), format);
    }
    let page = reported(&recording, "html");
    for raw in ["<b>x</b>", "<img src=x"] {
        assert!(!page.contains(raw), "{raw}");
    }
    // No formula for whoever opens it in a spreadsheet.
    assert!(reported(&recording, "csv").contains(",'=cmd|"));
}

fn expect_counts(report: &Report, ready: &serde_json::Value) {
    let each = number(ready, "each");
    for worker in ready["workers"].as_array().expect("workers") {
        let worker = u32::try_from(worker.as_u64().expect("a pid")).expect("a pid");
        let copied = number(report.images(worker)[0], "copied_pages");
        assert!(
            (each..each + OF_PYTHON).contains(&copied),
            "{worker}: {copied} of {each}"
        );
    }
}
