//! Every way to start a trace, for every kind of caller: its recording reproduces the live report
//! to the byte, and processes that only started the command appear in neither.

use std::{
    os::unix::fs::chown,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    recorded::{Folder, interrupt, reported, until_traced},
    report::{Report, number},
    tracer::{can_trace, program},
    workload::Workload,
};

/// `nobody`, who may call sudo too.
const NOBODY: u32 = 65_534;
/// A shell that forks three times: each child writes its inherited memory.
const FORKS: [&str; 3] = ["sh", "-c", "for n in 1 2 3; do (x=$n; :); done; :"];

/// The caller, as sudo's variables say.
fn callers() -> [(&'static str, Option<u32>); 3] {
    [
        ("root", None),
        ("root by sudo", Some(0)),
        ("nobody by sudo", Some(NOBODY)),
    ]
}

/// The program as this caller runs it, for a recording in the caller's own folder.
fn cowtrace(caller: Option<u32>, folder: &Folder) -> Command {
    let mut command = Command::new(program("cowtrace"));
    command.env_remove("SUDO_UID").env_remove("SUDO_GID");
    if let Some(id) = caller {
        chown(&folder.0, Some(id), Some(id)).expect("root may");
        command.env("SUDO_UID", id.to_string());
        command.env("SUDO_GID", id.to_string());
    }
    command.stdin(Stdio::null());
    command
}

/// Fails unless the recording reproduces what the trace printed; returns the report if it is JSON.
#[track_caller]
fn expect_same(who: &str, output: &Output, path: &str, format: &str) -> Option<Report> {
    assert!(output.status.success(), "{who}: {output:?}");
    let live = String::from_utf8(output.stdout.clone()).expect("text");
    assert_eq!(reported(path, format), live, "{who}");
    (format == "json").then(|| Report::parse(&live))
}

/// Fails if the launcher appears in the report of a command: its name is this program's until it
/// starts the command.
#[track_caller]
fn expect_no_launcher(who: &str, report: &Report) {
    let processes = report.processes();
    let names: Vec<&str> = processes
        .iter()
        .map(|process| process["comm"].as_str().expect("a name"))
        .collect();
    assert!(
        !names.is_empty() && !names.iter().any(|name| name.starts_with("cowtrace")),
        "{who}: {names:?}"
    );
    let ids: Vec<u64> = processes
        .iter()
        .map(|process| number(process, "id"))
        .collect();
    let copied: u64 = processes
        .iter()
        .map(|process| number(process, "copied_pages"))
        .sum();
    assert_eq!(number(&report.0["totals"], "copied_pages"), copied, "{who}");
    // Counts written during the trace are from other moments than the last sample.
    if report.0["run"]["unfinished"] == false {
        let samples = report.0["timeline"]["samples"].as_array().expect("samples");
        let last = samples.last().expect("the last");
        assert_eq!(number(last, "copied_pages"), copied, "{who}: {last}");
    }
    for region in report.0["regions"].as_array().expect("regions") {
        let owner = number(region, "process_id");
        assert!(ids.contains(&owner), "{who}: {region}");
    }
}

#[test]
fn a_commands_recording_is_the_live_report_whoever_starts_it() {
    if !can_trace("recorded commands") {
        return;
    }
    for (who, caller) in callers() {
        let folder = Folder::new("starts-command");
        for (name, start) in [("true", &["true"][..]), ("forks", &FORKS)] {
            for format in ["json", "text", "csv"] {
                let path = folder.path(&format!("{name}.{format}"));
                let output = cowtrace(caller, &folder)
                    .args(["-f", format, "-i", "50ms", "-o", &path, "--"])
                    .args(start)
                    .output()
                    .expect("cowtrace runs");
                let Some(report) = expect_same(who, &output, &path, format) else {
                    continue;
                };
                expect_no_launcher(who, &report);
                let copied = number(&report.0["totals"], "copied_pages");
                assert!(copied > 0, "{who}: {name} copied nothing");
            }
        }
    }
}

#[test]
fn a_processs_recording_is_the_live_report_whoever_traces_it() {
    if !can_trace("recorded processes") {
        return;
    }
    for (who, caller) in callers() {
        let folder = Folder::new("starts-pid");
        let path = folder.path("run.cow");
        let mut workload = Workload::prepare("three-children");
        let tracer = cowtrace(caller, &folder)
            .args(["--pid", &workload.pid().to_string(), "-i", "100ms"])
            .args(["-f", "json", "-o", &path])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cowtrace starts");
        until_traced(&path);
        workload.run();
        thread::sleep(Duration::from_millis(300));
        interrupt(tracer.id());
        let output = tracer.wait_with_output().expect("it ends");
        workload.end();
        let report = expect_same(who, &output, &path, "json").expect("JSON");
        expect_no_launcher(who, &report);
    }
}

#[test]
fn the_demos_recording_is_the_live_report_whoever_starts_it() {
    if !can_trace("recorded demo") {
        return;
    }
    for (who, caller) in callers() {
        let folder = Folder::new("starts-demo");
        let path = folder.path("run.cow");
        let output = cowtrace(caller, &folder)
            // For machines that have only the distribution's programs, which everybody may start.
            .env("PATH", "/usr/bin:/bin")
            .args(["demo", "--megabytes", "8", "--workers", "2"])
            .args(["--seconds", "1", "-f", "json", "-o", &path])
            .output()
            .expect("cowtrace runs");
        let report = expect_same(who, &output, &path, "json").expect("JSON");
        expect_no_launcher(who, &report);
        assert!(number(&report.0["totals"], "copied_pages") > 1_000, "{who}");
    }
}

/// The report of an unfinished recording, as soon as it contains a process. Its reused faults are
/// from different moments.
fn so_far(path: &str) -> Report {
    let ends = Instant::now() + Duration::from_mins(1);
    loop {
        let output = Command::new(program("cowtrace"))
            .args(["report", path, "-f", "json"])
            .output()
            .expect("cowtrace runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("damaged"), "{errors}");
        let report = serde_json::from_slice(&output.stdout).map(Report);
        if let Ok(report) = report
            && !report.processes().is_empty()
        {
            return report;
        }
        assert!(Instant::now() < ends, "no process: {errors}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_trace_of_a_command_reads_back() {
    if !can_trace("killed command") {
        return;
    }
    for (who, caller) in callers() {
        let folder = Folder::new("starts-kill");
        let path = folder.path("run.cow");
        let mut tracer = cowtrace(caller, &folder)
            .args(["-o", &path, "-i", "50ms", "--", "sh", "-c"])
            .arg("n=0; while [ $n -lt 200 ]; do (x=1; sleep 0.02); n=$((n+1)); done")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cowtrace starts");
        for _ in 0..5 {
            expect_no_launcher(who, &so_far(&path));
            thread::sleep(Duration::from_millis(400));
        }
        tracer.kill().expect("it is there");
        tracer.wait().expect("it is ours");
        let report = so_far(&path);
        assert_eq!(report.0["run"]["unfinished"], true, "{who}");
        expect_no_launcher(who, &report);
    }
}
