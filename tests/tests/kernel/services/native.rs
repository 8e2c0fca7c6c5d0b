//! Services without Python, which are told by functions: Redis, whose master copies while it saves,
//! and puma, whose workers do.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::symlink, net::UnixStream},
    path::Path,
    process::Command,
};

use cowtrace_tests::{
    pagemap::{Frames, changed, frames, settled},
    report::{Report, number},
    tracer::{Tracer, can_trace},
};
use serde_json::Value;

use super::{
    http::{SOCKET, load, wait_for_workers},
    server::{Folder, Server, installed},
};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/services");

/// What is counted may differ from pagemap by this share: memory that is given back and comes again
/// is in other frames without having been copied, one page of 8,655 in twenty runs.
const TOLERANCE: f64 = 0.005;

fn function(writer: &Value) -> &str {
    writer["function"].as_str().unwrap_or_default()
}

/// What a report counts of one process, against the frames it had before and after.
#[track_caller]
fn expect_as_pagemap(report: &Report, pid: u32, before: &BTreeMap<u64, Frames>) {
    let truth = changed(before, &frames(pid));
    let counted = number(report.images(pid)[0], "copied_pages");
    assert!(
        counted.abs_diff(truth) as f64 <= TOLERANCE * truth as f64,
        "{counted} pages of {pid} counted, {truth} by pagemap"
    );
    println!("{counted} pages of {pid} counted, {truth} by pagemap");
}

/// Debian's Redis: the program is reached by a link to a file that is called after another of its
/// tools.
fn redis() -> Server {
    let folder = Folder::new("redis");
    let program = folder.path("redis-server");
    symlink(installed("redis-check-rdb"), &program).expect("a link can be made");
    let mut command = Command::new(program);
    command
        .args(["--port", "0", "--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(folder.path(""))
        .arg("--unixsocket")
        .arg(folder.path(SOCKET));
    Server::start(&mut command, folder)
}

/// Gives Redis commands, many at a time, and checks each answer.
fn say(socket: &Path, commands: impl IntoIterator<Item = String>, answer: &str) {
    let mut stream = UnixStream::connect(socket).expect("Redis listens");
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let commands: Vec<String> = commands.into_iter().collect();
    for some in commands.chunks(500) {
        stream
            .write_all((some.join("\r\n") + "\r\n").as_bytes())
            .expect("Redis takes commands");
        for command in some {
            let given = answers.next().expect("an answer").expect("text");
            assert!(given.starts_with(answer), "{command}: {given}");
        }
    }
}

#[test]
fn redis_that_saves_copies_in_its_master_what_clients_write() {
    if !can_trace("redis") {
        return;
    }
    let server = redis();
    let socket = server.path(SOCKET);
    server.wait("Redis listens", || UnixStream::connect(&socket).is_ok());
    let keys = 200_000;
    let set = |letter: &str| {
        let value = letter.repeat(100);
        move |key: u32| format!("SET key:{key:06} {value}")
    };
    say(&socket, (0..keys).map(set("v")), "+OK");
    // Until the end of the test it saves.
    say(
        &socket,
        ["CONFIG SET rdb-key-save-delay 1000".to_owned()],
        "+OK",
    );
    // Nothing is shared, and copied, before the fork.
    let before = frames(server.pid());
    let tracer = Tracer::start(&["--pid", &server.pid().to_string()]);
    say(&socket, ["BGSAVE".to_owned()], "+Background saving started");
    server.wait("a child that saves", || server.workers().len() == 1);
    say(&socket, (0..keys).step_by(4).map(set("w")), "+OK");
    let report = tracer.stop();
    expect_as_pagemap(&report, server.pid(), &before);

    let all = report.written(|_| true);
    let by_master = number(report.images(server.pid())[0], "copied_pages");
    assert!(
        all > 5_000 && by_master as f64 > 0.95 * all as f64,
        "{by_master} of {all} by the master"
    );
    // What a client writes is stored, and copied into place by the C library.
    let by_redis = report.written(|writer| {
        let module = writer["module"].as_str().unwrap_or_default();
        writer["kind"] == "other"
            && (module == "redis-server" && !function(writer).contains("+0x")
                || module.starts_with("libc"))
    });
    let by_another = report.written(|writer| writer["module"] == "redis-check-rdb");
    assert!(
        by_redis as f64 > 0.95 * all as f64 && by_another == 0,
        "{by_redis} of {all} by Redis; {}",
        report.top_writers()
    );
    // Its own state, which the C compiler puts among the zeros.
    let state = report.0["regions"].as_array().expect("regions").iter();
    let state = state.filter(|region| region["name"] == "[bss of redis-check-rdb]");
    let state: u64 = state.map(|region| number(region, "copied_pages")).sum();
    assert!(state > 0, "{}", report.0["regions"]);
    let stores = report.written(|writer| function(writer).contains("dbOverwrite"));
    assert!(stores > 500, "{}", report.top_writers());
}

/// Has workers of puma answer a path until both have done so.
fn traced_puma(path: &str) -> Report {
    let folder = Folder::new("puma");
    let mut command = Command::new(installed("puma"));
    command
        .arg("-C")
        .arg(format!("{SCRIPTS}/puma_service.rb"))
        .env("SOCKET", folder.path(SOCKET));
    let server = Server::start(&mut command, folder);
    wait_for_workers(&server, 2, "/");
    let workers = server.workers();
    for worker in &workers {
        let _ = settled(*worker);
    }
    let tracer = Tracer::start(&["--pid", &server.pid().to_string()]);
    let before: Vec<_> = workers.into_iter().map(|pid| (pid, frames(pid))).collect();
    load(&server, 2, 1, &[path.to_owned()]);
    let report = tracer.stop();
    for (worker, before) in &before {
        expect_as_pagemap(&report, *worker, before);
    }
    report
}

#[test]
fn collecting_garbage_in_ruby_is_told_by_the_collectors_functions() {
    if !can_trace("ruby-collect") {
        return;
    }
    let report = traced_puma("/collect");
    let all = report.written(|_| true);
    // Debian's library is stripped: a function without a name goes by the one exported near it.
    let by_collector = report.written(|writer| {
        let module = writer["module"].as_str().unwrap_or_default();
        module.contains("ruby") && function(writer).contains("gc_")
    });
    assert!(
        all > 4_000 && by_collector as f64 > 0.9 * all as f64,
        "{by_collector} of {all} by the collector; {}",
        report.top_writers()
    );
}

#[test]
fn changing_strings_in_ruby_is_told_by_the_functions_that_do() {
    if !can_trace("ruby-change") {
        return;
    }
    let report = traced_puma("/change");
    let all = report.written(|_| true);
    let by_strings = report.written(|writer| {
        function(writer).starts_with("rb_str") || function(writer).contains("mem")
    });
    assert!(
        all > 4_000 && by_strings as f64 > 0.5 * all as f64,
        "{by_strings} of {all} by strings; {}",
        report.top_writers()
    );
}
