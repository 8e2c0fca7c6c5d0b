//! Processes that start and exit in unusual ways: which are traced, and to whom copies belong.

use std::{collections::BTreeMap, thread::sleep, time::Duration};

use cowtrace_tests::{
    pythons::interpreters,
    report::{Counts, Report, number},
    tracer::{Tracer, can_trace},
    workload::{Service, Workload, writers},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

struct Observed {
    done: Value,
    report: Report,
    counts: BTreeMap<u32, Counts>,
    start: u64,
    end: u64,
    master: u32,
}

fn observe(case: &str) -> Option<Observed> {
    observe_while(case, |_, workload| workload.run())
}

/// Traces a case, and does something before the trace ends.
fn observe_and(case: &str, then: impl FnOnce(&Tracer, &mut Workload)) -> Option<Observed> {
    observe_while(case, |tracer, workload| {
        let done = workload.run();
        then(tracer, workload);
        done
    })
}

/// Traces a case that `run` runs.
fn observe_while(
    case: &str,
    run: impl FnOnce(&Tracer, &mut Workload) -> Value,
) -> Option<Observed> {
    if !can_trace(case) {
        return None;
    }
    let mut workload = Workload::prepare(case);
    let tracer = Tracer::of(workload.pid());
    let done = run(&tracer, &mut workload);
    let report = tracer.stop();
    let (start, end, master) = (workload.start, workload.end, workload.pid());
    workload.end();
    let counts = report.counts_in(start, end);
    Some(Observed {
        done,
        report,
        counts,
        start,
        end,
        master,
    })
}

impl Observed {
    /// Every writer's counts agree with its page frames.
    #[track_caller]
    fn check_writers(&self) {
        for writer in writers(&self.done) {
            let counts = self.counts.get(&writer.pid).copied().unwrap_or_default();
            assert_eq!(counts.copied, writer.changed, "{writer:?}");
        }
    }

    /// A worker's worker has written all, in memory of the worker.
    #[track_caller]
    fn check_grandchild(&self) {
        self.check_writers();
        let grandchild = writers(&self.done)[0];
        assert_eq!(grandchild.changed, 1000);
        let image = self.report.images(grandchild.pid)[0];
        let parent = self.report.process(number(image, "parent_id"));
        assert_ne!(parent["pid"], self.master);
        let region = self
            .report
            .ranges_in(self.start, self.end)
            .find_map(|range| self.report.region(range))
            .unwrap();
        assert_eq!(
            region["process_id"], parent["id"],
            "inherited from the worker, not from the master"
        );
    }
}

#[test]
fn a_workers_worker_is_traced_and_its_memory_is_its_parents() {
    if let Some(seen) = observe("worker-forks-worker") {
        seen.check_grandchild();
    }
}

#[test]
fn so_it_is_where_nothing_could_be_read_before_both_had_exited() {
    let seen = observe_while("worker-forks-worker", |tracer, workload| {
        let tracer = Pid::from_raw(tracer.pid().cast_signed());
        kill(tracer, Signal::SIGSTOP).unwrap();
        let done = workload.run();
        kill(tracer, Signal::SIGCONT).unwrap();
        done
    });
    if let Some(seen) = seen {
        seen.check_grandchild();
    }
}

#[test]
fn exec_ends_one_image_and_begins_another() {
    let Some(seen) = observe("worker-execs") else {
        return;
    };
    seen.check_writers();
    let worker = writers(&seen.done)[0].pid;
    let images = seen.report.images(worker);
    assert_eq!(images.len(), 2, "{images:?}");
    assert_eq!(images[0]["comm"], "workload");
    assert_eq!(images[1]["comm"], "sleep");
    assert_eq!(images[1]["parent_id"], images[0]["id"]);
    assert!(number(images[0], "exited_ns") <= number(images[1], "exited_ns"));
    assert!(
        images[1]["inherited_pages"].is_null(),
        "a fresh image inherits nothing"
    );
}

#[test]
fn a_daemonized_worker_stays_traced() {
    let Some(seen) = observe("double-fork") else {
        return;
    };
    seen.check_writers();
    assert_eq!(writers(&seen.done)[0].changed, 1000);
}

#[test]
fn a_worker_that_is_gone_at_once_is_counted_and_attributed() {
    let Some(seen) = observe("gone-at-once") else {
        return;
    };
    seen.check_writers();
    let ranges: Vec<_> = seen.report.ranges_in(seen.start, seen.end).collect();
    assert!(
        ranges
            .iter()
            .all(|range| seen.report.region(range).is_some()),
        "its parent's mappings are known"
    );
}

#[test]
fn two_hundred_workers_that_come_and_go_are_all_told() {
    let Some(seen) = observe("many-workers") else {
        return;
    };
    seen.check_writers();
    let workers = seen
        .report
        .processes()
        .iter()
        .filter(|process| process["role"] == "worker")
        .count();
    assert_eq!(workers, 200);
    assert!(
        seen.report
            .processes()
            .iter()
            .filter(|process| process["role"] == "worker")
            .all(|worker| !worker["exited_ns"].is_null())
    );
    assert_eq!(seen.report.losses(), BTreeMap::new());
}

#[test]
fn a_spawned_program_shares_its_parents_memory_until_it_execs() {
    let Some(seen) = observe("spawned-child") else {
        return;
    };
    seen.check_writers();
    let spawned: Vec<_> = seen
        .report
        .processes()
        .iter()
        .filter(|process| process["comm"] == "true")
        .collect();
    assert_eq!(spawned.len(), 1, "one image, from exec on");
    let master = seen.report.images(seen.master)[0];
    assert!(
        master["exited_ns"].is_null(),
        "its exit is not the master's"
    );
}

#[test]
fn a_process_lives_until_its_last_thread_has_left() {
    let Some(seen) = observe("leader-exits-first") else {
        return;
    };
    seen.check_writers();
    assert_eq!(writers(&seen.done)[0].changed, 1000);
}

#[test]
fn memory_mapped_over_an_inherited_mapping_is_not_the_parents() {
    let between = |tracer: &Tracer, workload: &mut Workload| {
        tracer.has_looked();
        assert_eq!(workload.run(), "left");
    };
    let Some(seen) = observe_and("remapped", between) else {
        return;
    };
    seen.check_writers();
    let middle = seen.start + (seen.end - seen.start) / 2;
    assert!(
        seen.report
            .ranges_in(seen.start, middle)
            .all(|range| range["region_id"].is_u64())
    );
    let upper: Vec<_> = seen.report.ranges_in(middle, seen.end).collect();
    assert_eq!(upper.len(), 500);
    for range in upper {
        assert!(range["region_id"].is_null(), "{range}");
        assert!(
            range["mapping"]
                .as_str()
                .unwrap()
                .contains("cowtrace-workload"),
            "{range}"
        );
    }
}

#[test]
fn memory_that_a_worker_mapped_itself_is_its_own_region() {
    let Some(seen) = observe("grown") else { return };
    let start = number(&seen.done, "own_start");
    let writer = writers(&seen.done)[0];
    let counts = seen.report.counts_in(start, start + 100 * 4096);
    assert_eq!(counts[&writer.pid].copied, writer.changed);
    for range in seen.report.ranges_in(start, start + 100 * 4096) {
        let region = seen
            .report
            .region(range)
            .expect("the worker forked, so its mapping is known");
        assert_eq!(
            seen.report.process(number(region, "process_id"))["pid"],
            writer.pid
        );
    }
}

#[test]
fn workers_that_were_there_before_are_attributed_through_their_parent() {
    if !can_trace("preexisting") {
        return;
    }
    // The workers wait for the second line; the trace begins between the two.
    let mut workload = Workload::prepare("waiting-workers");
    let forked = workload.run();
    let tracer = Tracer::of(workload.pid());
    let done = workload.run();
    let report = tracer.stop();
    let counts = report.counts_in(workload.start, workload.end);
    let writers = writers(&done);
    assert_eq!(writers.len(), 3, "{forked}");
    for writer in writers {
        assert_eq!(counts[&writer.pid].copied, writer.changed, "{writer:?}");
        let worker = report.images(writer.pid)[0];
        assert_eq!(worker["role"], "worker");
        assert_eq!(
            report.process(number(worker, "parent_id"))["pid"],
            workload.pid()
        );
        assert!(number(worker, "inherited_pages") >= 1000);
    }
    let master = number(report.images(workload.pid())[0], "id");
    for range in report.ranges_in(workload.start, workload.end) {
        assert_eq!(
            report.region(range).expect("the master's mapping")["process_id"],
            master
        );
    }
    workload.end();
}

#[test]
fn a_command_is_traced_from_its_first_fork() {
    if !can_trace("command") {
        return;
    }
    let script = "import os
data = [str(n) for n in range(100000)]
if os.fork() == 0:
    for text in data: pass
    os._exit(0)
os.wait(); os._exit(0)";
    let python = cowtrace_tests::python();
    let tracer = Tracer::start(&["--", &python, "-c", script]);
    let report = tracer.wait();
    let masters: Vec<_> = report
        .processes()
        .iter()
        .filter(|process| process["role"] == "master")
        .collect();
    assert_eq!(
        masters.len(),
        1,
        "the image that cowtrace started it with is not told: {masters:?}"
    );
    let worker = report
        .processes()
        .iter()
        .find(|process| process["role"] == "worker")
        .expect("the fork was seen");
    assert!(number(worker, "copied_pages") > 1000, "{worker}");
    assert_eq!(worker["parent_id"], masters[0]["id"]);
}

#[test]
fn a_fork_bomb_of_short_processes_loses_no_count() {
    if !can_trace("storm") {
        return;
    }
    let script = "i=0; while [ $i -lt 1000 ]; do (:) ; i=$((i+1)); done";
    let tracer = Tracer::start(&["--", "sh", "-c", script]);
    let report = tracer.wait();
    let workers = report
        .processes()
        .iter()
        .filter(|process| process["role"] == "worker")
        .count();
    assert_eq!(workers, 1000);
    let losses = report.losses();
    // Processes that exit before they are examined: that does not affect counts.
    let allowed = ["mappings_missed", "unsplit_pages", "code_gone"];
    assert!(
        losses.keys().all(|cause| allowed.contains(&cause.as_str())),
        "{losses:?}"
    );
}

/// Forks two workers that set their own names, one of them with a second thread, and that copy.
const RENAMING: &str = "import json, os, sys, threading, time
data = bytearray(4 << 20)
def work(kind):
    if kind == 'threaded': threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    with open('/proc/self/comm', 'w') as file: file.write('own-' + kind)
    for at in range(0, len(data), 4096): data[at] = 1
    os.write(ready, b'.')
    time.sleep(600)
print('{}', flush=True)
for line in sys.stdin:
    wait, ready = os.pipe()
    pids = []
    for kind in ('plain', 'threaded'):
        pids.append(os.fork())
        if pids[-1] == 0: work(kind)
    for pid in pids: os.read(wait, 1)
    print(json.dumps({'pids': pids}), flush=True)
    for pid in pids: os.waitpid(pid, 0)
";

#[test]
fn workers_that_exit_as_the_trace_ends_keep_the_names_that_they_gave_themselves() {
    if !can_trace("renamed") {
        return;
    }
    let python = interpreters().remove(0);
    let mut service = Service::start(python.command().args(["-c", RENAMING]));
    service.answer();
    // From before the hooks are detached until after the report.
    for delay in [0, 10, 30, 60, 120] {
        let tracer = Tracer::of(service.pid());
        service.say("go");
        let pids = service.answer();
        // Several of its ticks of 100 ms.
        sleep(Duration::from_millis(500));
        let send = |pid: u64, signal| {
            let pid = i32::try_from(pid).expect("a pid");
            kill(Pid::from_raw(pid), signal).expect("it is there");
        };
        send(tracer.pid().into(), Signal::SIGINT);
        sleep(Duration::from_millis(delay));
        let pids: Vec<u64> = pids["pids"]
            .as_array()
            .expect("pids")
            .iter()
            .filter_map(Value::as_u64)
            .collect();
        for pid in &pids {
            send(*pid, Signal::SIGKILL);
        }
        let report = tracer.wait();
        for (pid, name) in pids.iter().zip(["own-plain", "own-threaded"]) {
            let is_it = |process: &&Value| process["pid"] == *pid;
            let process = report.processes().iter().find(is_it).expect("a worker");
            assert_eq!(process["comm"], name, "{delay} ms later");
        }
    }
    service.end();
}
