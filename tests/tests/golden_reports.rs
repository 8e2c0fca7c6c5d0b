//! Every renderer on stored runs: what people and scripts see, letter by letter.
//!
//! The stored run is JSON of the model itself; `cargo insta review` accepts changed reports.

use cowtrace::{
    report::{self, Style},
    run::Run,
};

/// A Tornado-like service: a master, three workers, one of them gone, a hostile mapping name.
const SERVICE: &str = include_str!("runs/service.json");
/// Redis whose master copies while its child saves.
const SAVING: &str = include_str!("runs/saving.json");
/// A Ruby service whose workers collect garbage, with a library that has no names.
const COLLECTING: &str = include_str!("runs/collecting.json");
/// A run in which nothing was copied.
const QUIET: &str = include_str!("runs/quiet.json");

fn run(stored: &str) -> Run {
    serde_json::from_str(stored).expect("a stored run")
}

fn text(run: &Run, width: usize, color: bool) -> String {
    let mut out = Vec::new();
    report::text(run, Style { width, color }, &mut out).expect("memory can be written");
    String::from_utf8(out).expect("text")
}

#[test]
fn text_at_80_columns() {
    let text = text(&run(SERVICE), 80, false);
    for line in text.lines() {
        assert!(
            line.chars().count() <= 80,
            "{} columns: {line}",
            line.chars().count()
        );
    }
    assert!(!text.contains('\x1b'), "no control characters");
    insta::assert_snapshot!(text);
}

#[test]
fn text_at_120_columns_shows_more_of_the_names() {
    insta::assert_snapshot!(text(&run(SERVICE), 120, false));
}

#[test]
fn a_native_service_is_told_by_functions() {
    insta::assert_snapshot!(text(&run(SAVING), 80, false));
}

#[test]
fn a_stripped_library_is_told_by_where_its_functions_begin() {
    insta::assert_snapshot!(text(&run(COLLECTING), 80, false));
}

#[test]
fn colour_changes_nothing_but_weight() {
    let run = run(SERVICE);
    let plain = text(&run, 80, true)
        .replace("\x1b[1m", "")
        .replace("\x1b[0m", "");
    assert_eq!(plain, text(&run, 80, false));
}

#[test]
fn a_run_without_copies_says_so_in_a_sentence() {
    insta::assert_snapshot!(text(&run(QUIET), 80, false));
}

#[test]
fn json_by_the_contract() {
    let mut out = Vec::new();
    report::json(&run(SERVICE), &mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    let report = cowtrace_tests::report::Report::parse(&text);
    assert_eq!(report.images(4242).len(), 1);
    insta::assert_snapshot!(text);
}

#[test]
fn csv_for_spreadsheets() {
    let mut out = Vec::new();
    report::csv(&run(SERVICE), &mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    assert!(
        text.lines().all(|line| !line.starts_with('=')),
        "no formula"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_stored_run_reads_back_as_it_was() {
    let run = run(SERVICE);
    let again: Run =
        serde_json::from_str(&serde_json::to_string(&run).expect("json")).expect("a run");
    assert_eq!(run, again);
}
