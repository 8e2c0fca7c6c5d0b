//! Objects in arrays of `NumPy` and in columns of pandas: which of them were copied, and what is said of arrays.

use cowtrace_tests::{
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

use super::python::{command, with_numpy};

const SERVICE: &str = include_str!("frames_service.py");
/// Reported pages may differ from the known number by this share: columns that were made row by row share pages.
const TOLERANCE: f64 = 0.02;

fn traced(order: &str) -> (Report, Value) {
    let python = with_numpy();
    let mut service = Service::start(command(&python).args(["-c", SERVICE]));
    let pages = service.answer();
    let tracer = Tracer::of(service.pid());
    service.say(order);
    assert_eq!(service.answer()["done"], order);
    let report = tracer.stop();
    service.end();
    (report, pages)
}

/// One variable holds what was copied; the type that it is said to have.
#[track_caller]
fn expect(report: &Report, path: &str, expected: u64) -> String {
    let holders = report.0["holders"].as_array().expect("holders");
    let held = holders.iter().find(|holder| holder["path"] == path);
    let held = held.unwrap_or_else(|| panic!("no {path}: {holders:#?}"));
    let told = number(held, "copied_pages");
    assert!(
        expected > 500 && told.abs_diff(expected) as f64 <= TOLERANCE * expected as f64,
        "{path} has {told} of {expected}: {holders:#?}"
    );
    held["type"].as_str().expect("a type").to_owned()
}

#[test]
fn objects_in_an_array_are_copied_like_any_others_and_it_is_said_so() {
    if !can_trace("object-array") {
        return;
    }
    let (report, pages) = traced("array");
    let type_name = expect(&report, "__main__.array", number(&pages, "array"));
    assert_eq!(type_name, "numpy.ndarray[object]");
    let advice = report.0["advice"].as_array().expect("advice");
    let of_numbers = advice.iter().find(|it| {
        let what = it["what"].as_str().expect("words");
        what.contains("arrays of numbers")
    });
    assert!(of_numbers.is_some(), "{advice:#?}");
}

#[test]
fn a_column_is_called_by_its_name() {
    if !can_trace("columns") {
        return;
    }
    for (order, path, type_name) in [
        ("name", "__main__.frame['name']", "column[object]"),
        ("series", "__main__.series", "numpy.ndarray[object]"),
        ("rows", "__main__.rows[['row', 'place']]", "columns[object]"),
    ] {
        let (report, pages) = traced(order);
        let told = expect(&report, path, number(&pages, order));
        assert_eq!(told, type_name);
    }
}
