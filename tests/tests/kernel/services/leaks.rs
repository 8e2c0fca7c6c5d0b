//! A service under load that leaks in a known way, and one that only answers.

use std::time::{Duration, Instant};

use cowtrace_tests::{
    report::{Report, number},
    tracer::{Tracer, can_trace},
};
use serde_json::Value;

use super::{
    http::load_until,
    python::{WORKERS, tornado, versions},
    server::Server,
};

/// Long enough for a verdict.
const LONG: Duration = Duration::from_secs(24);

/// Traces a service while a path is requested.
fn under_load(server: &Server, path: &str) -> Report {
    let tracer = Tracer::start(&["--pid", &server.pid().to_string()]);
    load_until(server, path, Instant::now() + LONG);
    tracer.stop()
}

fn against_cycles(report: &Report) -> Option<&Value> {
    let advice = report.0["advice"].as_array().expect("advice");
    let what = |it: &&Value| {
        it["what"]
            .as_str()
            .is_some_and(|it| it.contains("gc.enable()"))
    };
    advice.iter().find(what)
}

#[test]
fn a_leak_of_cycles_is_told_by_their_type() {
    if !can_trace("a leak") {
        return;
    }
    let python = versions().remove(0);
    let server = tornado(&python);
    let report = under_load(&server, "/leaks");
    let verdict = &report.0["verdict"];
    println!("{}", verdict["headline"]);
    assert_eq!(verdict["kind"], "growing", "{python}: {verdict}");
    let grown = &report.0["grown"];
    let heaps = grown["heaps"].as_array().expect("heaps");
    assert_eq!(heaps.len(), WORKERS, "{python}: {heaps:#?}");
    for heap in heaps {
        assert_eq!(heap["collects"], false, "{python}: {heap}");
        let (objects, unheld) = (number(heap, "objects"), number(heap, "unheld_objects"));
        // What Tornado keeps of its connections, and what was being answered: up to 300 of 100,000.
        assert!(unheld * 100 >= objects * 95, "{python}: {heap}");
    }
    let types = grown["types"].as_array().expect("types");
    let mut rings = types.iter().filter(|it| it["type"] == "list");
    assert!(
        rings.all(|it| number(it, "unheld_objects") > 10_000),
        "{python}: {types:#?}"
    );
    let most = types.iter().filter(|it| it["is_container"] == true);
    let most = most.max_by_key(|it| number(it, "unheld_objects"));
    assert_eq!(most.expect("a container")["type"], "list", "{python}");
    assert!(against_cycles(&report).is_some(), "{python}: {grown:#}");
}

#[test]
fn a_service_that_only_answers_is_not_called_a_leak() {
    if !can_trace("no leak") {
        return;
    }
    let python = versions().remove(0);
    let server = tornado(&python);
    let report = under_load(&server, "/ready");
    let verdict = &report.0["verdict"];
    println!("{}", verdict["headline"]);
    let is = |kind: &str| verdict["kind"] == kind;
    assert!(!is("growing") && !is("both"), "{python}: {verdict}");
    assert!(against_cycles(&report).is_none(), "{python}");
}
