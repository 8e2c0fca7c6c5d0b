//! Recordings of traces that were killed: what they say of memory by then.

use std::{process::Command, thread, time::Duration};

use cowtrace_tests::{
    python,
    recorded::{Folder, reported},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};

/// A service whose two workers keep 1.25 MiB more each second, while their master lives.
const KEEPING: &str = "
import os, sys, time
kept = []
master = os.getpid()
for _ in range(2):
    if os.fork() == 0:
        while os.getppid() == master:
            kept.append(bytearray(b'x' * (1 << 17)))
            time.sleep(0.1)
        os._exit(0)
print('{\"workers\": []}', flush=True)
os.read(0, 1)
";

#[test]
fn a_killed_trace_of_a_while_has_the_verdict_and_balances() {
    if !can_trace("verdict of a killed recording") {
        return;
    }
    let folder = Folder::new("killed-verdict");
    let path = folder.path("run.cow");
    let mut service = Service::start(Command::new(python()).args(["-c", KEEPING]));
    service.answer();
    let tracer = Tracer::by(None, service.pid(), &["-o", &path]);
    // From 20 s on there is a verdict; a snapshot comes each second.
    thread::sleep(Duration::from_secs(24));
    tracer.kill();
    service.end();
    let report = Report::parse(&reported(&path, "json"));
    assert_eq!(report.0["run"]["unfinished"], true);
    let verdict = &report.0["verdict"];
    assert_eq!(verdict["kind_of_processes"], "growing", "{verdict}");
    let processes = report.processes().iter();
    let workers: Vec<_> = processes.filter(|it| it["role"] == "worker").collect();
    assert_eq!(workers.len(), 2);
    for worker in workers {
        let (new, held) = (
            number(worker, "new_pages"),
            number(worker, "held_before_pages"),
        );
        assert!(new > 10 * 256 && held > 0, "{worker}");
        let mut balances = report.0["balance"].as_array().expect("balances").iter();
        assert!(
            balances.any(|it| it["process_id"] == worker["id"]),
            "{worker}"
        );
    }
    let text = reported(&path, "text");
    assert!(text.contains("in 2 workers, "), "{text}");
}
