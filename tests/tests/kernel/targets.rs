//! Targets that are not pids: a cgroup whose processes come, go and are started again, and command lines.

use std::{
    os::unix::process::CommandExt as _,
    process::{self, Command},
    thread,
    time::Duration,
};

use cowtrace_tests::{
    cgroup::TestGroup,
    command::cowtrace,
    report::{Report, number},
    tracer::{Tracer, can_trace, program},
    workload::{Workload, Writer},
};
use serde_json::json;

/// A case with a master and three children that write.
const CASE: &str = "three-children";

/// Copies that are known, of a process at some addresses.
struct Known {
    start: u64,
    end: u64,
    writers: Vec<Writer>,
    master: u32,
}

fn run_workload(workload: &mut Workload) -> Known {
    let writers = workload.writers();
    assert!(writers.iter().any(|writer| writer.changed > 0));
    Known {
        start: workload.start,
        end: workload.end,
        writers,
        master: workload.pid(),
    }
}

/// Every copy is in the report, and its processes are of this target.
fn check_known(report: &Report, known: &Known, target: u64) {
    let counts = report.counts_in(known.start, known.end);
    for writer in &known.writers {
        let copied = counts.get(&writer.pid).map_or(0, |counts| counts.copied);
        assert_eq!(copied, writer.changed, "{writer:?}");
    }
    let mut pids: Vec<u32> = known.writers.iter().map(|writer| writer.pid).collect();
    pids.push(known.master);
    for pid in pids {
        for image in report.images(pid) {
            assert_eq!(number(image, "target"), target, "{image}");
        }
    }
    let roles: Vec<_> = report
        .images(known.master)
        .iter()
        .map(|it| it["role"].clone())
        .collect();
    assert_eq!(roles, ["master"]);
}

#[test]
fn a_cgroup_is_traced_with_what_comes_to_it_and_when_it_is_made_again() {
    if !can_trace("a cgroup") {
        return;
    }
    let Some(group) = TestGroup::new() else {
        println!("SKIPPED a cgroup: none can be made here");
        return;
    };
    let service = group.below("service");
    let mut first = Workload::prepare(CASE);
    service.put(first.pid());
    let path = service.folder().to_str().expect("a path");
    let arguments = [
        "--name", "web", "--cgroup", path, "--range", "4KiB", "-i", "100ms",
    ];
    let mut tracer = Tracer::start(&arguments);
    let known = run_workload(&mut first);
    // Whoever is put into it, or below it, was forked before it came.
    let below = service.below("workers");
    let mut second = Workload::prepare(CASE);
    below.put(second.pid());
    tracer.hear("found 1 master more");
    let also_known = run_workload(&mut second);
    // Its children have exited; the third one is of the next start.
    first.end();
    second.end();
    tracer.hear("every process of web has exited");
    drop(below);
    service.replace();
    let mut third = Workload::prepare(CASE);
    service.put(third.pid());
    tracer.hear("web has started: tracing 1 process");
    let known_again = run_workload(&mut third);
    let report = tracer.stop();
    third.end();
    for known in [&known, &also_known, &known_again] {
        check_known(&report, known, 0);
    }
    let targets = &report.0["run"]["traced_targets"];
    assert_eq!(
        *targets,
        json!([{ "name": "web", "what": format!("cgroup {path}") }])
    );
    drop(service);
}

#[test]
fn a_cgroup_without_processes_is_waited_for() {
    if !can_trace("an empty cgroup") {
        return;
    }
    let Some(group) = TestGroup::new() else {
        println!("SKIPPED an empty cgroup: none can be made here");
        return;
    };
    let path = group.folder().to_str().expect("a path");
    let mut other = Workload::prepare(CASE);
    let pid = other.pid().to_string();
    let arguments = [
        "--name", "own", "--pid", &pid, "--cgroup", path, "--range", "4KiB", "-i", "100ms",
    ];
    let mut tracer = Tracer::start(&arguments);
    let of_pid = run_workload(&mut other);
    other.end();
    let mut workload = Workload::prepare(CASE);
    group.put(workload.pid());
    tracer.hear("has started: tracing 1 process");
    let of_group = run_workload(&mut workload);
    let report = tracer.stop();
    workload.end();
    check_known(&report, &of_pid, 0);
    check_known(&report, &of_group, 1);
    // Those that were found later come last.
    assert_eq!(
        report.0["run"]["targets"],
        json!([of_pid.master, of_group.master])
    );
    assert_eq!(report.0["run"]["traced_targets"][0]["name"], "own");
}

#[test]
fn a_unit_and_a_container_are_found_by_their_cgroups() {
    if !can_trace("a unit and a container") {
        return;
    }
    let Some(group) = TestGroup::new() else {
        println!("SKIPPED a unit and a container: no cgroups can be made here");
        return;
    };
    let unit = format!("cowtrace-test-{}", process::id());
    let service = group.below(&format!("{unit}.service"));
    let id = format!("{:064x}", u128::from(process::id()) << 64 | 0xc0_117a);
    let digits = id.trim_start_matches('0');
    let id = format!("{digits:0<64}");
    let scope = group.below(&format!("docker-{id}.scope"));
    let mut workloads = [Workload::prepare(CASE), Workload::prepare(CASE)];
    service.put(workloads[0].pid());
    scope.put(workloads[1].pid());
    let by = [
        "--unit",
        &unit,
        "--container",
        &id[..20],
        "--range",
        "4KiB",
        "-i",
        "100ms",
    ];
    let mut tracer = Tracer::start(&by);
    let known: Vec<Known> = workloads.iter_mut().map(run_workload).collect();
    workloads.into_iter().for_each(Workload::end);
    tracer.hear(&format!("every process of {unit} has exited"));
    // The service starts again, in another cgroup at the same path.
    service.replace();
    let mut again = Workload::prepare(CASE);
    service.put(again.pid());
    tracer.hear(&format!("{unit} has started: tracing 1 process"));
    let known_again = run_workload(&mut again);
    // Whoever ends within a second of the trace may have ended with it.
    thread::sleep(Duration::from_millis(1500));
    let report = tracer.stop();
    again.end();
    check_known(&report, &known[0], 0);
    check_known(&report, &known[1], 1);
    check_known(&report, &known_again, 0);
    let what = format!("container {}", &id[..20]);
    let targets = &report.0["run"]["traced_targets"];
    assert_eq!(targets[1], json!({ "name": &id[..12], "what": what }));
    // It ended by itself, long before the trace.
    let ended = &report.images(known[0].master)[0]["exit"];
    assert_eq!(
        (&ended["status"], &ended["with_trace"]),
        (&json!(0), &json!(false))
    );
    let wrong = cowtrace(&["--container", "c0117ac0117a"]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
}

/// A workload under a name of the test's own.
fn titled(title: &str) -> Workload {
    let mut command = Command::new(program("workload"));
    Workload::by(command.arg0(title).arg(CASE))
}

#[test]
fn command_lines_that_match_are_masters_and_what_traces_them_is_not() {
    if !can_trace("a pattern") {
        return;
    }
    let title = format!("titled-{}", process::id());
    let mut services = [
        titled(&format!("{title}: a")),
        titled(&format!("{title}: b")),
    ];
    // A shell whose arguments match, too, and cowtrace below it.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "\"$0\" \"$@\"; exit $?"])
        .arg(program("cowtrace"));
    let pattern = format!("{title}: [abc]");
    let arguments = [
        "--no-keep",
        "--match",
        &pattern,
        "--range",
        "4KiB",
        "-i",
        "100ms",
        "-d",
        "8s",
    ];
    let mut tracer = Tracer::by_command(&mut shell, &arguments);
    let mut known: Vec<Known> = services.iter_mut().map(run_workload).collect();
    let mut late = titled(&format!("{title}: c"));
    tracer.hear("found 1 master more");
    known.push(run_workload(&mut late));
    let report = tracer.wait();
    for known in &known {
        check_known(&report, known, 0);
    }
    let names = report
        .processes()
        .iter()
        .map(|it| it["comm"].as_str().expect("a name"));
    assert!(
        names.clone().all(|name| name == "workload"),
        "{:?}",
        names.collect::<Vec<_>>()
    );
    late.end();
    services.into_iter().for_each(Workload::end);
}
