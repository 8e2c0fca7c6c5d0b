//! Python lines of writers, for every CPython on this machine whose frames are supported, compared
//! with a service whose writing lines are known.

use std::process::Command;

use cowtrace::memory;
use cowtrace_tests::{
    pagemap::{changed, frames, settled},
    pythons::{Interpreter, interpreters, line_of},
    report::Report,
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("lines.py");

/// Of the copies of known objects, at least this share must have the right line. The first few
/// copies of a new thread, before the interpreter has added it to its list, have none.
const SHARE: f64 = 0.99;

/// The interpreters whose frames are supported.
fn walked() -> Vec<Interpreter> {
    let mut found = interpreters();
    found.retain(|python| python.version >= (3, 11));
    assert!(!found.is_empty(), "no CPython of 3.11 or later is here");
    found
}

fn start(python: &Interpreter) -> Service {
    let mut service = Service::start(python.command().args(["-c", SERVICE]));
    service.answer();
    service
}

/// Makes the worker do something, and returns who wrote.
fn traced(python: &Interpreter, order: &str) -> Report {
    let mut service = start(python);
    let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"]);
    service.say(order);
    assert_eq!(service.answer()["done"], order);
    let report = tracer.stop();
    service.say("end");
    service.end();
    report
}

fn innermost(writer: &Value) -> &Value {
    &writer["python"][0]
}

/// One line makes all copies of a kind, and nearly all of them are reported with it; no other
/// function is named for any.
#[track_caller]
fn expect_line(
    python: &Interpreter,
    report: &Report,
    (function, mark): (&str, &str),
    least: u64,
    is_it: impl Fn(&Value) -> bool,
) {
    let all = report.written(&is_it);
    let told = report.written(|writer| {
        is_it(writer)
            && innermost(writer)["function"] == function
            && innermost(writer)["line"] == line_of(SERVICE, mark)
    });
    let others = report.written(|writer| {
        let name = &innermost(writer)["function"];
        is_it(writer)
            && name
                .as_str()
                .is_some_and(|name| name.starts_with("scan_") || name == "fill")
            && name != function
    });
    assert!(
        told as f64 >= SHARE * all as f64 && all >= least,
        "{python}: {told} of {all} by {function}; {}",
        report.0["writers"]
    );
    assert_eq!(
        others, 0,
        "{python}: another thread's line; {}",
        report.0["writers"]
    );
}

#[test]
fn a_line_is_told_with_all_that_called_it() {
    if !can_trace("lines") {
        return;
    }
    for python in walked() {
        let report = traced(&python, "titles");
        let is_title = |writer: &Value| writer["type"] == "str" && writer["kind"] == "refcount";
        expect_line(&python, &report, ("scan_titles", "titles"), 2_000, is_title);
        let whole = report.written(|writer| {
            let stack = writer["python"].as_array().map_or(&[][..], Vec::as_slice);
            let names: Vec<&str> = stack
                .iter()
                .filter_map(|frame| frame["function"].as_str())
                .collect();
            is_title(writer)
                && names.iter().filter(|name| **name == "deeper").count() == 21
                && names.ends_with(&["<lambda>", "work", "main", "<module>"])
        });
        let all = report.written(is_title);
        assert!(
            whole as f64 >= SHARE * all as f64,
            "{python}: {whole} of {all} with the whole stack; {}",
            report.0["writers"]
        );
    }
}

#[test]
fn threads_are_not_taken_for_each_other() {
    if !can_trace("line-threads") {
        return;
    }
    for python in walked() {
        let report = traced(&python, "threads");
        for (type_name, function, mark) in [
            ("__main__.Apple", "scan_apples", "apples"),
            ("__main__.Pear", "scan_pears", "pears"),
        ] {
            expect_line(&python, &report, (function, mark), 1_000, |writer| {
                writer["type"] == type_name && writer["kind"] == "refcount"
            });
        }
    }
}

#[test]
fn a_thread_without_the_interpreters_lock_is_told_by_its_own_line() {
    if !can_trace("line-fill") {
        return;
    }
    for python in walked() {
        let report = traced(&python, "fill");
        // read(2) into the inherited buffer of 2,048 pages.
        expect_line(&python, &report, ("fill", "fill"), 2_000, |writer| {
            writer["kind"] == "kernel" && writer["system_call"] == 0
        });
    }
}

#[test]
fn lines_are_told_from_the_first_fork_of_a_command() {
    if !can_trace("line-command") {
        return;
    }
    for python in walked() {
        let script = "import os, sys\n\
                      titles = [f'title {number}' for number in range(150_000)]\n\
                      print('begun', file=sys.stderr, flush=True); input()\n\
                      for _ in range(2):\n\
                      \x20   if os.fork() == 0:\n\
                      \x20       for title in titles: pass\n\
                      \x20       os._exit(0)\n\
                      \x20   os.wait()\n\
                      print('done', file=sys.stderr, flush=True); input()\n";
        let report = looked_at(&python, script);
        let is_title = |writer: &Value| writer["type"] == "str" && writer["kind"] == "refcount";
        let all = report.written(is_title);
        let told = report.written(|writer| is_title(writer) && innermost(writer)["line"].is_u64());
        let by_loop = report.written(|writer| is_title(writer) && innermost(writer)["line"] == 6);
        assert!(
            told as f64 >= SHARE * all as f64 && by_loop > 4_000,
            "{python}: {told} of {all}, {by_loop} by the loop; {}",
            report.0["writers"]
        );
    }
}

#[test]
fn a_stack_of_more_calls_than_are_kept_is_told_as_cut() {
    if !can_trace("line-cut") {
        return;
    }
    for python in walked() {
        let script = "import os, sys\n\
                      titles = [f'title {number}' for number in range(150_000)]\n\
                      def deeper(left):\n\
                      \x20   if left: deeper(left - 1)\n\
                      \x20   else:\n\
                      \x20       for title in titles: pass\n\
                      print('begun', file=sys.stderr, flush=True); input()\n\
                      if os.fork() == 0:\n\
                      \x20   deeper(40)\n\
                      \x20   os._exit(0)\n\
                      os.wait()\n\
                      print('done', file=sys.stderr, flush=True); input()\n";
        let report = looked_at(&python, script);
        let by_loop = |writer: &Value| innermost(writer)["line"] == 6;
        let all = report.written(by_loop);
        let cut = report.written(|writer| {
            let frames = writer["python"].as_array().map_or(&[][..], Vec::as_slice);
            by_loop(writer)
                && writer["python_end"] == "limit"
                && frames.len() == 32
                && frames.iter().all(|frame| frame["function"] == "deeper")
        });
        assert!(
            cut == all && cut > 2_000,
            "{python}: {cut} of {all}; {}",
            report.0["writers"]
        );
        let ended = report.written(|writer| {
            let frames = writer["python"].as_array().map_or(&[][..], Vec::as_slice);
            let is_script = frames.iter().any(|frame| frame["function"] == "deeper");
            let is_cut = |frame: &Value| frame["function"] != "<module>";
            is_script && writer["python_end"] == "outermost" && frames.last().is_some_and(is_cut)
        });
        assert_eq!(ended, 0, "{python}: {}", report.0["writers"]);
    }
}

/// Traces a script as a command. The script reports when it has begun and when it is done, and
/// waits for a line each time, so that it continues, and exits, only after the tracer has looked at
/// it.
fn looked_at(python: &Interpreter, script: &str) -> Report {
    let command = python.command();
    let mut arguments = vec!["--"];
    arguments.extend(words(&command));
    arguments.extend(["-c", script]);
    let mut tracer = Tracer::start_with_input(&arguments);
    tracer.hear("begun");
    tracer.has_found_an_interpreter();
    tracer.say("");
    tracer.hear("done");
    tracer.has_looked();
    tracer.say("");
    tracer.wait()
}

fn words(command: &Command) -> Vec<&str> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_str().expect("plain names"))
        .collect()
}

/// Examining a process must not copy its pages: pinning a page that has been shared since a fork
/// would copy it.
#[test]
fn reading_a_process_copies_none_of_its_pages() {
    if !can_trace("line-read") {
        return;
    }
    let python = walked().remove(0);
    let mut service = Service::start(python.command().args(["-c", SERVICE]));
    let worker = service.answer()["worker"].as_u64().expect("a pid");
    // By then it has made the copies of its own start.
    service.say("titles");
    service.answer();
    let pids = [service.pid(), u32::try_from(worker).expect("a pid")];
    for pid in pids {
        let before = settled(pid);
        let mut page = [0; 4096];
        let mut read = 0;
        for mapping in before.values() {
            let pages = (mapping.start..mapping.end()).step_by(page.len());
            read += pages
                .filter(|&at| memory::read_target(pid, at, &mut page))
                .count();
        }
        assert!(read > 5_000, "{read} pages of {pid}");
        let changed = changed(&before, &frames(pid));
        assert_eq!(changed, 0, "pages of {pid} that reading it copied");
    }
    service.say("end");
    service.end();
}
