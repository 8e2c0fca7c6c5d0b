//! Native stacks compared with calls known to the exact instruction, with every backend that this
//! kernel allows.

use cowtrace_tests::{
    pythons::{Interpreter, interpreters},
    report::Report,
    tracer::{Tracer, can_trace, usable_backends},
    workload::{Service, Workload},
};
use serde_json::{Value, json};

/// A master with a dict and lists of strings, and two workers; it obeys one line after the other.
const SERVICE: &str = include_str!("service.py");

/// Pages that a case writes.
const PAGES: u64 = 1000;

fn traced(case: &str, backend: Option<&str>, arguments: &[&str]) -> Report {
    let mut workload = Workload::prepare(case);
    let tracer = Tracer::by(backend, workload.pid(), arguments);
    workload.run();
    let report = tracer.stop();
    workload.end();
    report
}

/// The same for a case whose children exit before the trace ends, but not before they were
/// examined this often.
fn traced_until_gone(case: &str, looks: u32) -> Report {
    let mut workload = Workload::prepare(case);
    let tracer = Tracer::by(None, workload.pid(), &["--stacks"]);
    workload.run();
    (0..looks).for_each(|_| tracer.has_looked());
    assert_eq!(workload.run(), "left");
    let report = tracer.stop();
    workload.end();
    report
}

/// Functions of a writer's stack, innermost first.
fn functions(writer: &Value) -> Vec<&str> {
    let frames = writer["native"].as_array().map_or(&[][..], Vec::as_slice);
    frames
        .iter()
        .map(|frame| frame["function"].as_str().unwrap_or("?"))
        .collect()
}

#[test]
fn a_stack_of_more_calls_than_are_kept_is_told_as_cut() {
    for backend in usable_backends("stacks-deep") {
        let report = traced("frames-deep", Some(backend), &["--stacks"]);
        let cut = report.written(|writer| {
            let functions = functions(writer);
            // The leaf, its return address, and the chain of frame pointers.
            functions.len() == 1 + 1 + 64
                && functions[1..].iter().all(|name| *name == "frames_deeper")
                && writer["native_end"] == "limit"
        });
        assert_eq!(cut, PAGES, "{backend}: {}", report.0["writers"]);
    }
}

/// Code built without frame pointers, such as the standard library that calls these functions, ends
/// a stack.
#[test]
fn nothing_is_invented_where_frame_pointers_end() {
    if !can_trace("stacks-end") {
        return;
    }
    let report = traced("frames", None, &["--stacks"]);
    let all = report.written(|writer| writer["native"].is_array());
    let ended = report.written(|writer| {
        let outermost = functions(writer)
            .last()
            .is_some_and(|name| *name == "_start");
        writer["native_end"] == "lost" || outermost
    });
    assert!(ended == all && all >= PAGES, "{}", report.0["writers"]);
}

#[test]
fn a_system_calls_caller_is_told() {
    for backend in usable_backends("stacks-call") {
        let report = traced("read-into", Some(backend), &["--stacks"]);
        let by_read = report.written(|writer| {
            let frames = writer["native"].as_array().map_or(&[][..], Vec::as_slice);
            let outer = |frame: &Value| frame["module"] == "workload";
            writer["kind"] == "kernel"
                && frames.first().is_some_and(|frame| {
                    let name = frame["function"].as_str().unwrap_or_default();
                    name.contains("read") && frame["module"] != "workload"
                })
                && frames[1..].iter().all(outer)
                && frames.len() > 1
        });
        assert_eq!(by_read, PAGES, "{backend}: {}", report.0["writers"]);
        assert_eq!(report.losses().len(), 0, "{backend}: {:?}", report.losses());
    }
}

#[test]
fn stacks_are_taken_only_if_they_are_asked_for() {
    if !can_trace("stacks-off") {
        return;
    }
    let report = traced("frames", None, &[]);
    let told = report.written(|writer| {
        writer["native"].is_null()
            && writer["native_end"].is_null()
            && writer["function"] == "frames_leaf"
    });
    assert_eq!(told, PAGES, "{}", report.0["writers"]);
}

#[test]
fn code_that_a_program_makes_is_named_by_the_program() {
    if !can_trace("stacks-made") {
        return;
    }
    let report = traced_until_gone("made-code", 1);
    // The child's own perf map does not have it, but the parent's does.
    let by_parent = report.written(|writer| {
        writer["function"] == "made_by_parent" && functions(writer)[0] == "made_by_parent"
    });
    assert_eq!(by_parent, PAGES, "{}", report.0["writers"]);
    // The second case has very many mappings. They are read just before the code is made, and next after 0.16 s (16 µs
    // for each mapping). Four looks take longer than that.
    for (case, looks) in [("made-code-own", 1), ("made-code-crowded", 4)] {
        let report = traced_until_gone(case, looks);
        for name in ["made_by_one", "made_by_other"] {
            let own = report.written(|writer| writer["function"] == name);
            assert_eq!(own, PAGES, "{case}: {name}: {}", report.0["writers"]);
        }
        assert_eq!(report.0["loss"]["code_gone"], json!(0), "{case}");
    }
}

/// Of the copies by an interpreter with frame pointers, at least this share come from a Python
/// function: the rest is the interpreter's own work.
const PYTHON_SHARE: f64 = 0.9;

/// CPython since 3.12 generates code for each Python function and describes it in a perf map (`-X
/// perf`).
#[test]
fn functions_of_python_are_among_the_native_calls() {
    if !can_trace("stacks-python") {
        return;
    }
    let mut found = false;
    for python in interpreters() {
        if python.version < (3, 12) {
            continue;
        }
        let report = dumped(&python);
        let whole = |writer: &Value| functions(writer).contains(&"Py_BytesMain");
        let all = report.written(|writer| writer["native"].is_array());
        let by_frames = report.written(whole);
        // Distributions build it without frame pointers up to 3.14.
        if by_frames * 2 < all {
            continue;
        }
        found = true;
        let by_python = report.written(|writer| {
            let functions = functions(writer);
            let is_python = |name: &&str| name.starts_with("py::JSONEncoder.");
            whole(writer) && functions.iter().any(is_python)
        });
        assert!(
            by_python as f64 >= PYTHON_SHARE * by_frames as f64,
            "{python}: {by_python} of {by_frames}; {}",
            report.0["writers"]
        );
    }
    if !found {
        println!("SKIPPED stacks-python: no CPython here is built with frame pointers");
    }
}

/// Makes the workers encode their inherited data.
fn dumped(python: &Interpreter) -> Report {
    let mut command = python.command();
    let mut service = Service::start(command.args(["-X", "perf", "-c", SERVICE]));
    service.answer();
    let pid = service.pid().to_string();
    let tracer = Tracer::start(&["--pid", &pid, "-i", "200ms", "--stacks"]);
    service.say("dump");
    service.answer();
    let report = tracer.stop();
    service.end();
    report
}
