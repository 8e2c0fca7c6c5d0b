//! Services on the CPython versions of this machine: what reading shared data writes, in which
//! objects, and on which line.

use std::{env, path::PathBuf, process::Command};

use cowtrace_tests::{
    pythons::{Interpreter, interpreters, line_of},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

use super::{
    http::{SOCKET, load, wait_for_workers},
    server::{Folder, Server},
    told::{HELD_TOLERANCE, PAGES, planted},
};

pub const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/services");
const TORNADO: &str = include_str!("tornado_service.py");
const WSGI: &str = include_str!("wsgi_service.py");
const ARRAYS: &str = include_str!("arrays_service.py");

/// A folder with the packages that services are made of. `cargo xtask test` creates it and sets this
/// variable.
const PACKAGES: &str = "COWTRACE_PACKAGES";
pub const WORKERS: usize = 3;
/// Requests that each worker answers: after these it has looked up nearly everything.
const REQUESTS: u32 = 100;

/// Of the copies under load at least this share are reference counts.
const REFCOUNT_SHARE: f64 = 0.99;
/// At least this share are reference counts of the values looked up, written by the line that does
/// the lookup. The rest is the cost of answering a request, some 150 pages of the 12,000 and more
/// that a worker copies.
const LOOK_UP_SHARE: f64 = 0.97;

/// One interpreter of each version whose frames are supported. The build without the global
/// interpreter lock lacks modules that Tornado imports.
pub fn versions() -> Vec<Interpreter> {
    let mut found = interpreters();
    found.retain(|python| python.version >= (3, 11) && !python.is_free);
    found.dedup_by_key(|python| python.version);
    let versions: Vec<_> = found.iter().map(|python| python.version).collect();
    assert!(
        versions.contains(&(3, 11)) && versions.len() > 1,
        "CPython 3.11 and a later one are needed: {versions:?}"
    );
    found
}

/// The oldest and the newest of these.
pub fn oldest_and_newest() -> [Interpreter; 2] {
    let versions = versions();
    [versions[0].clone(), versions[versions.len() - 1].clone()]
}

/// Starts an interpreter that finds the packages, and writes nothing beside them.
pub fn command(python: &Interpreter) -> Command {
    command_with(python, "tornado")
}

/// The same where this one of the packages is needed.
pub fn command_with(python: &Interpreter, package: &str) -> Command {
    let folder = env::var_os(PACKAGES).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        panic!("{PACKAGES} is not set: `cargo xtask test` installs the packages and sets it")
    });
    assert!(
        folder.join(package).is_dir(),
        "there is no {package} in {PACKAGES}={}: `cargo xtask test` installs it",
        folder.display()
    );
    let mut command = python.command();
    command
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A path for each part of the data.
pub fn parts() -> Vec<String> {
    let first = (0..800_000).step_by(10_000);
    first.map(|first| format!("/?first={first}")).collect()
}

pub fn tornado(python: &Interpreter) -> Server {
    tornado_with(python, "")
}

/// With one of its variables moved out of the heap's objects; none if the name is empty.
pub fn tornado_with(python: &Interpreter, moved: &str) -> Server {
    let folder = Folder::new("tornado");
    let mut command = command(python);
    command.env("MOVED", moved);
    command
        .env("PAGES", folder.path(PAGES))
        .arg(format!("{SCRIPTS}/tornado_service.py"))
        .arg(folder.path(SOCKET))
        .arg(WORKERS.to_string());
    let server = Server::start(&mut command, folder);
    wait_for_workers(&server, WORKERS, "/ready");
    server
}

fn gunicorn(python: &Interpreter) -> Server {
    gunicorn_with(python, "")
}

/// With one of its variables moved out of the heap's objects; none if the name is empty.
pub fn gunicorn_with(python: &Interpreter, moved: &str) -> Server {
    let folder = Folder::new("gunicorn");
    let mut command = command(python);
    command.env("MOVED", moved);
    command
        .env("PAGES", folder.path(PAGES))
        .args(["-m", "gunicorn", "--preload", "--pythonpath", SCRIPTS])
        .args(["--workers", &WORKERS.to_string(), "--bind"])
        .arg(format!("unix:{}", folder.path(SOCKET).display()))
        .arg("wsgi_service:application");
    let server = Server::start(&mut command, folder);
    wait_for_workers(&server, WORKERS, "/ready");
    server
}

fn traced(server: &Server) -> Report {
    let tracer = Tracer::start(&["--pid", &server.pid().to_string()]);
    load(server, WORKERS, REQUESTS, &parts());
    tracer.stop()
}

fn share(report: &Report, fits: impl Fn(&Value) -> bool) -> f64 {
    report.written(fits) as f64 / report.written(|_| true) as f64
}

/// Lookups write reference counts of the strings and of their integer keys, all in the one line
/// that does the lookup.
#[track_caller]
fn expect_look_ups(python: &Interpreter, report: &Report, function: &str, line: u64) {
    let all = report.written(|_| true);
    let refcounts = share(report, |writer| writer["kind"] == "refcount");
    let data = share(report, |writer| {
        writer["kind"] == "refcount" && (writer["type"] == "str" || writer["type"] == "int")
    });
    let by_line = share(report, |writer| {
        let innermost = &writer["python"][0];
        innermost["function"] == function && innermost["line"] == line
    });
    assert!(
        all > 30_000
            && refcounts > REFCOUNT_SHARE
            && data > LOOK_UP_SHARE
            && by_line > LOOK_UP_SHARE,
        "{python}: of {all} pages {refcounts} are reference counts, {data} of str and int, \
         {by_line} by {function}:{line}; {}",
        report.top_writers()
    );
    println!("{python}: {all} {refcounts:.4} {data:.4} {by_line:.4}");
}

#[test]
fn requests_to_tornado_write_reference_counts_in_the_handlers_line() {
    if !can_trace("tornado") {
        return;
    }
    for python in versions() {
        let report = traced(&tornado(&python));
        expect_look_ups(
            &python,
            &report,
            "Articles.get",
            line_of(TORNADO, "look-up"),
        );
    }
}

/// The figures that a user wants appear without any option.
#[test]
fn a_report_for_people_says_what_was_written_and_on_which_line() {
    if !can_trace("tornado-text") {
        return;
    }
    let server = tornado(&versions()[0]);
    let tracer = Tracer::without_options(server.pid());
    load(&server, WORKERS, REQUESTS, &parts());
    let text = tracer.stop_and_read();
    let line = line_of(TORNADO, "look-up");
    let by_line = format!("tornado_service.py:{line} in Articles.get");
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ");
    let (card, tables) = words.split_once(" WHO WROTE").expect("the card");
    let reading = "reference counts, which reading an object writes";
    assert!(card.contains(reading) && card.contains("str "), "{text}");
    assert!(card.contains(&format!("where {by_line}")), "{text}");
    let tables = tables.split(" HELD BY").next().unwrap_or_default();
    assert!(
        tables.contains("reference counts of str") && tables.contains("reference counts of int"),
        "{text}"
    );
}

#[test]
fn requests_to_gunicorn_write_reference_counts_in_the_applications_line() {
    if !can_trace("gunicorn") {
        return;
    }
    // The writes are the same as in Tornado, so the oldest and the newest version suffice.
    for python in oldest_and_newest() {
        let report = traced(&gunicorn(&python));
        expect_look_ups(&python, &report, "find", line_of(WSGI, "look-up"));
    }
}

/// Makes every worker read one variable, then the other, and compares the reported pages of each
/// with the pages that its objects are in.
#[track_caller]
fn expect_holders(python: &Interpreter, server: &Server, titles: &str, sentences: &str) {
    let tracer = Tracer::start(&["--pid", &server.pid().to_string()]);
    for path in ["/titles", "/sentences"] {
        load(server, WORKERS, 1, &[path.to_owned()]);
    }
    let report = tracer.stop();
    let told = planted(&server.path(PAGES));
    for (path, key) in [(titles, "titles"), (sentences, "sentences")] {
        let expected = WORKERS as u64 * number(&told, key);
        let holders = report.0["holders"].as_array().expect("holders");
        let of_path = holders.iter().filter(|holder| holder["path"] == path);
        let held: u64 = of_path.map(|holder| number(holder, "copied_pages")).sum();
        println!("{python}: {path} {held} of {expected}");
        assert!(
            expected > 10_000 && held.abs_diff(expected) as f64 <= HELD_TOLERANCE * expected as f64,
            "{python}: {path} holds {held}, not {expected}; {:#}",
            report.0["holders"]
        );
    }
}

#[test]
fn what_tornado_copies_is_held_by_a_modules_variable_and_by_a_functions() {
    if !can_trace("tornado-holders") {
        return;
    }
    for python in versions().iter().filter(|python| python.version <= (3, 14)) {
        let server = tornado(python);
        expect_holders(python, &server, "__main__.titles", "main() local sentences");
    }
}

#[test]
fn what_gunicorn_copies_is_held_by_the_applications_variables() {
    if !can_trace("gunicorn-holders") {
        return;
    }
    for python in versions().iter().filter(|python| python.version <= (3, 14)) {
        let server = gunicorn(python);
        let corpus = "wsgi_service.Corpus.sentences";
        expect_holders(python, &server, "wsgi_service.titles", corpus);
    }
}

/// An interpreter with `NumPy` and pandas, which are installed for one version.
pub fn with_numpy() -> Interpreter {
    let has = |python: &Interpreter| {
        let output = command(python)
            .args(["-c", "import numpy, pandas"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = versions().into_iter().find(has);
    found.unwrap_or_else(|| {
        panic!(
            "no Python can import numpy and pandas from {PACKAGES}: `cargo xtask test` installs it"
        )
    })
}

/// Makes the worker read numbers, and returns the array's addresses.
fn traced_arrays(python: &Interpreter, order: &str) -> (Report, u64, u64) {
    let mut service = Service::start(command(python).args(["-c", ARRAYS]));
    let ready = service.answer();
    let address = |key: &str| ready[key].as_u64().expect("an address");
    let (start, end) = (address("start"), address("end"));
    let tracer = Tracer::of(service.pid());
    service.say(order);
    assert_eq!(service.answer()["done"], order);
    let report = tracer.stop();
    service.end();
    (report, start, end)
}

#[test]
fn numbers_in_an_array_stay_shared_and_those_in_a_list_do_not() {
    if !can_trace("arrays") {
        return;
    }
    let python = with_numpy();
    let (report, start, end) = traced_arrays(&python, "array");
    let in_array: u64 = report
        .counts_in(start, end)
        .values()
        .map(|it| it.copied)
        .sum();
    let all = report.written(|_| true);
    // Of 7,813 pages; these few are the interpreter's own.
    assert!(
        in_array <= 2 && all < 300,
        "{python}: {in_array} pages of the array, {all} in all; {}",
        report.top_writers()
    );
    // Whoever reads all of it still shares it.
    let balances = report.0["balance"].as_array().expect("balances");
    let shared: Vec<u64> = balances
        .iter()
        .map(|it| number(it, "shared_pages"))
        .collect();
    assert!(
        !shared.is_empty()
            && shared
                .iter()
                .all(|pages| *pages >= (end - start) / 4096 - 2),
        "{shared:?} pages of {}",
        (end - start) / 4096
    );
    let (report, ..) = traced_arrays(&python, "objects");
    let line = line_of(ARRAYS, "objects");
    let by_line = report.written(|writer| {
        writer["type"] == "float"
            && writer["kind"] == "refcount"
            && writer["python"][0]["line"] == line
    });
    // 500,000 objects of 24 bytes.
    assert!(
        by_line > 2_800,
        "{python}: {by_line} pages of floats; {}",
        report.top_writers()
    );
}
