//! How a command ended is printed, recorded, and passed on: a failed run must not look like a good
//! one.

use std::process::{Command, Output, Stdio};

use cowtrace_tests::{
    python,
    recorded::{Folder, reported},
    report::{Report, number},
    terminal::on_terminal,
    tracer::{Tracer, can_trace, program},
    workload::Workload,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

fn traced(arguments: &[&str], script: &str) -> Output {
    Command::new(program("cowtrace"))
        .args(arguments)
        .args(["--", "sh", "-c", script])
        .stdin(Stdio::null())
        .output()
        .expect("cowtrace runs")
}

/// How the master ended, from a report.
fn exit_in(text: &str) -> Value {
    let report = Report::parse(text);
    let mut masters = report
        .processes()
        .iter()
        .filter(|it| it["role"] == "master");
    masters.next_back().expect("a master")["exit"].clone()
}

/// 64 MiB, then two workers for some seconds.
const LOADS: &str = "
import os, time
data = bytearray(64 << 20)
for page in range(0, len(data), 4096):
    data[page] = 1
time.sleep(1.5)
for _ in range(2):
    if os.fork() == 0:
        time.sleep(4)
        os._exit(0)
for _ in range(2):
    os.wait()
";

#[test]
fn what_a_command_behind_a_script_loads_before_it_forks_is_no_growth() {
    if !can_trace("loading command") {
        return;
    }
    // The script forks before the service does, and some of what it starts forks too.
    let script = "for each in 1 2 3; do (echo $each; true) | cat; sh -c 'echo $(echo)'; done >&2; \
                  sleep 1.2; exec \"$0\" -c \"$1\"";
    let python = python();
    let output = Command::new(program("cowtrace"))
        .args(["--no-keep", "-f", "json", "--", "sh", "-c", script])
        .args([python.as_str(), LOADS])
        .stdin(Stdio::null())
        .output()
        .expect("cowtrace runs");
    let report = Report::parse(&String::from_utf8_lossy(&output.stdout));
    let verdict = &report.0["verdict"];
    let loaded = number(verdict, "loaded_before_fork_bytes") >> 20;
    println!("{loaded} MiB loaded: {verdict}");
    // The interpreter's own memory is some MiB.
    assert!((64..80).contains(&loaded), "{verdict}");
    assert_eq!(verdict["kind_of_processes"], "nothing-grew", "{verdict}");
    assert!(number(verdict, "new_bytes") < 4 << 20, "{verdict}");
}

#[test]
fn a_command_that_failed_fails_the_trace_after_its_report() {
    if !can_trace("failing command") {
        return;
    }
    let folder = Folder::new("failed");
    for (script, exit, says) in [
        ("exit 7", json!({"status": 7}), "exited with status 7"),
        (
            "kill -SEGV $$",
            json!({"signal": 11, "signal_name": "SIGSEGV"}),
            "was killed by SIGSEGV",
        ),
        (
            "kill -KILL $$",
            json!({"signal": 9, "signal_name": "SIGKILL"}),
            "was killed by SIGKILL",
        ),
    ] {
        let run = folder.path(&says.replace(' ', "-"));
        let output = traced(&["-f", "json", "-o", &run], script);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let failures: Vec<&str> = errors
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(failures.len(), 1, "{errors}");
        assert!(
            failures[0].starts_with(&format!("error: the command {says}")),
            "{errors}"
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if script == "exit 7" {
            let headline = &Report::parse(&text).0["verdict"]["headline"];
            assert_eq!(
                headline,
                "THE COMMAND EXITED WITH STATUS 7 AT ONCE, BEFORE ANYTHING COULD BE SEEN"
            );
        }
        let told = exit_in(&text);
        for (key, value) in exit.as_object().expect("an object") {
            assert_eq!(&told[key], value, "{told}");
        }
        assert_eq!(told["with_trace"], false);
        assert_eq!(reported(&run, "json"), text);
        let output = Command::new(program("cowtrace"))
            .args(["report", &run])
            .output();
        let text = String::from_utf8(output.expect("cowtrace runs").stdout).expect("text");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!(") {says}")), "{text}");
        let output = traced(&["--ignore-command-status"], script);
        assert!(output.status.success(), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("error"), "{errors}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn a_command_that_succeeded_or_was_ended_does_not_fail_the_trace() {
    if !can_trace("succeeding command") {
        return;
    }
    let output = traced(&["-f", "json"], "exit 0");
    assert!(output.status.success(), "{output:?}");
    let exit = exit_in(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(
        (&exit["status"], &exit["oom_kills"]),
        (&json!(0), &json!(0))
    );
    // Ended by the trace, with whatever status; by somebody else's SIGTERM; by its reader.
    for (arguments, script) in [
        (
            &["-d", "300ms"][..],
            "trap 'exit 5' TERM; while :; do sleep 0.05; done",
        ),
        (&[], "kill $$"),
        (&[], "kill -PIPE $$"),
    ] {
        let output = traced(&[&["-f", "json"], arguments].concat(), script);
        assert!(output.status.success(), "{script}: {output:?}");
    }
}

#[test]
fn a_terminals_interrupt_is_not_the_commands_failure() {
    if !can_trace("interrupted command") {
        return;
    }
    let folder = Folder::new("interrupted");
    let run = folder.path("run.cow");
    let cowtrace = program("cowtrace").display().to_string();
    for command in [
        "trap 'exit 3' INT; while :; do sleep 0.05; done",
        "exec sleep 60",
    ] {
        let script = "exec $0 --force -f json -o $1 -- sh -c \"$2\"";
        let ended = on_terminal("interrupt", "1.5", script, &[&cowtrace, &run, command]);
        assert_eq!(ended.status, 0, "{}", ended.written);
        let exit = exit_in(&reported(&run, "json"));
        // It may have exited before the trace ended, or after.
        assert!(exit.is_null() || exit["with_trace"] == true, "{exit}");
    }
}

#[test]
fn how_a_master_ended_is_told_though_it_is_nobodys_command() {
    if !can_trace("killed master") {
        return;
    }
    let workload = Workload::prepare("child-writes");
    let tracer = Tracer::of(workload.pid());
    let pid = i32::try_from(workload.pid()).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is ours");
    // Nobody has reaped it: it is a zombie.
    let report = tracer.wait();
    let masters = report.processes().iter().find(|it| it["role"] == "master");
    let exit = &masters.expect("a master")["exit"];
    assert_eq!(exit["signal_name"], "SIGKILL", "{exit}");
    assert_eq!(exit["with_trace"], false);
    drop(workload);
}
