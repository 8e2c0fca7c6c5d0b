//! The judge's verdicts on made-up observations.

use super::*;
use serde_json::json;

fn observation(backend: &str, copied: u64, changed: u64, losses: &[(&str, u64)]) -> Observation {
    let losses: serde_json::Map<_, _> = losses
        .iter()
        .map(|(cause, count)| ((*cause).to_owned(), json!(count)))
        .collect();
    let writer = Writer {
        pid: 7,
        written: 1000,
        changed,
    };
    Observation {
        writers: vec![(writer, Counts { copied, reused: 0 })],
        report: Report(json!({
            "run": { "backend": backend },
            "host": { "kernel": "6.1.0-13-amd64" },
            "totals": { "copied_pages": copied + 9, "by_source": { "anon": copied + 9 } },
            "loss": losses,
            "writers": [{ "module": "workload", "copied_pages": copied + 9 }],
        })),
        faults: Faults::default(),
    }
}

#[test]
fn what_was_expected_has_no_fault() {
    let case = Case::named("child-writes");
    let judged = case.judge(&observation("kprobe", 1000, 1000, &[]));
    assert_eq!(judged.faults, Vec::<String>::new());
    assert_eq!((&*judged.expected, &*judged.counted), ("1000", "1000"));
}

#[test]
fn a_copy_too_many_a_loss_and_a_lie_to_pagemap_are_faults() {
    let case = Case::named("child-writes");
    let faults = |seen: &Observation| case.judge(seen).faults.len();
    // Against the table, against pagemap, and about losses.
    assert_eq!(faults(&observation("kprobe", 1001, 1000, &[])), 3);
    assert_eq!(faults(&observation("kprobe", 1000, 999, &[])), 2);
    assert_eq!(
        faults(&observation("kprobe", 1000, 1000, &[("ranges_full", 1)])),
        2
    );
}

#[test]
fn what_instructions_did_is_known_where_registers_are_read_by_plain_loads() {
    let case = Case::named("child-writes");
    let mut seen = observation("kprobe", 1000, 1000, &[]);
    seen.report.0["host"]["kernel"] = json!("6.12.9-cloud-amd64");
    assert!(!case.judge(&seen).faults.is_empty());
    seen.report.0["writers"][0]["store"] = json!("same");
    assert_eq!(case.judge(&seen).faults, Vec::<String>::new());
    seen.report.0["host"]["kernel"] = json!("6.1.0-13-amd64");
    assert!(!case.judge(&seen).faults.is_empty(), "not told there");
}

#[test]
fn real_copies_instead_of_reuses_are_allowed_within_their_bound() {
    let case = Case::named("parent-after-exit");
    let faults = |copied: u64, changed: u64| {
        let mut seen = observation("kprobe", copied, changed, &[]);
        seen.writers[0].1.reused = 1000 - copied;
        case.judge(&seen).faults.len()
    };
    assert_eq!(faults(0, 0), 0);
    assert_eq!(faults(12, 12), 0);
    assert!(faults(12, 0) > 0, "not what the page frames show");
    assert!(faults(300, 300) > 0, "more than the kernel holds back");
}

#[test]
fn a_backends_known_limit_is_expected_of_it_alone() {
    let case = Case::named("written-for-it");
    assert!(
        case.judge(&observation("tracepoint", 0, 1000, &[]))
            .faults
            .is_empty()
    );
    assert!(
        !case
            .judge(&observation("kprobe", 0, 1000, &[]))
            .faults
            .is_empty()
    );
    assert_eq!(case.expectation("tracepoint"), "0");
    assert_eq!(case.expectation("kprobe"), "1000");
}

#[test]
fn copies_too_many_are_allowed_as_far_as_they_are_told() {
    let case = Case::named("race-at-once");
    let faults = |told: u64| {
        let losses = [("races_unwatched", told)];
        case.judge(&observation("tracepoint", 5004, 5000, &losses))
            .faults
            .len()
    };
    assert_eq!(faults(4), 0);
    assert!(faults(3) > 0);
}

#[test]
fn a_second_fault_for_each_page_is_a_fault_of_the_trace() {
    let faults = |name: &str, traced: u64, untraced: u64| {
        let mut seen = observation("kprobe", 1000, 1000, &[]);
        seen.faults = Faults { traced, untraced };
        Case::named(name).judge(&seen).faults.len()
    };
    assert_eq!(faults("child-writes", 1051, 1040), 0);
    assert!(faults("child-writes", 2040, 1040) > 0);
    let verdict = |traced| {
        let mut seen = observation("kprobe", 0, 0, &[]);
        seen.writers[0].1.reused = 1000;
        seen.faults.traced = traced;
        seen.faults.untraced = 1031;
        Case::named("parent-after-exit").judge(&seen).faults
    };
    assert!(verdict(1040).is_empty());
    assert!(verdict(2031)[0].contains("2031 page faults traced, 1031 untraced"));
}

#[test]
fn expectations_read_like_counts() {
    let expected = |name: &str| Case::named(name).expectation("kprobe");
    assert_eq!(
        expected("parent-first"),
        "parent 1000, child 0 (1000 reused)"
    );
    assert_eq!(expected("zero-page"), "1000 zero");
    assert_eq!(expected("nothing"), "1 to 40 in all");
}
