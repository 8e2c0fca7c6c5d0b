//! Services without Python, which are reported by functions: Redis, whose master copies while it
//! saves, and puma, whose workers copy.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::symlink, net::UnixStream},
    path::Path,
    process::Command,
};

use cowtrace_tests::{
    pagemap::{Frames, changed, frames, settled},
    report::{Report, address, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

use super::{
    http::{SOCKET, load, wait_for_workers},
    server::{Folder, Server, installed},
};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/services");

/// Counts may differ from pagemap by this share: memory that is freed and allocated again is in
/// other frames without a copy, one page of 8,655 in twenty runs.
const TOLERANCE: f64 = 0.005;

fn function(writer: &Value) -> &str {
    writer["function"].as_str().unwrap_or_default()
}

/// A report's counts for one process, compared with its frames before and after.
#[track_caller]
fn expect_as_pagemap(report: &Report, pid: u32, before: &BTreeMap<u64, Frames>) {
    expect_near_pagemap(report, pid, before, TOLERANCE);
}

/// The same within a share of the pages.
#[track_caller]
pub fn expect_near_pagemap(
    report: &Report,
    pid: u32,
    before: &BTreeMap<u64, Frames>,
    tolerance: f64,
) {
    let truth = changed(before, &frames(pid));
    let counted = number(report.images(pid)[0], "copied_pages");
    assert!(
        counted.abs_diff(truth) as f64 <= tolerance * truth as f64,
        "{counted} pages of {pid} counted, {truth} by pagemap"
    );
    println!("{counted} pages of {pid} counted, {truth} by pagemap");
}

/// Pages copied in regions of a name.
fn copied_in(report: &Report, name: &str) -> u64 {
    let regions = report.0["regions"].as_array().expect("regions").iter();
    let named = regions.filter(|region| region["name"] == name);
    named.map(|region| number(region, "copied_pages")).sum()
}

/// Debian's Redis: the program is a link to a file that is named after another of its tools.
pub fn redis() -> Server {
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

/// Sends Redis many commands at a time, and checks each answer.
pub fn say(socket: &Path, commands: impl IntoIterator<Item = String>, answer: &str) {
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

/// Keys of [`filled_redis`].
pub const KEYS: u32 = 200_000;

/// A command that sets a key to 100 of the same letter.
pub fn set(letter: &str) -> impl Fn(u32) -> String + use<> {
    let value = letter.repeat(100);
    move |key| format!("SET key:{key:06} {value}")
}

/// Redis with many keys, which takes long to save them.
pub fn filled_redis() -> Server {
    let server = redis();
    let socket = server.path(SOCKET);
    server.wait("Redis listens", || UnixStream::connect(&socket).is_ok());
    say(&socket, (0..KEYS).map(set("v")), "+OK");
    // It keeps saving until the end of the test.
    say(
        &socket,
        ["CONFIG SET rdb-key-save-delay 1000".to_owned()],
        "+OK",
    );
    server
}

#[test]
fn redis_that_saves_copies_in_its_master_what_clients_write() {
    if !can_trace("redis") {
        return;
    }
    let server = filled_redis();
    let socket = server.path(SOCKET);
    // Before the fork nothing is shared, so nothing is copied.
    let before = frames(server.pid());
    let tracer = Tracer::start(&["--pid", &server.pid().to_string()]);
    say(&socket, ["BGSAVE".to_owned()], "+Background saving started");
    server.wait("a child that saves", || server.workers().len() == 1);
    say(&socket, (0..KEYS).step_by(4).map(set("w")), "+OK");
    let report = tracer.stop();
    expect_as_pagemap(&report, server.pid(), &before);

    let all = report.written(|_| true);
    let by_master = number(report.images(server.pid())[0], "copied_pages");
    assert!(
        all > 5_000 && by_master as f64 > 0.95 * all as f64,
        "{by_master} of {all} by the master"
    );
    // What a client writes is stored: the C library copies it into place.
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
    // Its own state, which the C compiler puts into the zeroed data.
    let state = copied_in(&report, "[bss of redis-server]");
    assert!(state > 0, "{}", report.0["regions"]);
    // Debian's Redis has its data in jemalloc.
    let in_jemalloc = copied_in(&report, "[jemalloc]");
    assert!(
        in_jemalloc as f64 > 0.9 * all as f64,
        "{in_jemalloc} of {all}: {}",
        report.0["regions"]
    );
    let stores = report.written(|writer| function(writer).contains("dbOverwrite"));
    assert!(stores > 500, "{}", report.top_writers());
}

/// Requests a path from puma until both workers have answered.
fn traced_puma(path: &str, is_tidy: bool) -> Report {
    let folder = Folder::new(&format!("puma{}{is_tidy}", path.replace('/', "-")));
    let mut command = Command::new(installed("puma"));
    command
        .arg("-C")
        .arg(format!("{SCRIPTS}/puma_service.rb"))
        .env("SOCKET", folder.path(SOCKET));
    if is_tidy {
        command.env("TIDY", "1");
    }
    traced_workers(&mut command, folder, path)
}

/// The same of a service of Perl, which has its ages as texts or as numbers.
fn traced_starman(numbers: &str) -> Report {
    let folder = Folder::new("starman");
    let mut command = Command::new(installed("starman"));
    command
        .args(["--workers", "2", "--preload-app", "--listen"])
        .arg(folder.path(SOCKET))
        .arg(format!("{SCRIPTS}/starman_service.psgi"))
        .env("NUMBERS", numbers);
    traced_workers(&mut command, folder, "/age")
}

/// Requests a path from a service until both workers have answered; their copies are those by pagemap.
fn traced_workers(command: &mut Command, folder: Folder, path: &str) -> Report {
    let server = Server::start(command, folder);
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
    let report = traced_puma("/collect", false);
    let all = report.written(|_| true);
    // Debian's library is stripped: a function without a name is recognized by the exported ones around it.
    let unnamed = report.0["unnamed_functions"].as_array().expect("a list");
    let is_of_collector = |name: &str| {
        let mut parts = unnamed.iter().filter(|it| it["function"] == name);
        parts.any(|it| it["part"] == "ruby-collector")
    };
    let by_collector = report.written(|writer| {
        let module = writer["module"].as_str().unwrap_or_default();
        let name = function(writer);
        module.contains("ruby") && (name.starts_with("rb_gc") || is_of_collector(name))
    });
    let file = &report.0["stripped_files"][0];
    assert_eq!(file["package"], "libruby3.1", "{file}");
    assert!(
        file["build_id"].as_str().is_some_and(|id| id.len() == 40),
        "{file}"
    );
    assert!(
        all > 4_000 && by_collector as f64 > 0.9 * all as f64,
        "{by_collector} of {all} by the collector; {}",
        report.top_writers()
    );
}

/// Whichever of the two it is after following the advice, it is less, and no more less than was promised.
#[test]
fn what_rubys_collector_copies_is_spared_by_what_its_advice_says() {
    if !can_trace("ruby-tidy") {
        return;
    }
    let copied = |report: &Report| number(&report.0["totals"], "copied_pages");
    for path in ["/collect", "/keep"] {
        let (before, after) = (traced_puma(path, false), traced_puma(path, true));
        let advice = before.0["advice"].as_array().expect("advice");
        let advice = advice.iter().find(|it| {
            let what = it["what"].as_str().unwrap_or_default();
            what.starts_with("4 x GC.start, then GC.compact")
        });
        let promised = advice.map(|it| number(it, "saves_at_most_bytes") / 4_096);
        let promised = promised.unwrap_or_else(|| panic!("{path}: {}", before.0["advice"]));
        let (before, after) = (copied(&before), copied(&after));
        println!("{path}: {before} pages, then {after}; at most {promised} were promised");
        let spared = before.checked_sub(after).expect("it spares something");
        assert!(
            spared <= promised && spared > promised / 4,
            "{path}: {spared}"
        );
    }
}

#[test]
fn changing_strings_in_ruby_is_told_by_the_functions_that_do() {
    if !can_trace("ruby-change") {
        return;
    }
    let report = traced_puma("/change", false);
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

#[test]
fn reading_texts_as_numbers_in_perl_copies_them_and_reading_numbers_does_not() {
    if !can_trace("starman") {
        return;
    }
    let texts = traced_starman("");
    let all = texts.written(|_| true);
    // Each of the two workers changes 100,000 texts of 24 bytes and more, wherever they lie.
    let by_perl = texts.written(|writer| {
        let module = writer["module"].as_str().unwrap_or_default();
        module == "perl" || module.starts_with("libperl")
    });
    assert!(
        all > 4_000 && by_perl as f64 > 0.95 * all as f64,
        "{by_perl} of {all} by perl; {}",
        texts.top_writers()
    );
    let numbers = traced_starman("1").written(|_| true);
    println!("{all} pages of texts, {numbers} of numbers");
    // A request itself writes some 1,000 pages of each worker.
    assert!(numbers * 4 < all, "{numbers} of {all}");
}

/// PHP says itself how much memory it has mapped for its heap.
#[test]
fn phps_heap_is_called_so_and_nothing_else_is() {
    if !can_trace("php") {
        return;
    }
    let mut command = Command::new(installed("php"));
    let mut service = Service::start(command.arg(format!("{SCRIPTS}/zend_service.php")));
    let ready = service.answer();
    let worker = u32::try_from(number(&ready, "worker")).expect("a pid");
    let before = settled(worker);
    let tracer = Tracer::of(service.pid());
    service.say("go");
    assert_eq!(service.answer()["done"], true);
    let report = tracer.stop();
    expect_as_pagemap(&report, worker, &before);
    let regions = report.0["regions"].as_array().expect("regions").iter();
    let sizes = regions
        .filter(|region| region["name"] == "[zend heap]")
        .map(|region| {
            let end = |key: &str| address(&region[key]).expect("an address");
            end("end") - end("start")
        });
    let (named, heap) = (sizes.sum::<u64>(), number(&ready, "heap"));
    // One chunk of 2 MiB may be in one mapping with other memory, which then has no name or has it all.
    assert!(
        named.abs_diff(heap) <= 2 << 20,
        "{named} bytes, {heap} by PHP: {}",
        report.0["regions"]
    );
    let (all, in_heap) = (report.written(|_| true), copied_in(&report, "[zend heap]"));
    assert!(
        in_heap > 8_000 && in_heap as f64 > 0.9 * all as f64,
        "{in_heap} of {all}"
    );
    service.end();
}
