//! A service that replaces its master, as gunicorn does on SIGUSR2: the trace goes on with the next one, or says at
//! its end who is still alive.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    python,
    report::{Report, number},
    tracer::{Tracer, can_trace, program},
    workload::Service,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A master with a worker. On a line of input it forks a successor, which may start the program
/// anew and has two workers. On SIGTERM it exits, its worker first. The successor exits when the
/// input ends.
const SERVICE: &str = "
import json, os, signal, sys

def say(**answer):
    print(json.dumps(answer), flush=True)

def worker(*others):
    wait, hold = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(hold)
        os.read(wait, 1)
        os._exit(0)
    os.close(wait)
    return pid, hold

def succeed():
    workers = [worker() for _ in range(2)]
    say(successor=os.getpid(), workers=[pid for pid, _ in workers])
    os.read(0, 1)
    # A worker has the pipes of those before it.
    for _, hold in workers:
        os.close(hold)
    for pid, _ in workers:
        os.waitpid(pid, 0)
    os._exit(0)

if sys.argv[1] == 'successor':
    succeed()
pid, hold = worker()

def end(*_):
    os.close(hold)
    os.waitpid(pid, 0)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
say(ready=os.getpid())
os.read(0, 100)
if os.fork() == 0:
    os.close(hold)
    if sys.argv[1] == 'exec':
        os.execv(sys.executable, [sys.executable, '-c', sys.argv[2], 'successor'])
    succeed()
while True:
    signal.pause()
";

/// Waits until a process has exited, so that the test leaves none behind.
fn until_gone(pid: u64) {
    let begun = Instant::now();
    let lives = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    while lives() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{pid} stays");
        thread::sleep(Duration::from_millis(10));
    }
}

fn pid_of(answer: &serde_json::Value) -> u32 {
    u32::try_from(answer.as_u64().expect("a number")).expect("a pid")
}

/// A traced service whose master has a successor, made in this way, and is told to end; with the pids.
fn succeeded(how: &str) -> (Service, Tracer, serde_json::Value) {
    let mut service = Service::start(Command::new(python()).args(["-c", SERVICE, how, SERVICE]));
    let old = pid_of(&service.answer()["ready"]);
    let tracer = Tracer::of(old);
    service.say("succeed");
    let mut answer = service.answer();
    answer["old"] = old.into();
    let pid = Pid::from_raw(i32::try_from(old).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("it is ours");
    (service, tracer, answer)
}

#[test]
fn a_successor_of_the_master_is_named_with_the_command_that_traces_it() {
    if !can_trace("successor") {
        return;
    }
    let (service, tracer, answer) = succeeded("fork");
    let new = pid_of(&answer["successor"]);
    let (report, said) = tracer.wait_and_hear();
    let name = fs::read_to_string(format!("/proc/{new}/comm")).expect("it lives");
    let expected = format!(
        "cowtrace: every target has exited, but 3 descendants still live: {new} ({}); \
         continue with `cowtrace --pid {new}`",
        name.trim()
    );
    assert!(said.lines().any(|line| line == expected), "{said}");
    for pid in answer["workers"]
        .as_array()
        .expect("pids")
        .iter()
        .map(pid_of)
    {
        let worker = report.images(pid);
        assert!(worker[0]["exited_ns"].is_null(), "{worker:?}");
    }
    // According to its output.
    let output = Command::new(program("cowtrace"))
        .args(["--pid", &new.to_string(), "-d", "300ms", "-f", "json"])
        .output()
        .expect("cowtrace runs");
    assert!(output.status.success(), "{output:?}");
    let next = Report::parse(&String::from_utf8_lossy(&output.stdout));
    let mut pids: Vec<u64> = next
        .processes()
        .iter()
        .map(|it| number(it, "pid"))
        .collect();
    pids.sort_unstable();
    let workers = answer["workers"].as_array().expect("pids").iter();
    let mut expected: Vec<u64> = workers.map(|pid| u64::from(pid_of(pid))).collect();
    expected.push(u64::from(new));
    expected.sort_unstable();
    assert_eq!(pids, expected);
    service.end();
    expected.into_iter().for_each(until_gone);
}

#[test]
fn a_successor_that_runs_the_masters_program_takes_its_place() {
    if !can_trace("successor by exec") {
        return;
    }
    let (service, tracer, answer) = succeeded("exec");
    let (old, new) = (pid_of(&answer["old"]), pid_of(&answer["successor"]));
    until_gone(u64::from(old));
    // Fails if the trace has ended.
    tracer.has_looked();
    let report = tracer.stop();
    let images = report.images(new);
    let last = images.last().expect("the successor");
    assert_eq!(last["role"], "master", "{images:?}");
    for worker in answer["workers"].as_array().expect("pids") {
        let worker = report.images(pid_of(worker))[0];
        assert_eq!(worker["parent_id"], last["id"], "{worker:?}");
    }
    assert!(!report.images(old)[0]["exited_ns"].is_null());
    service.end();
    until_gone(u64::from(new));
}

#[test]
fn nobody_is_named_where_nobody_lives_on() {
    if !can_trace("no successor") {
        return;
    }
    let mut service = Service::start(Command::new(python()).args(["-c", SERVICE, "fork", SERVICE]));
    let old = pid_of(&service.answer()["ready"]);
    let tracer = Tracer::of(old);
    let pid = Pid::from_raw(i32::try_from(old).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("it is ours");
    let (_, said) = tracer.wait_and_hear();
    assert!(!said.contains("still live"), "{said}");
    service.end();
}
