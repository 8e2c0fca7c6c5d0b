//! What moving a variable out of the heap would save, and what `gc.freeze()` would: promised, and then tried.

use cowtrace_tests::{
    pythons::{Interpreter, walkable},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("savings.py");
const PAGE: u64 = 4096;
/// The array of the case `numbers`, in both workers, bytes.
const NUMBERS: u64 = 2 * (16 << 20);

/// What is promised may differ from what is saved by this share of all copies. Of rows of columns it differs by some
/// 0.1 %, of dicts and of what the collector writes by some percent.
const TOLERANCE: f64 = 0.1;

/// The oldest version with a global interpreter lock, and the newest.
fn some() -> Vec<Interpreter> {
    let mut found = walkable();
    found.retain(|python| !python.is_free);
    let last = found.pop();
    found.truncate(1);
    found.extend(last);
    found
}

/// The report on a service that reads, with some of it moved.
fn traced(python: &Interpreter, case: &str, moved: &[&str]) -> Report {
    let mut service = Service::start(python.command().args(["-c", SERVICE, case]).args(moved));
    service.answer();
    let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"]);
    service.say("read");
    assert_eq!(service.answer()["done"], "read");
    let report = tracer.stop();
    service.say("end");
    service.end();
    report
}

fn copied(report: &Report) -> u64 {
    number(&report.0["totals"], "copied_pages")
}

/// What is known of moving a variable.
#[track_caller]
fn saving<'a>(report: &'a Report, path: &str) -> &'a Value {
    let holders = report.0["holders"].as_array().expect("holders");
    let holder = holders.iter().find(|holder| holder["path"] == path);
    let saving = holder.map(|holder| &holder["saving"]);
    saving
        .filter(|it| it.is_object())
        .unwrap_or_else(|| panic!("nothing of {path}: {:#}", report.0["holders"]))
}

#[track_caller]
fn expect(what: &str, promised: u64, before: &Report, after: &Report) {
    let (before, after) = (copied(before), copied(after));
    let saved = before.saturating_sub(after);
    assert!(
        promised.abs_diff(saved) as f64 <= TOLERANCE * before as f64,
        "{what}: {promised} promised, {saved} of {before} saved"
    );
}

#[test]
fn moving_a_variable_saves_what_is_promised() {
    if !can_trace("savings") {
        return;
    }
    for python in some() {
        for (case, moved, path) in [
            ("columns", "name", "__main__.columns['name']"),
            ("cold", "names", "__main__.names"),
            ("apart", "first", "__main__.first"),
            ("nested", "titles", "__main__.data['shop']['titles']"),
        ] {
            let before = traced(&python, case, &[]);
            let after = traced(&python, case, &[moved]);
            let promised = number(saving(&before, path), "saved_pages");
            let what = format!("{python}, {case}: {:#}", before.0["holders"]);
            assert!(promised > 500, "{what}");
            expect(&what, promised, &before, &after);
        }
    }
}

#[test]
fn variables_on_the_same_pages_are_told_together() {
    if !can_trace("savings-together") {
        return;
    }
    for python in some() {
        let before = traced(&python, "columns", &[]);
        let after = traced(&python, "columns", &["name", "city", "mail"]);
        let found = saving(&before, "__main__.columns['name']");
        let together = number(found, "saved_together_pages");
        expect(&format!("{python}"), together, &before, &after);
        let mut neighbours: Vec<&str> = found["shares_with"]
            .as_array()
            .expect("neighbours")
            .iter()
            .filter_map(|it| it["path"].as_str())
            .collect();
        neighbours.sort_unstable();
        let others = ["__main__.columns['city']", "__main__.columns['mail']"];
        assert_eq!(neighbours, others, "{python}");
        assert!(number(found, "pages_alone") * 10 < number(found, "pages_with"));
        let apart = traced(&python, "apart", &[]);
        let found = saving(&apart, "__main__.first");
        assert_eq!(found["shares_with"], Value::Array(Vec::new()), "{python}");
        assert!(number(found, "pages_alone") * 10 > number(found, "pages_with") * 9);
    }
}

/// Reading writes reference counts, so that an array of numbers stays shared whatever is read.
#[test]
fn reading_reaches_pages_with_reference_counts_alone() {
    if !can_trace("savings-reading") {
        return;
    }
    for python in some() {
        let report = traced(&python, "numbers", &[]);
        let how_far = &report.0["verdict"]["how_far"];
        let reach = number(how_far, "by_reading_at_most_bytes");
        let ceiling = number(how_far, "ceiling_bytes");
        assert!(
            reach >= copied(&report) * PAGE,
            "{python}: all copies are by reading; {how_far}"
        );
        // The sample is of 32,768 pages of some 8,000: it is all of them.
        let spared = ceiling.saturating_sub(reach);
        assert!(spared >= NUMBERS / 100 * 99, "{python}: {how_far}");
    }
}

#[test]
fn freezing_saves_what_is_promised() {
    if !can_trace("savings-freeze") {
        return;
    }
    for python in some() {
        for case in ["collected", "collected and read"] {
            let before = traced(&python, case, &[]);
            let after = traced(&python, case, &["freeze"]);
            let freeze = &before.0["heap_walks"][0]["freeze"];
            let what = format!("{python}, {case}: {freeze:#}");
            let (headers, saved) = (
                number(freeze, "header_pages"),
                number(freeze, "saved_pages"),
            );
            assert!(headers > 500, "{what}");
            expect(&what, saved, &before, &after);
            // Of what is read, the interpreter's own objects remain.
            assert_eq!(saved * 4 > headers * 3, case == "collected", "{what}");
        }
    }
}

/// A worker that freezes what it inherited writes the collector's lists, and none of the headers.
#[test]
fn freezing_in_the_workers_saves_as_much() {
    if !can_trace("savings-late") {
        return;
    }
    for python in some() {
        let [before, early, late] = [&[][..], &["freeze"], &["late"]]
            .map(|moved| copied(&traced(&python, "collected", moved)));
        println!("{python}: {before} pages, {early} frozen by the master, {late} by the workers");
        let (early, late) = (before.saturating_sub(early), before.saturating_sub(late));
        assert!(
            before > 500 && late.abs_diff(early) as f64 <= TOLERANCE * before as f64,
            "{python}: {early} or {late} of {before} saved"
        );
    }
}
