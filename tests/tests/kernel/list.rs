//! `cowtrace list` on a service whose shared memory is known: needs root, to see which pages are the same.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    process::{self, Command, Output},
};

use cowtrace_tests::{
    cgroup::TestGroup, command::cowtrace, python, report::number, tracer::program,
    workload::Service,
};
use serde_json::Value;

/// A master with 48 MiB and three workers, one of which has written a third of it.
const SERVICE: &str = "
import json, os, sys

MIB = 1 << 20
data = bytearray(48 * MIB)
for at in range(0, len(data), 4096):
    data[at] = 1
ends = []
for number in range(3):
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        if number == 1:
            for at in range(0, 16 * MIB, 4096):
                data[at] = 2
        os.write(write, b'.')
        sys.stdin.buffer.raw.read(1)
        os._exit(0)
    os.close(write)
    os.read(read, 1)
print(json.dumps('ready'), flush=True)
sys.stdin.buffer.raw.read(1)
for _ in range(3):
    os.wait()
";
const WORKERS: u64 = 3;
const MIB: u64 = 1 << 20;
/// All workers share 48 MiB with the master, but one of them 32 MiB.
const PLANTED: u64 = (WORKERS * 48 - 16) * MIB;

fn start() -> Service {
    let mut service = Service::start(Command::new(python()).args(["-c", SERVICE]));
    assert_eq!(service.answer(), "ready");
    service
}

/// Anonymous memory of a process, bytes (proc(5)).
fn anonymous_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.expect("a line").trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("a number") * 1024
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn tree_of(list: &Value, pid: u32) -> Value {
    let trees = list["trees"].as_array().expect("trees");
    let found = trees.iter().find(|tree| tree["pid"] == pid);
    found
        .unwrap_or_else(|| panic!("no {pid} in {list}"))
        .clone()
}

#[test]
fn memory_that_can_still_be_unshared_is_what_was_planted() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("SKIPPED the list of trees: it needs root");
        return;
    }
    let service = start();
    let group = TestGroup::new();
    let list = json_of(&cowtrace(&["list", "-f", "json"]));
    assert_eq!(list["schema"], "cowtrace.list/1");
    let tree = tree_of(&list, service.pid());
    assert_eq!(number(&tree, "workers"), WORKERS);
    assert_eq!(tree["trace"], format!("cowtrace --pid {}", service.pid()));
    // Besides the planted memory, each worker shares at most all that the interpreter itself has.
    let interpreter = anonymous_bytes(service.pid()) - 48 * MIB;
    let found = number(&tree, "unsharable_bytes");
    let error = number(&tree, "error_bytes");
    assert!(found + error >= PLANTED, "{tree}");
    assert!(
        found <= PLANTED + WORKERS * interpreter + error,
        "{tree}, {interpreter}"
    );
    assert!(error * 20 <= found, "within 5 %: {tree}");
    // In a cgroup that has the name of a unit, it is traced as one.
    if let Some(group) = &group {
        let unit = group.below("list-test.service");
        unit.put(service.pid());
        let tree = tree_of(&json_of(&cowtrace(&["list", "-f", "json"])), service.pid());
        assert_eq!(tree["trace"], "cowtrace --unit list-test.service");
        fs::write(
            group.folder().join("cgroup.procs"),
            service.pid().to_string(),
        )
        .expect("out");
    }
    let text = cowtrace(&["list", "--color", "never"]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(
        text.contains(&format!("cowtrace --pid {}\n", service.pid())),
        "{text}"
    );
    // Without a target, it is what is offered, unless the machine has something larger.
    let nothing = cowtrace(&[]);
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert_eq!(nothing.status.code(), Some(2), "{said}");
    assert!(
        said.contains("say what to trace") && said.contains("tip: to trace "),
        "{said}"
    );
    check_without_rights(service.pid());
    service.end();
}

/// Who may not look at the processes is told so.
fn check_without_rights(pid: u32) {
    let own = env::temp_dir().join(format!("cowtrace-list-{}", process::id()));
    fs::copy(program("cowtrace"), &own).expect("a copy that anybody may run");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&own);
        command.args(arguments).uid(65_534).gid(65_534);
        loop {
            match command.output() {
                // A child that another test has just forked still has the copy open as it was written.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                output => break output.expect("it runs"),
            }
        }
    };
    let tree = tree_of(&json_of(&run(&["list", "-f", "json"])), pid);
    let text = String::from_utf8(run(&["list"]).stdout).expect("text");
    fs::remove_file(&own).expect("the copy is there");
    assert_eq!(
        (&tree["unsharable_bytes"], &tree["unsharable_is"]),
        (&Value::Null, &"unknown".into())
    );
    assert_eq!(number(&tree, "unread_workers"), WORKERS);
    assert!(
        text.contains("unknown") && text.contains(&format!("\n    sudo {} list\n", own.display())),
        "{text}"
    );
}
