//! Every case of writing inherited memory, counted to the page against the kernel's page tables.
//!
//! Each case has memory of its own and ranges of one page, so that nothing a fork itself copies
//! is among the counts: no tolerance is needed.

use cowtrace_tests::{
    report::{Counts, Report, number},
    tracer::{Tracer, can_trace},
    workload::{Workload, Writer},
};

/// Runs a case under cowtrace: what the kernel did, and what was counted.
fn observe(case: &str) -> (Vec<(Writer, Counts)>, Report) {
    let mut workload = Workload::prepare(case);
    let tracer = Tracer::of(workload.pid());
    let writers = workload.writers();
    let report = tracer.stop();
    let counts = report.counts_in(workload.start, workload.end);
    workload.end();
    let counted = writers
        .into_iter()
        .map(|writer| (writer, counts.get(&writer.pid).copied().unwrap_or_default()));
    (counted.collect(), report)
}

/// Asserts that each writer of a case copied and re-used exactly so many pages, in its order.
#[track_caller]
fn expect(case: &str, expected: &[(u64, u64)]) -> Option<Report> {
    if !can_trace(case) {
        return None;
    }
    let (writers, report) = observe(case);
    assert_eq!(report.losses(), std::collections::BTreeMap::new(), "{case}");
    let counted: Vec<_> = writers
        .iter()
        .map(|(_, counts)| (counts.copied, counts.reused))
        .collect();
    assert_eq!(counted, expected, "{case}: (copied, reused) by writer");
    for (writer, counts) in writers {
        assert_eq!(
            counts.copied, writer.changed,
            "{case}: {writer:?} against pagemap"
        );
    }
    Some(report)
}

#[test]
fn a_child_that_writes_copies_every_page() {
    let Some(report) = expect("child-writes", &[(1000, 0)]) else {
        return;
    };
    let copied = number(&report.0["totals"], "copied_pages");
    assert_eq!(
        report.by_source("anon"),
        copied,
        "all of it is anonymous memory"
    );
}

#[test]
fn a_parent_that_writes_after_its_child_has_gone_copies_nothing() {
    expect("parent-after-exit", &[(0, 1000)]);
}

#[test]
fn whoever_writes_first_copies_and_the_other_reuses() {
    expect("parent-first", &[(1000, 0), (0, 1000)]);
}

#[test]
fn three_children_copy_each_page_three_times() {
    expect("three-children", &[(1000, 0); 3]);
}

#[test]
fn filling_the_zero_page_is_no_copy_of_inherited_memory() {
    let Some(report) = expect("zero-page", &[(1000, 0)]) else {
        return;
    };
    assert_eq!(report.by_source("zero"), 1000);
    assert_eq!(report.by_source("anon") + report.by_source("unknown"), 0);
}

#[test]
fn shared_memory_is_never_copied() {
    expect("shared", &[(0, 0)]);
}

#[test]
fn a_private_file_that_was_only_read_is_copied_from_the_file() {
    let Some(report) = expect("file", &[(1000, 0)]) else {
        return;
    };
    assert_eq!(report.by_source("file"), 1000);
    assert_eq!(report.by_source("anon"), 0);
}

#[test]
fn a_private_file_that_the_parent_wrote_is_inherited_memory() {
    let Some(report) = expect("file-parent-wrote", &[(1000, 0)]) else {
        return;
    };
    assert!(report.by_source("anon") >= 1000);
}

#[test]
fn huge_pages_are_copied_in_small_ones() {
    expect("huge", &[(2048, 0)]);
}

#[test]
fn the_kernels_own_writes_are_counted_too() {
    expect("read-into", &[(1000, 0)]);
}

#[test]
fn changing_protection_copies_nothing() {
    if can_trace("protect") {
        let (writers, _) = observe("protect");
        assert_eq!(writers[0].1.copied, 0);
        assert_eq!(writers[0].0.changed, 0);
    }
}

#[test]
fn two_threads_that_race_for_a_page_copy_it_once() {
    if !can_trace("race") {
        return;
    }
    let (writers, report) = observe("race");
    let (writer, counts) = writers[0];
    // The threads' own first steps, some time before they race.
    let losses = report.losses();
    assert!(
        losses.keys().all(|cause| cause == "races_unwatched"),
        "{losses:?}"
    );
    assert_eq!(writer.changed, 5000);
    assert_eq!(counts.copied, 5000, "losers give their copy back");
}

#[test]
fn a_race_from_a_threads_first_moment_is_told_as_a_loss() {
    if !can_trace("race-at-once") {
        return;
    }
    let mut workload = Workload::prepare("race-at-once");
    let tracer = Tracer::of(workload.pid());
    let writer = workload.writers()[0];
    let report = tracer.stop();
    let counts = report.counts_in(workload.start, workload.end)[&writer.pid];
    workload.end();
    let uncertain = report.losses().get("races_unwatched").copied().unwrap_or(0);
    assert!(counts.copied >= writer.changed, "{counts:?} {writer:?}");
    assert!(
        counts.copied - writer.changed <= uncertain,
        "{counts:?}, {uncertain} uncertain"
    );
}

#[test]
fn page_cache_allocations_after_a_reuse_are_no_copies() {
    expect("calls-after-reuse", &[(0, 1000)]);
}

#[test]
fn page_cache_allocations_after_the_kernels_own_reuse_are_no_copies() {
    expect("kernel-reuse-then-calls", &[(0, 1000)]);
}

#[test]
fn writes_made_for_another_process_are_not_seen_by_this_backend() {
    if !can_trace("written-for-it") {
        return;
    }
    // A limit of the tracepoint backend, told in the README: such writes fault nowhere. This test
    // fails on the day that changes, so that the README changes too.
    let (writers, report) = observe("written-for-it");
    assert_eq!(report.0["run"]["backend"], "tracepoint");
    assert_eq!(writers[0].1.copied, 0);
}

#[test]
fn a_fork_by_itself_costs_a_handful_of_pages() {
    if !can_trace("nothing") {
        return;
    }
    let (_, report) = observe("nothing");
    let copied = number(&report.0["totals"], "copied_pages");
    // Stack, libc's data and the like of parent and child; 8 to 11 on several kernels.
    assert!((1..=40).contains(&copied), "{copied}");
}
