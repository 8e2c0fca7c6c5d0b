//! Whatever happens to standard error, standard output or the terminal, a trace ends with its
//! report, or says that the report is lost.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use cowtrace_tests::{
    recorded::{Folder, reported},
    report::{Report, number},
    terminal::on_terminal,
    tracer::{can_trace, program, take_hangups},
};

/// Runs a shell script whose `$0` is cowtrace and `$1` a file.
fn shell(script: &str, file: &str) -> Output {
    Command::new("sh")
        .args(["-c", script])
        .arg(program("cowtrace"))
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .expect("sh runs")
}

#[test]
fn a_terminal_that_is_closed_ends_the_trace_with_its_report() {
    if !can_trace("closed terminal") {
        return;
    }
    take_hangups();
    let folder = Folder::new("hangup");
    let (report, run) = (folder.path("report"), folder.path("run.cow"));
    let cowtrace = program("cowtrace").display().to_string();
    // The progress line is on the terminal, too.
    let script = "exec $0 -v -i 100ms -f json -o $2 -- sleep 60 > $1";
    let ended = on_terminal("close", "2", script, &[&cowtrace, &report, &run]);
    assert_eq!(ended.status, 0, "{}", ended.written);
    assert!(ended.written.contains("copied"), "{}", ended.written);
    let text = fs::read_to_string(&report).expect("the report");
    let live = Report::parse(&text);
    let seconds = number(&live.0["run"], "duration_ns") / 1_000_000_000;
    assert!(seconds < 60, "it did not wait for the command's end");
    assert_eq!(reported(&run, "json"), text);
}

#[test]
fn what_cannot_be_said_does_not_end_the_trace() {
    if !can_trace("standard error") {
        return;
    }
    let folder = Folder::new("unsaid");
    for (index, to) in ["2>&-", "2>/dev/full", "2</dev/null", "<&- 2>&-"]
        .iter()
        .enumerate()
    {
        let run = folder.path(&index.to_string());
        // A short time, so that the trace says that it ended early.
        let script = format!("$0 -vvv -f json -d 60s -o $1 -- true {to}");
        let output = shell(&script, &run);
        assert!(output.status.success(), "{to}: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!Report::parse(&text).processes().is_empty(), "{to}");
        assert_eq!(reported(&run, "json"), text, "{to}");
        // A failure that cannot be printed keeps its status, too.
        let output = shell(&format!("$0 -d 1s -- /no/such/command {to}"), &run);
        assert_eq!(output.status.code(), Some(1), "{to}: {output:?}");
    }
}

#[test]
fn a_report_that_nobody_can_read_is_a_failure_before_the_trace() {
    if !can_trace("standard output") {
        return;
    }
    let folder = Folder::new("unread");
    let began = folder.path("began");
    let output = shell("$0 -- touch $1 >&-", &began);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("the report would be lost"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(folder.names().is_empty(), "nothing was started");
    // Opened read-only, which shows only when it is written.
    let output = shell("$0 -- true 1</dev/null", "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("cannot write the report to standard output"),
        "{errors}"
    );
}

#[test]
fn a_recording_is_report_enough_where_standard_streams_are_closed() {
    if !can_trace("closed streams") {
        return;
    }
    let folder = Folder::new("closed");
    let run = folder.path("run.cow");
    // The command's output must not end up in the recording, as if that were open as 1 or 2.
    let script = "$0 -o $1 -- sh -c 'echo wrong; echo wrong >&2; :' <&- >&- 2>&-";
    let output = shell(script, &run);
    assert!(output.status.success(), "{output:?}");
    let bytes = fs::read(&run).expect("the recording");
    assert!(bytes.starts_with(b"SQLite format 3\0"));
    assert!(
        !Report::parse(&reported(&run, "json"))
            .processes()
            .is_empty()
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_a_normal_end() {
    if !can_trace("closed pipe") {
        return;
    }
    let mut child = Command::new(program("cowtrace"))
        .args(["--no-keep", "--", "true"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cowtrace starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    // Only that the trace has begun, unless the command was faster.
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut lines = errors.lines();
    assert!(
        lines.all(|line| line.starts_with("cowtrace: tracing ")),
        "{errors}"
    );
}
