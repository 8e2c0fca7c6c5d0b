//! Workers that are no children of the process whose memory they have: those of a mold, which are forked twice and
//! belong to its monitor. The truth is in the page frames of the processes.

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    process::{self, Command},
};

use cowtrace_tests::{
    pagemap::{anonymous_frames, changed, frames, settled},
    pythons::{Interpreter, walkable},
    report::{Report, number},
    tracer::{Tracer, can_trace, program},
    workload::Service,
};

const SCRIPT: &str = include_str!("molds.py");
/// Pages of the mold's data: 300,000 objects of 40 and of 64 to 72 bytes.
const DATA_PAGES: u64 = 7_500;

/// The service, started.
struct Molds {
    folder: PathBuf,
    service: Service,
    mold: u32,
    workers: Vec<u32>,
}

impl Molds {
    fn start(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("cowtrace-molds-{}-{name}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let script = folder.join("molds.py");
        fs::write(&script, SCRIPT).expect("the script");
        let mut service = Service::start(python().command().arg(script));
        let mold = pid_in(&service.answer(), "mold");
        Self {
            folder,
            service,
            mold,
            workers: Vec::new(),
        }
    }

    fn say(&mut self, command: &str) -> serde_json::Value {
        self.service.say(command);
        self.service.answer()
    }

    fn fork(&mut self) {
        let worker = pid_in(&self.say("fork"), "worker");
        self.workers.push(worker);
    }

    /// Has the oldest worker become the mold.
    fn promote(&mut self) {
        self.mold = pid_in(&self.say("promote"), "mold");
        assert_eq!(self.workers.remove(0), self.mold);
    }

    fn end(self) {
        self.service.end();
        let _ = fs::remove_dir_all(self.folder);
    }
}

fn python() -> Interpreter {
    let found = walkable();
    let mut plain = found.into_iter().filter(|python| !python.is_free);
    plain.next_back().expect("a Python")
}

fn pid_in(answer: &serde_json::Value, key: &str) -> u32 {
    u32::try_from(number(answer, key)).expect("a pid")
}

/// Pages of memory that can be written that two processes have in the same frames.
fn shared(one: u32, other: u32) -> u64 {
    let (mappings, other) = (frames(one), anonymous_frames(other));
    let is_shared = |(address, frame): &(u64, u64)| {
        let mapping = mappings.range(..=address).next_back();
        let is_writable = mapping.is_some_and(|(_, mapping)| *address < mapping.end());
        is_writable && other.get(address) == Some(frame)
    };
    anonymous_frames(one).into_iter().filter(is_shared).count() as u64
}

/// Of which process a worker has its memory, by the report.
fn donor_of(report: &Report, worker: u32) -> u64 {
    let worker = report.images(worker)[0];
    number(report.process(number(worker, "parent_id")), "pid")
}

/// Pages that were copied in regions of a process.
fn copied_of(report: &Report, owner: u32) -> u64 {
    let regions = report.0["regions"].as_array().expect("regions");
    let is_its = |region: &&serde_json::Value| {
        number(report.process(number(region, "process_id")), "pid") == u64::from(owner)
    };
    let its = regions.iter().filter(is_its);
    its.map(|region| number(region, "copied_pages")).sum()
}

/// Has the workers read all data in a trace; their copies are those by frames.
fn work(molds: &mut Molds, target: u32) -> Report {
    let before: BTreeMap<u32, _> = molds
        .workers
        .iter()
        .map(|&pid| (pid, settled(pid)))
        .collect();
    let tracer = Tracer::of(target);
    molds.say("work");
    let truth: BTreeMap<u32, u64> = before
        .iter()
        .map(|(&pid, before)| (pid, changed(before, &settled(pid))))
        .collect();
    let report = tracer.stop();
    for (&worker, &truth) in &truth {
        // Where others that shared a page have written or ended, it is not copied.
        assert!(truth > DATA_PAGES / 3, "{truth}");
        let copied = number(report.images(worker)[0], "copied_pages");
        // First writes to private files are no copies of anonymous pages; a page or two of the stack are new.
        assert!(
            copied.abs_diff(truth) <= 8,
            "{copied} copied, {truth} by frames"
        );
    }
    report
}

#[test]
fn workers_of_a_mold_have_its_memory_whoever_their_parent_is() {
    if !can_trace("molds") {
        return;
    }
    let mut molds = Molds::start("adopted");
    (0..3).for_each(|_| molds.fork());
    let (monitor, mold) = (molds.service.pid(), molds.mold);
    for &worker in &molds.workers {
        let stat = fs::read_to_string(format!("/proc/{worker}/stat")).expect("it lives");
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        assert_eq!(parent, Some(monitor.to_string().as_str()));
        assert!(shared(worker, mold) > shared(worker, monitor) + DATA_PAGES);
    }
    let shared_before: Vec<u64> = molds.workers.iter().map(|&it| shared(it, mold)).collect();
    let report = work(&mut molds, monitor);
    let of_mold = copied_of(&report, mold);
    let copied: u64 = molds
        .workers
        .iter()
        .map(|&it| number(report.images(it)[0], "copied_pages"))
        .sum();
    assert!(
        of_mold * 100 > copied * 98,
        "{of_mold} of {copied} in the mold's memory"
    );
    for (&worker, before) in molds.workers.iter().zip(shared_before) {
        assert_eq!(donor_of(&report, worker), u64::from(mold));
        let inherited = number(report.images(worker)[0], "inherited_pages");
        assert!(inherited > before, "{inherited}, {before}");
        let id = number(report.images(worker)[0], "id");
        let balance = report.0["balance"].as_array().expect("balances");
        let balance = balance
            .iter()
            .find(|it| it["process_id"] == id)
            .expect("its balance");
        // What it still shares, by the frames now.
        let truth = shared(worker, mold);
        assert!(
            number(balance, "shared_pages").abs_diff(truth) <= 8,
            "{balance}, {truth}"
        );
    }
    let holders = report.0["holders"].as_array().expect("holders");
    assert_eq!(holders[0]["path"], "serve() local records", "{holders:#?}");
    molds.end();
}

#[test]
fn whoever_traces_a_mold_traces_its_workers_too() {
    if !can_trace("molds-mold") {
        return;
    }
    let mut molds = Molds::start("mold");
    (0..2).for_each(|_| molds.fork());
    let mold = molds.mold;
    // A worker's siblings have the same memory, but are none of its descendants.
    let worker = molds.workers[0];
    let report = Tracer::of(worker).stop();
    assert_eq!(report.processes().len(), 1);
    let mut command = Command::new(program("cowtrace"));
    let worker = worker.to_string();
    let output = command
        .args(["--no-keep", "-d", "1ms", "--pid", &worker])
        .output();
    let said = output.expect("cowtrace runs").stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains(&format!("trace --pid {mold}")), "{said}");
    let report = work(&mut molds, mold);
    assert_eq!(report.processes().len(), 3, "not the monitor");
    for &worker in &molds.workers {
        assert_eq!(donor_of(&report, worker), u64::from(mold));
    }
    molds.end();
}

#[test]
fn a_worker_that_became_a_mold_is_the_donor_of_those_it_forked() {
    if !can_trace("molds-promoted") {
        return;
    }
    for retires in [false, true] {
        let mut molds = Molds::start(&format!("promoted-{retires}"));
        (0..2).for_each(|_| molds.fork());
        let (old, of_old) = (molds.mold, molds.workers[1]);
        molds.promote();
        (0..2).for_each(|_| molds.fork());
        if retires {
            molds.say("retire");
        }
        let (monitor, new) = (molds.service.pid(), molds.mold);
        for &worker in &molds.workers[1..] {
            assert!(shared(worker, new) > shared(worker, of_old) + DATA_PAGES / 6);
        }
        let report = work(&mut molds, monitor);
        for &worker in &molds.workers[1..] {
            assert_eq!(donor_of(&report, worker), u64::from(new), "{retires}");
        }
        if !retires {
            assert_eq!(donor_of(&report, of_old), u64::from(old));
        }
        molds.end();
    }
}

#[test]
fn a_process_that_only_forks_a_worker_hands_its_place_to_its_parent() {
    if !can_trace("molds-forked") {
        return;
    }
    let mut molds = Molds::start("forked");
    let (monitor, mold) = (molds.service.pid(), molds.mold);
    let tracer = Tracer::of(monitor);
    (0..3).for_each(|_| molds.fork());
    molds.say("work");
    for &worker in &molds.workers {
        let _ = settled(worker);
    }
    let report = tracer.stop();
    let mut copied = 0;
    for &worker in &molds.workers {
        assert_eq!(donor_of(&report, worker), u64::from(mold));
        copied += number(report.images(worker)[0], "copied_pages");
    }
    let of_mold = copied_of(&report, mold);
    assert!(
        of_mold * 100 > copied * 96,
        "{of_mold} of {copied} in the mold's memory"
    );
    // Not those three that forked them, too.
    let regions = report.0["regions"].as_array().expect("regions");
    let largest = regions.iter().max_by_key(|it| number(it, "copied_pages"));
    let largest = largest.expect("a region");
    assert_eq!(number(largest, "inheritors"), 3, "{largest}");
    let workers = number(&report.0["verdict"]["how_far"], "workers");
    assert_eq!(workers, 4, "the mold is a worker of the monitor");
    molds.end();
}
