//! A master that forks a process for each job, one after the other: what they copied is a sum of what never existed
//! together, and is not called held.

use std::process::Command;

use cowtrace_tests::{
    python,
    report::number,
    tracer::{Tracer, can_trace},
    workload::Service,
};

/// Each job writes pages of the master's, and has ended before the next one begins.
const SERVICE: &str = "
import json, mmap, os, sys, time
jobs, pages = int(sys.argv[1]), int(sys.argv[2])
memory = mmap.mmap(-1, 2 * pages << 12, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
if hasattr(mmap, 'MADV_NOHUGEPAGE'):
    memory.madvise(mmap.MADV_NOHUGEPAGE)
memory[:] = bytes([1]) * len(memory)
print(json.dumps({'ready': True}), flush=True)
sys.stdin.readline()
for _ in range(jobs):
    job = os.fork()
    if job == 0:
        for page in range(pages):
            memory[page << 12] = 2
        os._exit(0)
    os.waitpid(job, 0)
    time.sleep(0.02)
print(json.dumps({'done': True}), flush=True)
sys.stdin.readline()
";
const JOBS: u64 = 100;
/// 5 MiB.
const PAGES: u64 = 1_280;
const PAGE: u64 = 4096;
/// The interpreter's own pages that a job copies: some 60.
const OF_PYTHON: u64 = 300;

#[test]
fn what_jobs_copy_one_after_the_other_is_work_and_no_memory() {
    if !can_trace("churn") {
        return;
    }
    let mut command = Command::new(python());
    command.args(["-c", SERVICE, &JOBS.to_string(), &PAGES.to_string()]);
    let mut service = Service::start(&mut command);
    service.answer();
    let tracer = Tracer::start(&["--pid", &service.pid().to_string()]);
    service.say("go");
    service.answer();
    let report = tracer.stop();
    service.say("end");
    service.end();
    let verdict = &report.0["verdict"];
    let headline = verdict["headline"].as_str().expect("words");
    println!("{headline}");
    let copied = number(&report.0["totals"], "copied_pages");
    assert!(
        (JOBS * PAGES..=JOBS * (PAGES + OF_PYTHON)).contains(&copied),
        "{copied}"
    );
    let work = "COPY-ON-WRITE WORK, LITTLE MEMORY: ";
    let by = format!("copied by {JOBS} workers");
    assert!(
        headline.starts_with(work) && headline.contains(&by),
        "{headline}"
    );
    // Of one job at a time; on a busy machine its end may be seen after the next one began: 1,732 pages once.
    let peak = number(verdict, "peak_held_bytes") / PAGE;
    assert!(peak <= 2 * (PAGES + OF_PYTHON), "{peak}");
}

/// Jobs that read objects of the master's, and have ended before anybody can read their memory.
const READERS: &str = "
import os, time
rows = [{'place': place} for place in range(50_000)]
for _ in range(60):
    job = os.fork()
    if job == 0:
        for row in rows:
            row['place']
        os._exit(0)
    os.waitpid(job, 0)
    time.sleep(0.02)
";

/// Whether a write hit an object is known from its type, which the master has too.
#[test]
fn what_jobs_that_have_ended_wrote_is_known_by_the_masters_types() {
    if !can_trace("churn of readers") {
        return;
    }
    let mut cowtrace = Command::new(cowtrace_tests::tracer::program("cowtrace"));
    cowtrace.args(["--no-keep", "-f", "json", "--"]);
    cowtrace.arg(python()).args(["-c", READERS]);
    let output = cowtrace.output().expect("cowtrace runs");
    let report = cowtrace_tests::report::Report::parse(&String::from_utf8_lossy(&output.stdout));
    let of_dicts = report.written(|it| it["kind"] == "refcount" && it["type"] == "dict");
    let untyped = report.written(|it| it["kind"] == "other" && it["store"] == "increment");
    println!("{of_dicts} pages by counts of dicts, {untyped} by counters of unknown use");
    // 784 of each job were measured, and 20 by counters of the interpreter's own.
    assert!(of_dicts > 60 * 700, "{}", report.top_writers());
    assert!(untyped * 20 < of_dicts, "{}", report.top_writers());
}
