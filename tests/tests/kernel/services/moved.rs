//! What a report promises to save by moving a variable of a service out of the heap's objects, and what that saves.

use cowtrace_tests::{
    pythons::Interpreter,
    report::{Report, number},
    tracer::{Tracer, can_trace},
};

use super::{
    http::load,
    python::{WORKERS, gunicorn_with, tornado_with, versions},
    server::Server,
};

/// What is promised may differ from what is saved by this share of all copies. Measured: up to 0.001.
const TOLERANCE: f64 = 0.01;

/// The report on a service whose workers have read all of both variables.
fn traced(server: &Server) -> Report {
    let tracer = Tracer::start(&["--pid", &server.pid().to_string()]);
    for path in ["/titles", "/sentences"] {
        load(server, WORKERS, 1, &[path.to_owned()]);
    }
    tracer.stop()
}

fn copied(report: &Report) -> u64 {
    number(&report.0["totals"], "copied_pages")
}

/// Traces a service as it is, and then with each of its variables moved.
#[track_caller]
fn expect(start: fn(&Interpreter, &str) -> Server, paths: [(&str, &str); 2]) {
    let python = &versions()[0];
    let before = traced(&start(python, ""));
    for (moved, path) in paths {
        let after = traced(&start(python, moved));
        let holders = before.0["holders"].as_array().expect("holders");
        let holder = holders.iter().find(|holder| holder["path"] == path);
        let holder = holder.unwrap_or_else(|| panic!("{path}: {:#}", before.0["holders"]));
        let promised = number(&holder["saving"], "saved_pages");
        let saved = copied(&before).saturating_sub(copied(&after));
        let all = copied(&before);
        println!("{python}: {path}: {promised} promised, {saved} of {all} saved");
        assert!(
            promised > 5_000 && promised.abs_diff(saved) as f64 <= TOLERANCE * all as f64,
            "{python}: {path}: {promised} promised, {saved} of {all} saved; {holder:#}"
        );
    }
}

#[test]
fn moving_a_variable_of_gunicorn_saves_what_is_promised() {
    if !can_trace("gunicorn-moved") {
        return;
    }
    let sentences = ("sentences", "wsgi_service.Corpus.sentences");
    expect(
        gunicorn_with,
        [("titles", "wsgi_service.titles"), sentences],
    );
}

#[test]
fn moving_a_variable_of_tornado_saves_what_is_promised() {
    if !can_trace("tornado-moved") {
        return;
    }
    let sentences = ("sentences", "main() local sentences");
    expect(tornado_with, [("titles", "__main__.titles"), sentences]);
}
