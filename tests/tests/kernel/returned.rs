//! What a worker copied and gave back again is counted as copied, and is not held; nor does it share what it gave back
//! without having copied it.

use std::process::Command;

use cowtrace_tests::{
    pagemap::anonymous_frames,
    python,
    report::number,
    tracer::{Tracer, can_trace},
    workload::Service,
};

/// A worker copies pages, gives back some of them, and some that it only inherited.
const SERVICE: &str = "
import json, mmap, os, sys
inherited, copied, unheld, unshared = (int(word) for word in sys.argv[1:])
memory = mmap.mmap(-1, inherited << 12, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
memory[:] = bytes([1]) * len(memory)
go, finished, end = os.pipe(), os.pipe(), os.pipe()
worker = os.fork()
if worker == 0:
    os.close(end[1])
    os.read(go[0], 1)
    for page in range(copied):
        memory[page << 12] = 2
    memory.madvise(mmap.MADV_DONTNEED, 0, unheld << 12)
    memory.madvise(mmap.MADV_DONTNEED, copied << 12, unshared << 12)
    os.write(finished[1], b'x')
    os.read(end[0], 1)
    os._exit(0)
print(json.dumps({'worker': worker}), flush=True)
sys.stdin.readline()
os.write(go[1], b'x')
os.read(finished[0], 1)
print(json.dumps({'done': True}), flush=True)
sys.stdin.readline()
";
const INHERITED: u64 = 20_000;
const COPIED: u64 = 8_000;
/// Of these, given back.
const UNHELD: u64 = 6_000;
/// Of the others.
const UNSHARED: u64 = 3_000;
const PAGE: u64 = 4096;
/// The interpreter's own pages that the worker copies, some 20, and had copied before the trace, some 230.
const OF_PYTHON: u64 = 500;

#[track_caller]
fn expect_about(said: u64, least: u64, what: &str) {
    println!("{what}: {said}, {least} at least");
    assert!(
        (least..=least + OF_PYTHON).contains(&said),
        "{what}: {said}"
    );
}

/// Pages that the worker and its master have in the same frame.
fn shared(master: u32, worker: u32) -> u64 {
    let (master, worker) = (anonymous_frames(master), anonymous_frames(worker));
    let is_shared = |(address, frame): &(&u64, &u64)| master.get(*address) == Some(*frame);
    worker.iter().filter(is_shared).count() as u64
}

#[test]
fn what_was_copied_and_given_back_is_not_held() {
    if !can_trace("given back") {
        return;
    }
    let plan = [INHERITED, COPIED, UNHELD, UNSHARED].map(|number| number.to_string());
    let mut service = Service::start(Command::new(python()).args(["-c", SERVICE]).args(plan));
    let worker = u32::try_from(number(&service.answer(), "worker")).expect("a pid");
    let tracer = Tracer::start(&["--pid", &service.pid().to_string()]);
    service.say("go");
    service.answer();
    let report = tracer.stop();
    let truth = shared(service.pid(), worker);
    service.say("end");
    service.end();
    let verdict = &report.0["verdict"];
    println!("{}", verdict["headline"]);
    let totals = &report.0["totals"];
    expect_about(number(totals, "copied_pages"), COPIED, "copied");
    let held = number(verdict, "held_bytes") / PAGE;
    expect_about(held, COPIED - UNHELD, "held");
    let balance = &report.0["balance"][0];
    assert_eq!(balance["is"], "exact", "{balance}");
    let told = number(balance, "shared_pages");
    println!("shared: {told}, by frames {truth}");
    assert!(told.abs_diff(truth) <= OF_PYTHON, "{told}, {truth}");
    assert!(truth >= INHERITED - COPIED - UNSHARED, "{truth}");
}
