//! However a trace ends, it prints its report; if it cannot begin, it says why.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cowtrace_tests::{
    report::{Report, number},
    tracer::{Tracer, can_trace, program, take_hangups},
    workload::Workload,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A traced case, ended by `end`, with its copies counted.
fn ends(test: &str, end: impl FnOnce(Tracer, Workload) -> cowtrace_tests::report::Report) {
    if !can_trace(test) {
        return;
    }
    let mut workload = Workload::prepare("child-writes");
    let tracer = Tracer::of(workload.pid());
    assert_eq!(workload.writers()[0].changed, 1000);
    let report = end(tracer, workload);
    assert!(number(&report.0["totals"], "copied_pages") >= 1000);
}

#[test]
fn an_interrupt_ends_with_the_report() {
    ends("interrupt", |tracer, _workload| {
        tracer.end_with(Signal::SIGINT)
    });
}

/// Who types Ctrl-C a second time only waits for the same report.
#[test]
fn two_interrupts_end_with_one_report() {
    ends("interrupts", |tracer, _workload| {
        let pid = Pid::from_raw(tracer.pid().cast_signed());
        kill(pid, Signal::SIGINT).expect("cowtrace is there");
        std::thread::sleep(Duration::from_millis(5));
        // Nobody has waited for it: it is there even if it has ended.
        kill(pid, Signal::SIGINT).expect("cowtrace is there");
        tracer.wait()
    });
}

#[test]
fn a_termination_ends_with_the_report() {
    ends("termination", |tracer, _workload| {
        tracer.end_with(Signal::SIGTERM)
    });
}

#[test]
fn a_hangup_ends_with_the_report() {
    take_hangups();
    ends("hangup", |tracer, _workload| {
        tracer.end_with(Signal::SIGHUP)
    });
}

#[test]
fn a_hangup_that_is_ignored_from_the_start_ends_nothing() {
    if !can_trace("nohup") {
        return;
    }
    let script = "trap '' HUP; $0 -f json -d 2s -- sleep 60 & sleep 1; kill -HUP $!; wait $!";
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", script]).arg(program("cowtrace")).output();
    let report = Report::parse(&String::from_utf8_lossy(&output.expect("sh runs").stdout));
    assert!(number(&report.0["run"], "duration_ns") >= 2_000_000_000);
}

#[test]
fn the_masters_exit_ends_with_the_report() {
    ends("master's exit", |tracer, workload| {
        workload.end();
        tracer.wait()
    });
}

#[test]
fn the_duration_ends_with_the_report() {
    if !can_trace("duration") {
        return;
    }
    let mut workload = Workload::prepare("child-writes");
    let begun = Instant::now();
    let report = Tracer::start(&["--pid", &workload.pid().to_string(), "-d", "500ms"]).wait();
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert!(number(&report.0["run"], "duration_ns") >= 500_000_000);
    assert_eq!(number(&report.0["totals"], "copied_pages"), 0);
    workload.run();
    workload.end();
}

#[test]
fn a_killed_tracer_leaves_the_service_and_the_kernel_as_they_were() {
    if !can_trace("kill") {
        return;
    }
    let mut workload = Workload::prepare("three-children");
    let tracer = Tracer::of(workload.pid());
    let pid = tracer.pid();
    let programs = || program_ids_of(pid);
    assert!(
        programs().is_some_and(|ids| ids.len() >= 6),
        "{:?}",
        programs()
    );
    let ids = programs().unwrap_or_default();
    tracer.kill();
    assert_eq!(workload.writers().len(), 3, "the service goes on");
    workload.end();
    // The kernel frees programs some time after the last descriptor is closed.
    let gone = || ids.iter().all(|id| !loaded(*id));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !gone() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(gone(), "programs {ids:?} are still loaded");
}

/// Ids of the BPF programs that a process holds, from its descriptors.
fn program_ids_of(pid: u32) -> Option<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).ok()?;
    let id = |text: String| {
        text.lines()
            .find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
    };
    Some(
        entries
            .filter_map(|entry| id(fs::read_to_string(entry.ok()?.path()).ok()?))
            .collect(),
    )
}

/// Whether any process still holds a program.
fn loaded(id: u32) -> bool {
    let processes = fs::read_dir("/proc")
        .expect("/proc is there")
        .filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(program_ids_of).any(|ids| ids.contains(&id))
}

#[test]
fn a_command_that_cannot_be_started_says_so() {
    if !can_trace("no such command") {
        return;
    }
    let output = Command::new(program("cowtrace"))
        .args(["--", "/no/such/command"])
        .output()
        .expect("cowtrace runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("error: cannot start /no/such/command: No such file"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_command_that_cannot_be_started_replaces_no_recording() {
    if !can_trace("no such command, recorded") {
        return;
    }
    let name = format!("cannot-start-{}.cow", std::process::id());
    let old = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for before in [None, Some("an older run")] {
        if let Some(before) = before {
            fs::write(&old, before).expect("a file");
        }
        let output = Command::new(program("cowtrace"))
            .args(["--force", "-o"])
            .arg(&old)
            .args(["--", "/no/such/command"])
            .output()
            .expect("cowtrace runs");
        assert_eq!(output.status.code(), Some(1));
        let after = fs::read_to_string(&old).ok();
        assert_eq!(after.as_deref(), before);
    }
    fs::remove_file(old).expect("it is there");
}

#[test]
fn a_command_that_ignores_its_end_is_told() {
    if !can_trace("stubborn") {
        return;
    }
    // Until its input ends, however long the trace takes to end on a busy machine.
    let script = "exec > /dev/null 2>&1; trap '' TERM; read line";
    let mut child = Command::new(program("cowtrace"))
        .args(["-d", "300ms", "-f", "json", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cowtrace starts");
    let input = child.stdin.take();
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(
        errors.contains("ignores SIGTERM and is still running"),
        "{errors}"
    );
}

#[test]
fn a_target_that_is_itself_a_worker_is_hinted_at() {
    if !can_trace("hint") {
        return;
    }
    let mut workload = Workload::prepare("waiting-workers");
    workload.run();
    let children = format!("/proc/{0}/task/{0}/children", workload.pid());
    let children = fs::read_to_string(children).expect("its children");
    let worker = children.split(' ').next().expect("a worker");
    let output = Command::new(program("cowtrace"))
        .args(["--pid", worker, "-d", "100ms"])
        .output()
        .expect("cowtrace runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains(&format!("trace --pid {}", workload.pid())),
        "{errors}"
    );
    workload.run();
    workload.end();
}

#[test]
fn under_sudo_a_command_runs_as_the_invoking_user() {
    if !can_trace("sudo") {
        return;
    }
    let report = |sudo: &[(&str, &str)]| {
        let mut command = Command::new(program("cowtrace"));
        command
            .args(["-f", "json", "--", "sh", "-c", "id -u >&2; id -g >&2"])
            .envs(sudo.iter().copied());
        let output = command.output().expect("cowtrace runs");
        assert!(output.status.success(), "{output:?}");
        // In addition to cowtrace's own output.
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let of_command = errors
            .lines()
            .filter(|line| !line.starts_with("cowtrace: "));
        of_command.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        report(&[("SUDO_UID", "65534"), ("SUDO_GID", "65534")]),
        "65534 65534"
    );
    assert_eq!(report(&[]), "0 0");
}

#[test]
fn a_command_outlived_by_its_trace_is_ended_after_the_duration() {
    if !can_trace("outlived") {
        return;
    }
    let begun = Instant::now();
    let mut child = Command::new(program("cowtrace"))
        .args(["-d", "300ms", "-f", "json", "--", "sleep", "60"])
        .stdout(Stdio::null())
        .spawn()
        .expect("cowtrace runs");
    let status = child.wait().expect("it ends");
    assert!(status.success() && status.signal().is_none(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_report_to_a_full_disk_is_an_error() {
    if !can_trace("full") {
        return;
    }
    let full = fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full is there");
    let output = Command::new(program("cowtrace"))
        .args(["--", "true"])
        .stdout(full)
        .output()
        .expect("cowtrace runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("cannot write the report") && errors.contains("No space left"),
        "{errors}"
    );
}

#[test]
fn thrice_verbose_tells_what_the_kernel_side_does() {
    if !can_trace("verbose") {
        return;
    }
    let output = Command::new(program("cowtrace"))
        .args(["-vvv", "-f", "json", "--", "sh", "-c", "(:)"])
        .output()
        .expect("cowtrace runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    for said in ["exec: task", "fork: task", "copied: task"] {
        assert!(errors.contains(said), "{said} in {errors}");
    }
    assert!(!errors.contains("aya"), "the loader keeps quiet: {errors}");
}
