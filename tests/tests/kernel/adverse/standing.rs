//! Targets that stand still: stopped by a signal, or frozen with their cgroup. Nothing waits for them.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cowtrace_tests::{
    cgroup::TestFreezer,
    pythons::interpreters,
    report::{Report, number},
    tracer::{Tracer, can_trace, program},
    workload::Service,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// A master with rows in a variable and two workers, which read them at a line of input and stay.
const SERVICE: &str = "
import json, os, sys
rows = [str(number) for number in range(100_000)]
gates, workers = [], []
told, tell = os.pipe()
for _ in range(2):
    wait, gate = os.pipe()
    workers.append(os.fork())
    if workers[-1] == 0:
        for other in gates + [gate]: os.close(other)
        while os.read(wait, 1):
            for row in rows: pass
            os.write(tell, b'.')
        os._exit(0)
    os.close(wait)
    gates.append(gate)
print(json.dumps({'workers': workers}), flush=True)
for line in sys.stdin:
    for gate in gates: os.write(gate, b'.')
    for _ in gates: os.read(told, 1)
    print(json.dumps({'done': 'read'}), flush=True)
for gate in gates: os.close(gate)
for worker in workers: os.waitpid(worker, 0)
os._exit(0)
";

/// No step takes this long, even on a busy machine: what waited for a process that stands still would never end.
const PROMPT: Duration = Duration::from_secs(30);

/// How processes are made to stand still.
enum Standstill {
    Stopped,
    Frozen(TestFreezer),
}

impl Standstill {
    /// Until the result is dropped.
    fn begin<'a>(&'a self, pids: &'a [u32]) -> Standing<'a> {
        match self {
            Self::Stopped => send(pids, Signal::SIGSTOP),
            Self::Frozen(group) => group.freeze(pids),
        }
        Standing(self, pids)
    }
}

/// Processes that stand still.
struct Standing<'a>(&'a Standstill, &'a [u32]);

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        match self.0 {
            Standstill::Stopped => send(self.1, Signal::SIGCONT),
            Standstill::Frozen(group) => group.thaw(),
        }
    }
}

fn send(pids: &[u32], signal: Signal) {
    for pid in pids {
        kill(Pid::from_raw(pid.cast_signed()), signal).expect("it is there");
    }
}

/// What `act` gives, which does not take long.
#[track_caller]
fn promptly<Given>(what: &str, act: impl FnOnce() -> Given) -> Given {
    let begun = Instant::now();
    let given = act();
    assert!(begun.elapsed() < PROMPT, "{what}: {:?}", begun.elapsed());
    given
}

/// Copies of each worker.
fn copies(report: &Report, workers: &[u32]) -> Vec<u64> {
    let copied = |pid: &u32| number(report.images(*pid)[0], "copied_pages");
    workers.iter().map(copied).collect()
}

/// Traces a service that stands still from the start, and one that stands still at the end.
fn stands(by: &Standstill) {
    let mut pythons = interpreters();
    pythons.retain(|python| python.version >= (3, 11) && !python.is_free);
    let python = pythons.pop().expect("a CPython of 3.11 or later");
    let mut service = Service::start(python.command().args(["-c", SERVICE]));
    let workers = service.answer()["workers"].clone();
    let workers = workers.as_array().expect("pids").iter();
    let workers: Vec<u32> = workers
        .map(|pid| pid.as_u64().expect("a pid") as u32)
        .collect();
    let all = [&[service.pid()], &workers[..]].concat();
    let standing = by.begin(&all);
    let report = promptly("from the start", || {
        let tracer = Tracer::of(service.pid());
        tracer.has_looked();
        tracer.stop()
    });
    assert_eq!(copies(&report, &workers), [0, 0], "nobody ran");
    promptly("cowtrace heap", || {
        let mut heap = Command::new(program("cowtrace"));
        heap.args(["heap", "--pid", &service.pid().to_string()]);
        let output = heap.stdin(Stdio::null()).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("rows"), "{text}");
    });
    drop(standing);
    let mut tracer = Tracer::of(service.pid());
    tracer.has_found_an_interpreter();
    service.say("read");
    assert_eq!(service.answer()["done"], "read");
    let standing = by.begin(&all);
    let report = promptly("at the end", || tracer.stop());
    // 100,000 strings of 46 bytes and more.
    let copied = copies(&report, &workers);
    assert!(
        copied.iter().all(|pages| *pages > 100_000 * 46 / 4096),
        "{copied:?}"
    );
    let held = report.0["holders"].as_array().expect("holders").iter();
    let names: Vec<&Value> = held.map(|it| &it["path"]).collect();
    assert!(
        names.iter().any(|name| name.to_string().contains("rows")),
        "{names:?}"
    );
    drop(standing);
    service.say("read");
    assert_eq!(service.answer()["done"], "read", "the service still works");
    service.end();
}

#[test]
fn a_stopped_service_is_traced_and_read_without_waiting_for_it() {
    if can_trace("stopped service") {
        stands(&Standstill::Stopped);
    }
}

#[test]
fn a_frozen_service_is_traced_and_read_without_waiting_for_it() {
    if !can_trace("frozen service") {
        return;
    }
    match TestFreezer::new() {
        Some(group) => stands(&Standstill::Frozen(group)),
        None => println!("SKIPPED frozen service: no cgroup of version 2 can be made here"),
    }
}

#[test]
fn a_command_that_is_stopped_at_the_end_does_not_hold_up_the_report() {
    if !can_trace("stopped command") {
        return;
    }
    let script = "exec > /dev/null; echo mine is $$ >&2; kill -STOP $$; exit 7";
    let mut tracer = Tracer::start_with_input(&["-d", "300ms", "--", "sh", "-c", script]);
    tracer.hear("mine is ");
    let (report, said) = promptly("its end", || tracer.wait_and_hear());
    let master = report.processes().iter().find(|it| it["comm"] == "sh");
    let pid = number(master.expect("the shell"), "pid") as u32;
    // It has been sent SIGTERM, and SIGCONT so that it can act on it.
    assert!(!said.contains("still running"), "{said}");
    let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
    assert!(comm.is_err(), "{comm:?}");
}
