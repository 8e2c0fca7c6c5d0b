//! Every case of writing inherited memory, counted to the page against the kernel's page tables.
//!
//! Each case has memory of its own and ranges of one page, so the counts include nothing that a
//! fork itself copies: no tolerance is needed.

use cowtrace_tests::{
    cases::Case,
    report::{Report, number},
    tracer::usable_backends,
};

/// Runs a case with every backend that this kernel allows, and checks the counts against the table
/// of cases and pagemap. Returns the reports.
#[track_caller]
fn expect(name: &str) -> Vec<Report> {
    let case = Case::named(name);
    let observe = |backend| {
        let seen = case.observe(Some(backend));
        let judged = case.judge(&seen);
        assert_eq!(seen.backend(), backend);
        assert!(
            judged.faults.is_empty(),
            "{name} by {backend}: {judged:?} {:?}",
            seen.writers
        );
        seen.report
    };
    usable_backends(name).into_iter().map(observe).collect()
}

#[test]
fn a_child_that_writes_copies_every_page() {
    for report in expect("child-writes") {
        let copied = number(&report.0["totals"], "copied_pages");
        assert_eq!(
            report.by_source("anon"),
            copied,
            "all of it is anonymous memory"
        );
    }
}

#[test]
fn a_parent_that_writes_after_its_child_has_gone_copies_nothing() {
    expect("parent-after-exit");
}

#[test]
fn whoever_writes_first_copies_and_the_other_reuses() {
    expect("parent-first");
}

#[test]
fn three_children_copy_each_page_three_times() {
    expect("three-children");
}

#[test]
fn filling_the_zero_page_is_no_copy_of_inherited_memory() {
    for report in expect("zero-page") {
        assert_eq!(report.by_source("zero"), 1000);
        assert_eq!(report.by_source("anon") + report.by_source("unknown"), 0);
    }
}

#[test]
fn shared_memory_is_never_copied() {
    expect("shared");
}

#[test]
fn a_private_file_that_was_only_read_is_copied_from_the_file() {
    for report in expect("file") {
        assert_eq!(report.by_source("file"), 1000);
        assert_eq!(report.by_source("anon"), 0);
    }
}

#[test]
fn a_private_file_that_the_parent_wrote_is_inherited_memory() {
    for report in expect("file-parent-wrote") {
        assert!(report.by_source("anon") >= 1000);
    }
}

#[test]
fn huge_pages_are_copied_in_small_ones() {
    expect("huge");
}

#[test]
fn the_kernels_own_writes_are_counted_too() {
    expect("read-into");
}

#[test]
fn changing_protection_copies_nothing() {
    expect("protect");
}

#[test]
fn two_threads_that_race_for_a_page_copy_it_once() {
    expect("race");
}

#[test]
fn a_race_from_a_threads_first_moment_is_told_as_a_loss() {
    expect("race-at-once");
}

#[test]
fn page_cache_allocations_after_a_reuse_are_no_copies() {
    expect("calls-after-reuse");
}

#[test]
fn page_cache_allocations_after_the_kernels_own_reuse_are_no_copies() {
    expect("kernel-reuse-then-calls");
}

// The limits of the tracepoint backend are in the table and in docs/limits.md. If one of them
// disappears, the following tests fail, so that the page is updated too.

#[test]
fn writes_made_for_another_process_are_seen_as_far_as_the_backend_can() {
    expect("written-for-it");
    expect("written-by-ptrace");
    expect("written-by-stranger");
}

#[test]
fn first_writes_to_a_private_file_are_seen_as_far_as_the_backend_can() {
    expect("file-first");
}

#[test]
fn four_children_and_four_threads_at_once_lose_no_count() {
    expect("four-children");
    expect("four-threads");
}

#[test]
fn native_stacks_are_those_of_the_calls() {
    expect("frames");
}

#[test]
fn a_fork_by_itself_costs_a_handful_of_pages() {
    expect("nothing");
}

#[test]
fn new_memory_is_counted_to_the_page_and_is_no_copy() {
    for case in [
        "touch",
        "touch-read-into",
        "touch-read-first",
        "touch-populate",
        "touch-huge",
        "touch-heap",
        "touch-stack",
        "touch-shared",
        "touch-file",
    ] {
        expect(case);
    }
}
