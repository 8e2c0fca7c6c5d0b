//! The verdict on real services: Tornado under load, Redis while it saves, and Node's cluster, whose workers inherit
//! nothing.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    pagemap::anonymous_frames,
    report::{Report, number},
    tracer::{Tracer, can_trace},
};

use super::{
    http::{SOCKET, requests_at_a_pace},
    native::{KEYS, filled_redis, say, set},
    python::{WORKERS, parts, tornado, versions},
    server::{Folder, Server, installed},
};

const CLUSTER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/kernel/services/cluster_service.js"
);

/// Long enough for a verdict, and for what a service does in the time below.
const TRACED: &str = "25s";
const BUSY: Duration = Duration::from_secs(23);
/// Between the start of a trace and that of the requests.
const QUIET: Duration = Duration::from_secs(2);
/// For how long requests come then.
const LOADED: Duration = Duration::from_secs(21);
/// Between two requests: the copies of a service under load come all the time.
const PACE: Duration = Duration::from_millis(100);
/// A part of the growth that is to be called copied.
const MOST: f64 = 0.95;
/// Each term of a balance may differ from page frames by one in so many of the worker's pages. A page that is
/// freed and allocated again is in another frame without a copy.
const ONE_IN: u64 = 100;

/// Pages of two processes at the same addresses: in the same frame, and in different ones.
fn compared(one: u32, other: u32) -> (u64, u64) {
    let (one, other) = (anonymous_frames(one), anonymous_frames(other));
    let common = one
        .iter()
        .filter_map(|(address, frame)| Some((frame, other.get(address)?)));
    let shared = common.clone().filter(|(one, other)| one == other).count() as u64;
    (shared, common.count() as u64 - shared)
}

#[track_caller]
fn expect_close(said: u64, truth: u64, all: u64, what: &str) {
    println!("{what}: {said}, by frames {truth}, of {all}");
    let most = all / ONE_IN;
    assert!(said.abs_diff(truth) <= most, "{what}: {said}, {truth}");
}

/// The verdict is copy-on-write, and explains nearly all of the growth.
#[track_caller]
fn expect_copies(report: &Report) {
    let verdict = &report.0["verdict"];
    println!("{}", verdict["headline"]);
    assert_eq!(verdict["kind"], "copy-on-write", "{verdict}");
    let headline = verdict["headline"].as_str().expect("words");
    assert!(
        headline.starts_with("COPY-ON-WRITE, NOT A LEAK: "),
        "{headline}"
    );
    let held = number(verdict, "held_bytes") as f64;
    let growth = number(verdict, "growth_bytes") as f64;
    assert!(held >= MOST * growth, "{held} of {growth}");
}

/// Traces Tornado while it answers requests for some of its data.
fn under_load(server: &Server, paths: &[String]) -> Report {
    let tracer = Tracer::start(&["--pid", &server.pid().to_string(), "-d", TRACED]);
    // What was unshared before is read in the first moments; what is copied meanwhile is known by the sample.
    thread::sleep(QUIET);
    requests_at_a_pace(server, paths, Instant::now() + LOADED, PACE);
    tracer.wait()
}

#[test]
fn a_service_that_reads_its_data_is_called_copy_on_write_also_when_attached_late() {
    if !can_trace("tornado-verdict") {
        return;
    }
    let python = versions().into_iter().next().expect("an interpreter");
    let server = tornado(&python);
    let workers = server.workers();
    assert_eq!(workers.len(), WORKERS);
    let (first, second) = {
        let mut first = parts();
        let second = first.split_off(first.len() / 2);
        (first, second)
    };
    for paths in [first, second] {
        let before: Vec<u64> = workers
            .iter()
            .map(|worker| compared(server.pid(), *worker).1)
            .collect();
        let report = under_load(&server, &paths);
        expect_copies(&report);
        for (worker, before) in workers.iter().zip(before) {
            let image = report.images(*worker)[0];
            let balances = report.0["balance"].as_array().expect("balances");
            let balance = balances.iter().find(|it| it["process_id"] == image["id"]);
            let balance = balance.expect("a balance of each worker");
            assert_eq!(balance["is"], "exact", "{balance}");
            let (shared, unshared) = compared(server.pid(), *worker);
            let all = shared + unshared;
            let what = format!("shared by {worker}");
            expect_close(number(balance, "shared_pages"), shared, all, &what);
            let what = format!("unshared by {worker} before");
            expect_close(number(balance, "unshared_before_pages"), before, all, &what);
        }
    }
}

#[test]
fn redis_that_saves_is_called_copy_on_write() {
    if !can_trace("redis-verdict") {
        return;
    }
    let server = filled_redis();
    let socket = server.path(SOCKET);
    let tracer = Tracer::start(&["--pid", &server.pid().to_string(), "-d", TRACED]);
    say(&socket, ["BGSAVE".to_owned()], "+Background saving started");
    let begun = Instant::now();
    let mut some = (0..KEYS).collect::<Vec<_>>();
    while begun.elapsed() < BUSY && !some.is_empty() {
        let rest = some.split_off(some.len().min(1_000));
        say(&socket, some.into_iter().map(set("w")), "+OK");
        some = rest;
        thread::sleep(PACE);
    }
    expect_copies(&tracer.wait());
}

#[test]
fn nodes_workers_that_fill_memory_of_their_own_are_not_called_copy_on_write() {
    if !can_trace("node-verdict") {
        return;
    }
    let folder = Folder::new("node");
    let mut command = Command::new(installed("node"));
    command.arg(CLUSTER).arg(BUSY.as_secs().to_string());
    let server = Server::start(&mut command, folder);
    server.wait("two workers", || {
        server.said().matches("ready").count() == 2
    });
    let tracer = Tracer::start(&["--pid", &server.pid().to_string(), "-d", TRACED]);
    let report = tracer.wait();
    let verdict = &report.0["verdict"];
    println!("{}", verdict["headline"]);
    assert_eq!(verdict["kind"], "growing", "{verdict}");
    // Each worker is a program of its own.
    assert_eq!(number(verdict, "ceiling_bytes"), 0, "{verdict}");
    for worker in server.workers() {
        let image = report.images(worker)[0];
        assert!(image["inherited_pages"].is_null(), "{image}");
    }
}
