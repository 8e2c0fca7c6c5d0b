//! Which variable holds the copied memory, for every supported `CPython` on this machine, compared
//! with a service that is known to copy certain pages for each variable.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    pythons::{Interpreter, walkable},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("holders.py");
const CHANGING: &str = include_str!("holders_change.py");
const WORKERS: u64 = 2;

/// The reported pages of a variable may differ from the known number by this share. Some 10 of a
/// variable's 2,400 to 3,000 pages per worker are copied after the fork and before the trace: by
/// pagemap 16 to 26 of 4,742 to 5,938, where 17 to 28 are missing. Of the pages copied during the
/// trace, at most 3 are reported under another variable.
const TOLERANCE: f64 = 0.01;

fn ask(service: &mut Service, what: &str) {
    service.say(what);
    assert_eq!(service.answer()["done"], what);
}

fn holder<'a>(report: &'a Report, path: &str) -> Option<&'a Value> {
    let holders = report.0["holders"].as_array().expect("holders");
    holders.iter().find(|holder| holder["path"] == path)
}

#[track_caller]
fn expect(python: &Interpreter, report: &Report, path: &str, expected: u64) {
    let told = holder(report, path).map_or(0, |holder| number(holder, "copied_pages"));
    assert!(
        told.abs_diff(expected) as f64 <= TOLERANCE * expected as f64,
        "{python}: {path} has {told} of {expected}; {:#}",
        report.0["holders"]
    );
}

#[test]
fn copies_are_told_by_the_variable_that_holds_them() {
    if !can_trace("holders") {
        return;
    }
    for python in walkable() {
        let mut service = Service::start(python.command().args(["-c", SERVICE]));
        let pages = service.answer();
        let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"]);
        ask(&mut service, "words");
        ask(&mut service, "titles");
        let report = tracer.stop();
        let (words, titles) = (number(&pages, "words"), number(&pages, "titles"));
        assert!(words > 500 && titles > 500, "{pages}");
        expect(&python, &report, "main() local words", WORKERS * words);
        expect(&python, &report, "__main__.titles", WORKERS * titles);
        let held = holder(&report, "__main__.titles").expect("just found");
        assert_eq!(held["type"], "list", "{python}");
        assert_eq!(held["entries"], 150_000, "{python}");
        assert_eq!(held["copied_types"][0]["type"], "str", "{python}");
        // Two variables hold its first half.
        let also = held["also_held_by"].as_array().expect("others");
        let favourites = also.iter().find(|it| {
            let path = it["path"].as_str().expect("a path");
            path.starts_with("__main__.catalogue.favourites")
        });
        let shared = favourites.map_or(0, |it| number(it, "copied_pages"));
        let half = WORKERS * titles / 2;
        assert!(
            shared.abs_diff(half) as f64 <= 0.05 * half as f64,
            "{python}: {shared} of {half}; {held:#}"
        );
        let walk = &report.0["heap_walks"][0];
        assert_eq!(walk["is_partial"], false, "{python}: {walk}");
        assert_eq!(walk["failure"], Value::Null, "{python}: {walk}");
        service.say("end");
        service.end();
    }
}

/// The oldest and the newest version, and one without a global interpreter lock if there is one. Not 3.15: while it
/// replaces its data, its master copies a share that differs from run to run (1,011 of 2,400 pages in one).
fn some() -> Vec<Interpreter> {
    let mut found = walkable();
    found.retain(|python| python.version < (3, 15));
    let mut last = found.split_off(found.len() - 1);
    last.extend(found.iter().find(|python| python.is_free).cloned());
    found.truncate(1);
    found.extend(last);
    found
}

fn start(python: &Interpreter) -> (Service, Value) {
    let mut service = Service::start(python.command().args(["-c", CHANGING]));
    let first = service.answer();
    (service, first)
}

fn trace(service: &Service) -> Tracer {
    Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"])
}

/// The walk that read the process with this pid.
#[track_caller]
fn walk_of<'a>(report: &'a Report, pid: &Value) -> &'a Value {
    let walks = report.0["heap_walks"].as_array().expect("walks");
    let reads = |walk: &&Value| {
        let id = walk["read_process_id"].as_u64();
        id.is_some_and(|id| report.process(id)["pid"] == *pid)
    };
    walks
        .iter()
        .find(reads)
        .unwrap_or_else(|| panic!("none of {pid}: {walks:#?}"))
}

/// Like [`expect`], if the master may also have copied pages of it while it stored its new data
/// there: 560 of 2,400 pages in 3.14, of which 65 were found to belong to the new data.
#[track_caller]
fn expect_replaced(python: &Interpreter, report: &Report, path: &str, expected: u64) {
    let told = holder(report, path).map_or(0, |holder| number(holder, "copied_pages"));
    let is_master = |process: &&Value| process["role"] == "master";
    let master = report.processes().iter().find(is_master).expect("a master");
    let own = number(master, "copied_pages");
    let beyond = TOLERANCE * expected as f64;
    assert!(
        own < expected / 3
            && told as f64 >= expected as f64 - beyond
            && told as f64 <= (expected + own) as f64 + beyond,
        "{python}: {path} has {told} of {expected}, and {own} of the master; {:#}",
        report.0["holders"]
    );
}

/// Like [`expect`], for data that the master has freed and a worker still has. Without a global
/// interpreter lock the master's next list gets the memory of the old one's table (293 pages); with
/// a lock that memory is unmapped. So the master's copies there, 277 to 310 pages, belonged to the
/// old list.
#[track_caller]
fn expect_given_up(python: &Interpreter, report: &Report, path: &str, expected: u64) {
    if python.is_free {
        expect_replaced(python, report, path, expected);
    } else {
        expect(python, report, path, expected);
    }
}

#[test]
fn data_that_the_master_has_replaced_is_told_by_the_workers_that_have_it() {
    if !can_trace("holders-replaced") {
        return;
    }
    for python in some() {
        let (mut service, first) = start(&python);
        let tracer = trace(&service);
        ask(&mut service, "read");
        service.say("replace");
        let second = service.answer();
        ask(&mut service, "read");
        let report = tracer.stop();
        expect_given_up(&python, &report, "__main__.titles", number(&first, "pages"));
        expect_replaced(&python, &report, "__main__.words", number(&second, "pages"));
        let walk = walk_of(&report, &first["pid"]);
        assert_eq!(walk["at_ns"], Value::Null, "{python}: {walk}");
        let walk = walk_of(&report, &service.pid().into());
        assert_eq!(walk["has_changed"], false, "{python}: {walk}");
        service.end();
    }
}

#[test]
fn data_that_nobody_has_any_more_is_told_as_it_was_when_the_master_forked_again() {
    if !can_trace("holders-gone") {
        return;
    }
    for python in some() {
        let (mut service, first) = start(&python);
        let tracer = trace(&service);
        ask(&mut service, "read");
        service.say("replace");
        let second = service.answer();
        ask(&mut service, "read");
        // The walk in the first worker takes at most this long.
        std::thread::sleep(Duration::from_millis(2_500));
        ask(&mut service, "end the first");
        let report = tracer.stop();
        expect_given_up(&python, &report, "__main__.titles", number(&first, "pages"));
        expect_replaced(&python, &report, "__main__.words", number(&second, "pages"));
        let walk = walk_of(&report, &first["pid"]);
        assert!(walk["at_ns"].is_u64(), "{python}: {walk}");
        service.end();
    }
}

#[test]
fn a_master_that_has_left_is_told_by_a_worker() {
    if !can_trace("holders-left") {
        return;
    }
    for python in some() {
        let (mut service, first) = start(&python);
        let tracer = trace(&service);
        ask(&mut service, "read");
        ask(&mut service, "leave");
        let report = tracer.wait();
        expect(&python, &report, "__main__.titles", number(&first, "pages"));
        let walk = walk_of(&report, &first["pid"]);
        assert_eq!(walk["at_ns"], Value::Null, "{python}: {walk}");
        service.end();
    }
}

#[test]
fn a_command_that_ends_by_itself_is_told_as_it_was_before() {
    if !can_trace("holders-command") {
        return;
    }
    // Its worker reads at once, then both live longer than the second before the first walk.
    let script = "import os, sys, time
data = ['row %d of all' % i for i in range(150000)]
if os.fork() == 0:
    for it in data: pass
    time.sleep(3)
    os._exit(0)
os.wait()
with open(sys.argv[1], 'w') as file: file.write(str(len({id(it) >> 12 for it in data})))
";
    let (python, tracer, file) = trace_command("ends", script);
    let report = tracer.wait();
    expect(&python, &report, "__main__.data", file.number());
    let walk = &report.0["heap_walks"][0];
    assert!(walk["at_ns"].is_u64(), "{python}: {walk}");
}

#[test]
fn what_a_command_gives_up_as_it_ends_is_told_as_it_was_before() {
    if !can_trace("holders-ending") {
        return;
    }
    // It lives longer than the second before the first walk, then ends as if Ctrl-C had ended
    // main().
    let script = "import os, sys, time
def main():
    data = ['row %d of all' % i for i in range(150000)]
    if os.fork() == 0:
        for it in data: pass
        os._exit(0)
    os.wait()
    time.sleep(3)
    return len({id(it) >> 12 for it in data})
pages = main()
with open(sys.argv[1] + '.new', 'w') as file: file.write(str(pages))
os.rename(sys.argv[1] + '.new', sys.argv[1])
time.sleep(600)
";
    let (python, tracer, file) = trace_command("ending", script);
    let pages = file.number();
    let report = tracer.stop();
    expect(&python, &report, "main() local data", pages);
    let walk = &report.0["heap_walks"][0];
    assert!(walk["at_ns"].is_u64(), "{python}: {walk}");
}

/// Copies after the last walk are attributed to what was nearest in their page at that time. Of two
/// variables' pages all are known except those at their borders. In four runs 0.2 to 0.4 % of each
/// variable's pages were missing.
const LATER_TOLERANCE: f64 = 0.02;

#[test]
fn what_is_copied_after_the_last_walk_is_told_by_what_that_saw() {
    if !can_trace("holders-later") {
        return;
    }
    // The first walk comes after part of the first variable has been read, and a walk of these
    // takes some tenths of a second, so the next one comes seconds later.
    let script = "import os, sys, time
rows = [{'id': i, 'text': 'row %d of all' % i} for i in range(120000)]
names = ['name %d of all' % i for i in range(200000)]
def read():
    for data, of in (rows, lambda it: it['text']), (names, len):
        for part in range(12):
            for index in range(part * len(data) // 12, (part + 1) * len(data) // 12):
                of(data[index])
            time.sleep(0.25)
pages = lambda of: len({id(it) >> 12 for it in of})
answer = '%d %d' % (pages(rows + [it['text'] for it in rows]), pages(names))
with open(sys.argv[1], 'w') as file: file.write(answer)
for worker in range(2):
    if os.fork() == 0:
        read()
        os._exit(0)
os.wait(); os.wait()
os._exit(0)
";
    let (python, tracer, file) = trace_command("later", script);
    let report = tracer.wait();
    let answer = file.text();
    let pages: Vec<u64> = answer
        .split(' ')
        .map(|it| it.parse().expect("a number"))
        .collect();
    let walk = &report.0["heap_walks"][0];
    assert!(walk["at_ns"].is_u64(), "{python}: {walk}");
    for (variable, pages) in ["__main__.rows", "__main__.names"].into_iter().zip(pages) {
        let told = holder(&report, variable).map_or(0, |holder| number(holder, "copied_pages"));
        let expected = WORKERS * pages;
        println!("{variable}: {told} of {expected}");
        assert!(
            told.abs_diff(expected) as f64 <= LATER_TOLERANCE * expected as f64,
            "{python}: {variable} has {told} of {expected}; {walk}; {:#}",
            report.0["holders"]
        );
    }
}

/// A file to which a command writes its answer.
struct Answer(PathBuf);

impl Answer {
    /// Waits for a number.
    fn number(&self) -> u64 {
        self.text().parse().expect("a number")
    }

    /// Waits for it.
    fn text(&self) -> String {
        let ends = Instant::now() + Duration::from_mins(1);
        loop {
            if let Ok(text) = std::fs::read_to_string(&self.0) {
                return text;
            }
            assert!(Instant::now() < ends, "no answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts a script under cowtrace, with a file for its answer as the script's argument.
fn trace_command(name: &str, script: &str) -> (Interpreter, Tracer, Answer) {
    let name = format!("cowtrace-{name}-{}", std::process::id());
    let file = Answer(std::env::temp_dir().join(name));
    // An interpreter with access to the same files.
    let is_bare = |python: &Interpreter| python.command().get_args().next().is_none();
    let python = walkable()
        .into_iter()
        .find(is_bare)
        .expect("an installed one");
    let program = python.command();
    let program = program.get_program().to_str().expect("a path");
    let path = file.0.to_str().expect("a path");
    let tracer = Tracer::start(&["-i", "200ms", "--", program, "-c", script, path]);
    (python, tracer, file)
}

#[test]
fn nothing_is_looked_for_unless_it_is_wanted() {
    if !can_trace("holders-off") {
        return;
    }
    let python = walkable().remove(0);
    for option in [&["--holders", "off"][..], &["--no-writers"]] {
        let mut service = Service::start(python.command().args(["-c", SERVICE]));
        service.answer();
        let pid = service.pid().to_string();
        let tracer = Tracer::start(&[&["--pid", &pid, "-i", "200ms"], option].concat());
        ask(&mut service, "titles");
        let report = tracer.stop();
        assert_eq!(report.0["holders"], Value::Array(Vec::new()));
        assert_eq!(report.0["heap_walks"], Value::Array(Vec::new()));
        service.say("end");
        service.end();
    }
}
