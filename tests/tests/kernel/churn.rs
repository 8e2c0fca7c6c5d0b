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
