//! Several interpreters in one process, as uWSGI has for several applications: the variables and lines of each.

use cowtrace_tests::{
    pythons::{Interpreter, line_of, walkable},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("interpreters.py");
/// Lines are known from this version on.
const WITH_LINES: (u32, u32) = (3, 11);

/// Reported pages of a variable may differ from the known number by this share: some lie on pages that the
/// worker copies for another reason first, 4 to 12 of 950 to 1,100, and lists of the same page are told apart by
/// the first write.
const TOLERANCE: f64 = 0.02;

/// The oldest, and those with lines whose interpreter can be forked without its hooks. In builds without the global
/// interpreter lock the worker would wait for threads that it does not have.
fn some() -> Vec<Interpreter> {
    let can_fork = |python: &Interpreter| {
        let tried = python.command().args(["-c", "import ctypes"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let mut found = walkable();
    found.retain(|python| !python.is_free && can_fork(python));
    let oldest = found.first().map(|python| python.version);
    found.retain(|python| python.version >= WITH_LINES || Some(python.version) == oldest);
    found
}

fn pages_of(report: &Report, path: &str) -> u64 {
    let holders = report.0["holders"].as_array().expect("holders");
    let held = holders.iter().filter(|holder| holder["path"] == path);
    held.map(|holder| number(holder, "copied_pages")).sum()
}

/// The line of `scan_main` that reads, and that of the others in the text of their interpreters.
fn line_of_scan(name: &str) -> u64 {
    if name == "main" {
        return line_of(SERVICE, "main");
    }
    let (_, code) = SERVICE.split_once("CODE = \"\"\"").expect("code");
    let line = code
        .lines()
        .position(|line| line.contains("for title in titles:"));
    line.expect("a loop") as u64 + 1
}

/// Copies of texts that an interpreter's function wrote in its loop.
fn by_line(report: &Report, name: &str) -> u64 {
    let (function, line) = (format!("scan_{name}"), line_of_scan(name));
    report.written(|writer: &Value| {
        writer["type"] == "str"
            && writer["python"][0]["function"] == *function
            && writer["python"][0]["line"] == line
    })
}

#[test]
fn each_interpreter_has_its_variables() {
    if !can_trace("interpreters") {
        return;
    }
    for python in some() {
        let mut service = Service::start(python.command().args(["-c", SERVICE]));
        let pages = service.answer();
        let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"]);
        for order in ["older", "main", "newer"] {
            service.say(order);
            assert_eq!(service.answer()["done"], order);
        }
        let report = tracer.stop();
        service.say("end");
        service.end();
        for (name, path) in [
            ("main", "__main__.titles"),
            ("older", "interpreter 1: __main__.titles"),
            ("newer", "interpreter 2: __main__.titles"),
        ] {
            let (told, expected) = (pages_of(&report, path), number(&pages, name));
            assert!(
                expected > 500 && told.abs_diff(expected) as f64 <= TOLERANCE * expected as f64,
                "{python}: {path} has {told} of {expected}; {:#}",
                report.0["holders"]
            );
        }
        if python.version < WITH_LINES {
            continue;
        }
        for name in ["main", "older", "newer"] {
            let (told, expected) = (by_line(&report, name), number(&pages, name));
            assert!(
                told.abs_diff(expected) as f64 <= TOLERANCE * expected as f64,
                "{python}: {told} of {expected} by the line of {name}; {}",
                report.top_writers()
            );
        }
    }
}
