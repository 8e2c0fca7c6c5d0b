//! How processes end, as the report says it: exited, killed, without memory, or another program.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use cowtrace_tests::{
    python,
    report::Report,
    tracer::{can_trace, program},
};
use serde_json::{Value, json};

/// A master whose workers each end in another way; each inherits memory and writes some of it. The first argument
/// is the control group that one joins before it takes too much memory, if any.
const MASTER: &str = r"
import os, signal, sys, time
inherited = bytearray(8 << 20)
def use_too_much():
    with open(sys.argv[1] + '/cgroup.procs', 'w') as group:
        group.write(str(os.getpid()))
    b'x' * (64 << 20)
def ends():
    yield lambda: os._exit(7)
    yield lambda: os.kill(os.getpid(), signal.SIGSEGV)
    yield lambda: os.kill(os.getpid(), signal.SIGTERM)
    yield lambda: os.execvp('sleep', ['sleep', '0.2'])
    if len(sys.argv) > 1:
        yield use_too_much
for end in ends():
    child = os.fork()
    if child == 0:
        for at in range(0, 4 << 20, 4096):
            inherited[at] = 1
        time.sleep(1.2)
        end()
    os.waitpid(child, 0)
";

#[test]
fn the_ends_of_workers_are_called_what_they_are() {
    if !can_trace("ends of workers") {
        return;
    }
    let group = MemoryGroup::new("worker");
    if group.is_none() {
        println!("SKIPPED lack of memory: control groups with memory cannot be made here");
    }
    let python = python();
    let mut arguments = vec!["-c".into(), MASTER.into()];
    arguments.extend(group.iter().map(|group| group.0.display().to_string()));
    let output = Command::new(program("cowtrace"))
        .args(["-f", "json", "--no-keep", "--"])
        .arg(python)
        .args(&arguments)
        .stdin(Stdio::null())
        .output()
        .expect("cowtrace runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = Report(serde_json::from_str(&text).expect("JSON"));
    let workers: Vec<&Value> = report
        .processes()
        .iter()
        .filter(|it| it["role"] == "worker" && !it["inherited_pages"].is_null())
        .collect();
    let exits: Vec<(&Value, &Value, &Value)> = workers
        .iter()
        .map(|it| &it["exit"])
        .map(|exit| {
            (
                &exit["status"],
                &exit["signal_name"],
                &exit["out_of_memory"],
            )
        })
        .collect();
    let (none, no) = (Value::Null, json!(false));
    let mut expected = vec![
        (json!(7), none.clone(), no.clone()),
        (none.clone(), json!("SIGSEGV"), no.clone()),
        (none.clone(), json!("SIGTERM"), no),
        (none.clone(), none.clone(), none.clone()),
    ];
    if group.is_some() {
        expected.push((none, json!("SIGKILL"), json!(true)));
    }
    let expected: Vec<_> = expected.iter().map(|(a, b, c)| (a, b, c)).collect();
    assert_eq!(exits, expected, "{workers:?}");
    // What the fourth started shares nothing, and is the same process.
    let next = report
        .processes()
        .iter()
        .find(|it| it["id"] == workers[3]["became_id"])
        .expect("the next program");
    assert_eq!(next["pid"], workers[3]["pid"]);
    assert_eq!(
        (&next["comm"], &next["exit"]["status"]),
        (&json!("sleep"), &json!(0))
    );
    assert_eq!(next["inherited_pages"], Value::Null);
    assert!(!workers[3]["exited_ns"].is_null());
}

#[test]
fn a_command_that_the_kernel_killed_for_lack_of_memory_is_told_as_that() {
    if !can_trace("out of memory") {
        return;
    }
    let Some(group) = MemoryGroup::new("command") else {
        println!("SKIPPED out of memory: control groups with memory cannot be made here");
        return;
    };
    // 64 MiB are too much for the group; the command is the shell, which joins the group and starts
    // dd.
    let script = format!(
        "echo $$ > {}/cgroup.procs && exec dd if=/dev/zero of=/dev/null bs=64M count=1",
        group.0.display()
    );
    let output = Command::new(program("cowtrace"))
        .args(["-f", "json", "--no-keep", "--", "sh", "-c", &script])
        .stdin(Stdio::null())
        .output()
        .expect("cowtrace runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("was killed by SIGKILL for lack of memory"),
        "{errors}"
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = Report(serde_json::from_str(&text).expect("JSON"));
    let ended = report.processes().iter().rfind(|it| !it["exit"].is_null());
    let exit = &ended.expect("one that ended")["exit"];
    assert_eq!(exit["out_of_memory"], true, "{exit}");
    assert!(exit["oom_kills"].as_u64() >= Some(1), "{exit}");
    if std::fs::File::open("/dev/kmsg").is_err() {
        println!("SKIPPED whose limit it was: the kernel's log cannot be read here");
        return;
    }
    let by = &exit["killed_by"];
    assert_eq!(
        (&by["what"], &by["limit_bytes"]),
        (&json!("limit"), &json!(16 << 20)),
        "{by}"
    );
    let name = group.0.file_name().expect("a name").to_string_lossy();
    let cgroup = by["cgroup"].as_str().expect("a cgroup");
    assert!(cgroup.ends_with(&format!("/{name}")), "{by}");
}

/// A control group whose processes may use 16 MiB together.
struct MemoryGroup(std::path::PathBuf);

impl MemoryGroup {
    fn new(name: &str) -> Option<Self> {
        let name = format!("cowtrace-{name}-{}", std::process::id());
        let (two, one) = (
            Path::new("/sys/fs/cgroup"),
            Path::new("/sys/fs/cgroup/memory"),
        );
        for (top, limit) in [(two, "memory.max"), (one, "memory.limit_in_bytes")] {
            let group = Self(top.join(&name));
            if std::fs::create_dir(&group.0).is_err() {
                continue;
            }
            let limit = group.0.join(limit);
            if limit.is_file() && std::fs::write(limit, "16777216").is_ok() {
                let swap = group.0.join("memory.swap.max");
                let _ = std::fs::write(swap, "0");
                return Some(group);
            }
        }
        None
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
