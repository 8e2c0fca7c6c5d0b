//! Which variable holds what was copied, on every `CPython` that is here whose objects are known,
//! against a service of which it is known which pages it copies for which variable.

use cowtrace_tests::{
    pythons::{Interpreter, interpreters},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("holders.py");
const WORKERS: u64 = 2;

/// What a variable is told to hold may differ from what is known by this share: the interpreter
/// writes some of the pages for other reasons first, up to ten a worker of 2,400.
const TOLERANCE: f64 = 0.01;

fn walked() -> Vec<Interpreter> {
    let mut found = interpreters();
    found.retain(|python| !python.is_free && (3, 8) <= python.version && python.version <= (3, 14));
    assert!(!found.is_empty(), "no CPython of 3.8 to 3.14 is here");
    found
}

fn ask(service: &mut Service, what: &str) {
    service.say(what);
    assert_eq!(service.answer()["done"], what);
}

fn holder<'a>(report: &'a Report, path: &str) -> Option<&'a Value> {
    let holders = report.0["holders"].as_array().expect("holders");
    holders.iter().find(|holder| holder["path"] == path)
}

#[track_caller]
fn expect(python: &Interpreter, report: &Report, path: &str, expected: u64) {
    let told = holder(report, path).map_or(0, |holder| number(holder, "copied_pages"));
    assert!(
        told.abs_diff(expected) as f64 <= TOLERANCE * expected as f64,
        "{python}: {path} has {told} of {expected}; {:#}",
        report.0["holders"]
    );
}

#[test]
fn copies_are_told_by_the_variable_that_holds_them() {
    if !can_trace("holders") {
        return;
    }
    for python in walked() {
        let mut service = Service::start(python.command().args(["-c", SERVICE]));
        let pages = service.answer();
        let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"]);
        ask(&mut service, "words");
        ask(&mut service, "titles");
        let report = tracer.stop();
        let (words, titles) = (number(&pages, "words"), number(&pages, "titles"));
        assert!(words > 500 && titles > 500, "{pages}");
        expect(&python, &report, "main() local words", WORKERS * words);
        expect(&python, &report, "__main__.titles", WORKERS * titles);
        let held = holder(&report, "__main__.titles").expect("just found");
        assert_eq!(held["type"], "list", "{python}");
        assert_eq!(held["entries"], 150_000, "{python}");
        assert_eq!(held["copied_types"][0]["type"], "str", "{python}");
        // The first half of them is held twice.
        let also = held["also_held_by"].as_array().expect("others");
        let favourites = also.iter().find(|it| {
            let path = it["path"].as_str().expect("a path");
            path.starts_with("__main__.catalogue.favourites")
        });
        let shared = favourites.map_or(0, |it| number(it, "copied_pages"));
        let half = WORKERS * titles / 2;
        assert!(
            shared.abs_diff(half) as f64 <= 0.05 * half as f64,
            "{python}: {shared} of {half}; {held:#}"
        );
        let walk = &report.0["heap_walks"][0];
        assert_eq!(walk["is_partial"], false, "{python}: {walk}");
        assert_eq!(walk["failure"], Value::Null, "{python}: {walk}");
        service.say("end");
        service.end();
    }
}

#[test]
fn nothing_is_looked_for_unless_it_is_wanted() {
    if !can_trace("holders-off") {
        return;
    }
    let python = walked().remove(0);
    for option in [&["--holders", "off"][..], &["--no-writers"]] {
        let mut service = Service::start(python.command().args(["-c", SERVICE]));
        service.answer();
        let pid = service.pid().to_string();
        let tracer = Tracer::start(&[&["--pid", &pid, "-i", "200ms"], option].concat());
        ask(&mut service, "titles");
        let report = tracer.stop();
        assert_eq!(report.0["holders"], Value::Array(Vec::new()));
        assert_eq!(report.0["heap_walks"], Value::Array(Vec::new()));
        service.say("end");
        service.end();
    }
}
