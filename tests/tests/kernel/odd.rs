//! Processes that are none of the usual ones are counted to the page, too, and are called what they are.

use std::collections::{BTreeMap, BTreeSet};

use cowtrace_tests::{
    recorded::{Folder, reported_in_full},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::{Workload, Writer, writers},
};

use super::adverse::HARMLESS;

/// Copies before two processes of a memory were known to be two.
const UNWATCHED: &str = "races_unwatched";

/// A traced case: its report, the words of its text, and who wrote. Their counts are right.
fn observed(case: &str) -> Option<(Report, String, Vec<Writer>)> {
    if !can_trace(case) {
        return None;
    }
    let folder = Folder::new(case);
    let recording = folder.path("run.cow");
    let mut workload = Workload::prepare(case);
    let tracer = Tracer::by(None, workload.pid(), &["-o", &recording]);
    let written = writers(&workload.run());
    let report = tracer.stop();
    let counts = report.counts_in(workload.start, workload.end);
    workload.end();
    for writer in &written {
        let counted = counts.get(&writer.pid).copied().unwrap_or_default();
        assert_eq!(counted.copied, writer.changed, "{writer:?}");
    }
    let mut losses = report.losses();
    losses.retain(|cause, _| cause != UNWATCHED && !HARMLESS.contains(&cause.as_str()));
    assert_eq!(losses, BTreeMap::new());
    let text = reported_in_full(&recording);
    let words: Vec<&str> = text.split_whitespace().collect();
    Some((report, words.join(" "), written))
}

#[test]
fn workers_that_nobody_waits_for_have_ended_all_the_same() {
    let Some((report, words, written)) = observed("unreaped") else {
        return;
    };
    let ended = report.processes().iter().filter(|it| {
        let pid = u32::try_from(number(it, "pid")).expect("a pid");
        it["exited_ns"].is_u64() && written.iter().any(|writer| writer.pid == pid)
    });
    assert_eq!(ended.count(), written.len());
    assert!(words.contains("300 workers"), "{words}");
}

#[test]
fn what_processes_of_one_memory_copy_is_that_memorys() {
    let Some((report, words, written)) = observed("shares-its-memory") else {
        return;
    };
    // Those who only share it are no workers, and inherited nothing.
    let inheritors = report
        .processes()
        .iter()
        .filter(|it| it["inherited_pages"].is_u64());
    let pids: BTreeSet<u64> = inheritors.map(|it| number(it, "pid")).collect();
    assert_eq!(pids, BTreeSet::from([u64::from(written[0].pid)]), "{words}");
}

#[test]
fn workers_that_run_program_after_program_are_as_many_as_they_are() {
    let Some((report, words, written)) = observed("exec-storm") else {
        return;
    };
    println!("{words}");
    for writer in written {
        let images = report.images(writer.pid);
        assert!(
            images.len() > 100,
            "{} programs of {writer:?}",
            images.len()
        );
        let inherited = images.iter().filter(|it| it["inherited_pages"].is_u64());
        assert_eq!(inherited.count(), 1, "only what was forked inherited");
    }
    assert!(words.contains("4 started anew (4 sh"), "{words}");
}
