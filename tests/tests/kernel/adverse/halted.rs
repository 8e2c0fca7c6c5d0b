//! Tracers that are stopped for a while, as by Ctrl-Z or a machine that has no time for them.

use cowtrace_tests::{
    report::number,
    tracer::{Tracer, can_trace},
    workload::{Workload, Writer},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::crowds::{PagesByPid, counted, planted, trace_storm};

/// What `act` gives while a tracer is stopped.
fn while_stopped<Given>(tracer: &Tracer, act: impl FnOnce() -> Given) -> Given {
    let pid = Pid::from_raw(tracer.pid().cast_signed());
    kill(pid, Signal::SIGSTOP).expect("it is there");
    let given = act();
    kill(pid, Signal::SIGCONT).expect("it is there");
    given
}

/// Without the order in which processes had an id.
fn sorted(mut pages: PagesByPid) -> PagesByPid {
    for pages in pages.values_mut() {
        pages.sort_unstable();
    }
    pages
}

#[test]
fn a_tracer_that_was_stopped_has_all_counts_and_says_what_it_lost() {
    if !can_trace("stopped tracer") {
        return;
    }
    let mut storm = Workload::prepare("storm 3000");
    // Everything is too small at once: the events of 3,000 processes, and the evidence of their copies.
    let small = ["--__ring-bytes", "4096", "--overhead", "full"];
    let tracer = trace_storm(&storm, &small);
    let planted = while_stopped(&tracer, || planted(&storm.run()));
    tracer.has_looked();
    let report = tracer.stop();
    assert!(
        sorted(counted(&report, &storm)) == sorted(planted),
        "by process id"
    );
    for cause in ["lifecycle_dropped", "writers_full"] {
        let lost = report.losses();
        assert!(lost.contains_key(cause), "{cause} in {lost:?}");
    }
    storm.end();
}

#[test]
fn a_trace_goes_on_after_its_tracer_was_stopped() {
    if !can_trace("continued tracer") {
        return;
    }
    let mut workload = Workload::prepare("waiting-workers");
    let tracer = Tracer::of(workload.pid());
    while_stopped(&tracer, || workload.run());
    let writers: Vec<Writer> = workload.writers();
    let report = tracer.stop();
    let counts = report.counts_in(workload.start, workload.end);
    let master = number(report.images(workload.pid())[0], "id");
    for writer in writers {
        assert_eq!(writer.changed, 1000);
        assert_eq!(counts[&writer.pid].copied, writer.changed, "{writer:?}");
        assert_eq!(report.images(writer.pid)[0]["parent_id"], master);
    }
    workload.end();
}
