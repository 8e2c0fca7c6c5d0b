//! Native names if a program's file names mean something else here: in other mount namespaces and
//! roots, for deleted and stripped files, and for processes that are gone by the end.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    pythons::walkable,
    report::Report,
    tracer::{Tracer, can_trace, program},
    workload::Service,
};
use serde_json::json;

const PAGES: u64 = 1000;

/// A folder of the test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("cowtrace-names-{}-{name}", process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// A copy of the workload.
    fn workload(&self, name: &str) -> PathBuf {
        let copy = self.0.join(name);
        fs::copy(program("workload"), &copy).expect("a copy of the workload");
        copy
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a case of a workload that was started in some way, tracing it with all its descendants.
/// `before` runs when the trace has begun.
fn traced(command: &mut Command, before: impl FnOnce()) -> Report {
    let mut service = Service::start(command);
    service.answer();
    let tracer = Tracer::start(&[
        "--pid",
        &service.pid().to_string(),
        "-i",
        "100ms",
        "--stacks",
    ]);
    before();
    service.say("go");
    service.answer();
    let report = tracer.stop();
    service.end();
    report
}

/// A shell script in its own mount namespace.
fn unshared(more: &[&str], script: &str, folder: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private"])
        .args(more)
        .args(["sh", "-ec", script, "sh"])
        .arg(folder)
        .arg(program("workload"));
    command
}

#[track_caller]
fn expect_leaf(report: &Report, module: &str) {
    let told = report.written(|writer| {
        writer["function"] == "frames_leaf"
            && writer["module"] == module
            && writer["native"][5]["function"] == "frames_outer"
    });
    assert_eq!(told, PAGES, "{}", report.0["writers"]);
    assert_eq!(report.0["loss"]["code_gone"], json!(0));
}

#[test]
fn a_program_in_another_mount_namespace_is_named_by_its_own_file() {
    if !can_trace("names-mounts") {
        return;
    }
    let scratch = Scratch::new("mounts");
    // Outside, another file has that name.
    fs::write(scratch.0.join("hidden"), "not a program").expect("a file");
    let script = "mount -t tmpfs none \"$1\"; cp \"$2\" \"$1/hidden\"; exec \"$1/hidden\" frames";
    let report = traced(&mut unshared(&[], script, &scratch.0), || {});
    expect_leaf(&report, "hidden");
}

/// Of a Python that started it, nothing is known about its code.
#[test]
fn a_program_at_a_fixed_address_below_a_python_is_named() {
    if !can_trace("names-fixed") {
        return;
    }
    let scratch = Scratch::new("fixed");
    let (source, built) = (scratch.0.join("nopie.c"), scratch.0.join("nopie"));
    fs::write(&source, include_str!("nopie.c")).expect("a file");
    let mut compiler = Command::new("cc");
    let made = compiler
        .args(["-O0", "-no-pie", "-o"])
        .args([&built, &source]);
    assert!(made.status().expect("a C compiler").success());
    let python = walkable().pop().expect("a Python");
    let script = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))";
    let mut command = python.command();
    let report = traced(command.args(["-c", script]).arg(&built), || {});
    let told = report.written(|writer| {
        writer["function"] == "update_counters"
            && writer["module"] == "nopie"
            && writer["kind"] == "other"
            && writer["python"].as_array().is_none_or(Vec::is_empty)
    });
    // Two workers write 4,000 pages each; whoever is last may have a page to itself.
    assert_eq!(told, 8_000, "{}", report.0["writers"]);
}

#[test]
fn a_deleted_program_is_named() {
    if !can_trace("names-deleted") {
        return;
    }
    let scratch = Scratch::new("deleted");
    let copy = scratch.workload("deleted");
    let report = traced(Command::new(&copy).arg("frames"), || {
        fs::remove_file(&copy).expect("the copy is there");
    });
    expect_leaf(&report, "deleted");
}

/// A container as far as names are concerned: another root, other mounts, other process ids.
#[test]
fn a_program_in_a_container_is_named_with_the_code_that_it_makes() {
    if !can_trace("names-container") {
        return;
    }
    let scratch = Scratch::new("container");
    let script = "mount -t tmpfs none \"$1\"; cd \"$1\"; mkdir proc tmp; mount -t proc proc proc
        for file in \"$2\" $(ldd \"$2\" | grep -o '/[^ ]*'); do
            mkdir -p \".$(dirname $file)\"; cp \"$file\" \".$file\"
        done
        exec chroot . \"$2\"";
    let namespaces = ["--pid", "--fork", "--kill-child"];
    let run = |case: &str| {
        let script = format!("{script} {case}");
        traced(&mut unshared(&namespaces, &script, &scratch.0), || {})
    };
    expect_leaf(&run("frames"), "workload");
    let report = run("made-code-own");
    for name in ["made_by_one", "made_by_other"] {
        let own = report.written(|writer| writer["function"] == name);
        assert_eq!(own, PAGES, "{name}: {}", report.0["writers"]);
    }
}

/// Generated code whose perf map cannot be trusted, and why.
#[test]
fn a_perf_map_that_is_not_used_is_told_with_the_reason() {
    if !can_trace("names-refused") {
        return;
    }
    let scratch = Scratch::new("refused");
    for (spoil, reason) in [
        (
            "touch $map; chown 65534 $map",
            "was not used: it belongs to user 65534, but the process runs as user 0",
        ),
        (
            "ln -s /tmp/elsewhere $map",
            "was not used: it is a symbolic link, or its folder is",
        ),
        // Opened for both reading and writing, so that nobody waits for the other end.
        (
            "mkfifo $map; exec 3<>$map",
            "was not used: it is not a regular file",
        ),
    ] {
        // A folder for everybody, but without the sticky bit: in sticky ones the kernel protects
        // links and files. The program may lie in the folder that it hides.
        let script = format!(
            "exec 9<\"$2\"; mount -t tmpfs -o mode=755 none /tmp; map=/tmp/perf-$$.map; {spoil}
             exec /proc/self/fd/9 made-code"
        );
        let mut service = Service::start(&mut unshared(&[], &script, &scratch.0));
        service.answer();
        let pid = service.pid();
        let tracer = Tracer::start(&["--pid", &pid.to_string(), "-i", "100ms"]);
        service.say("go");
        service.answer();
        let report = tracer.stop();
        service.end();
        let told = report.written(|writer| writer["function"] == "made_by_parent");
        assert_eq!(told, 0, "{spoil}: {}", report.0["writers"]);
        let expected = json!([{ "pid": pid, "problem": reason }]);
        assert_eq!(
            report.0["run"]["perf_map_problems"], expected,
            "{spoil}: {} {}",
            report.0["writers"], report.0["loss"]
        );
    }
}

#[test]
fn a_stripped_program_is_told_by_offset() {
    if !can_trace("names-stripped") {
        return;
    }
    let scratch = Scratch::new("stripped");
    let copy = scratch.workload("stripped");
    // No sections at all (e_shoff, e_shnum, e_shstrndx), so neither symbols nor debug information.
    let mut bytes = fs::read(&copy).expect("the copy");
    bytes[0x28..0x30].fill(0);
    bytes[0x3c..0x40].fill(0);
    fs::write(&copy, bytes).expect("the copy can be written");
    let report = traced(Command::new(&copy).arg("frames"), || {});
    let told = report.written(|writer| {
        let function = writer["function"].as_str().unwrap_or_default();
        function.starts_with("stripped+0x") && writer["module"] == "stripped"
    });
    assert!(told >= PAGES, "{}", report.0["writers"]);
}

#[test]
fn what_is_gone_by_the_end_was_looked_at_before() {
    if !can_trace("names-gone") {
        return;
    }
    let scratch = Scratch::new("gone");
    let copy = scratch.workload("gone");
    // Alive until it was examined; then neither process nor file exists.
    let script = "\"$1\" frames > \"$1.out\"; rm \"$1\"";
    let words = ["--stacks", "--", "sh", "-ec", script, "sh"];
    let path = copy.to_str().expect("a plain name");
    let mut tracer = Tracer::start_with_input(&[&words[..], &[path]].concat());
    tracer.say("go");
    until_done(&scratch.0.join("gone.out"));
    tracer.has_looked();
    tracer.say_no_more();
    let report = tracer.wait();
    assert!(!copy.exists());
    let told = report.written(|writer| writer["function"] == "frames_leaf");
    assert_eq!(told, PAGES, "{}", report.0["writers"]);
}

/// Waits until a workload has written that it is done.
fn until_done(output: &Path) {
    let begun = Instant::now();
    while !fs::read_to_string(output).is_ok_and(|text| text.contains("\"done\"")) {
        assert!(begun.elapsed() < Duration::from_mins(1), "it is not done");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Either no process could be examined, or one was in time: in both cases nothing is missing.
#[test]
fn code_of_a_process_that_was_gone_too_soon_is_counted_as_such() {
    if !can_trace("names-too-soon") {
        return;
    }
    let scratch = Scratch::new("soon");
    let copy = scratch.workload("soon");
    let script = "echo go | \"$1\" frames > \"$1.out\"; mv \"$1\" \"$1.moved\"; sleep 0.3";
    let words = ["--", "sh", "-ec", script, "sh"];
    let path = copy.to_str().expect("a plain name");
    let report = Tracer::start(&[&words[..], &[path]].concat()).wait();
    let known = report.written(|writer| writer["function"] == "frames_leaf");
    // At best by its module, if no more was examined in time.
    let unnamed = report.written(|writer| {
        let function = writer["function"].as_str().unwrap_or("soon+");
        writer["kind"] == "other" && function.starts_with("soon+")
    });
    assert!(known + unnamed >= PAGES, "{}", report.0["writers"]);
    let gone = report.0["loss"]["code_gone"].as_u64().expect("a number");
    assert!(gone >= unnamed, "{gone}; {}", report.0["writers"]);
}
