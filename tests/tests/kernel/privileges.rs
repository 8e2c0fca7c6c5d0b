//! What rights cowtrace has at each step: all that it was given until the kernel side is attached,
//! then only what the rest of the trace takes; none in the process that reads foreign files.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    recorded::Folder,
    rights::Rights,
    tracer::{Tracer, can_trace, program},
    workload::{Service, Workload},
};
use nix::{
    sys::{
        ptrace,
        signal::{Signal, kill},
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::sudo::{Ground, by_sudo};

/// Capabilities by their numbers (include/uapi/linux/capability.h).
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const FOWNER: u64 = 1 << 3;
const KILL: u64 = 1 << 5;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_NICE: u64 = 1 << 23;
const BPF: u64 = 1 << 39;
/// What reading processes takes.
const READING: u64 = SYS_PTRACE | SYS_ADMIN | DAC_READ_SEARCH | SYS_NICE;

/// The longest that something may take on a busy machine.
const LONG: Duration = Duration::from_mins(2);
/// `nobody`, who owns nothing.
const NOBODY: u32 = 65_534;

/// Waits until no thread of a process has more than these rights, and the first has them all. A
/// thread that is just starting may have more for a moment.
#[track_caller]
fn has_only(pid: u32, kept: u64) -> Vec<Rights> {
    let begun = Instant::now();
    loop {
        let threads = Rights::of_threads(pid);
        let fits = |it: &Rights| it.permitted & !kept == 0 && it.effective & !kept == 0;
        let first = &threads[0];
        if threads.iter().all(fits) && (first.permitted, first.effective) == (kept, kept) {
            return threads;
        }
        assert!(begun.elapsed() < LONG, "{kept:#x} are kept: {threads:#x?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A program's rights when the kernel has started it, before it has done anything.
#[track_caller]
fn at_start(command: &mut Command) -> Rights {
    // SAFETY: a system call that may be made between fork and exec.
    let traced = unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let mut child = traced
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    let stopped = waitpid(pid, None).expect("it is ours");
    assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGTRAP));
    let threads = Rights::of_threads(child.id());
    child.kill().expect("it is there");
    child.wait().expect("it is ours");
    let [first] = threads.as_slice() else {
        panic!("{threads:?}")
    };
    first.clone()
}

#[test]
fn root_gives_up_what_it_needs_no_more_once_the_hooks_are_on() {
    if !can_trace("privileges of root") {
        return;
    }
    let given = Rights::own().permitted;
    let mut workload = Workload::prepare("waiting-workers");
    drop(workload.run());
    let pid = workload.pid().to_string();
    let start = at_start(Command::new(program("cowtrace")).args(["--pid", &pid]));
    assert_eq!((start.permitted, start.effective), (given, given));
    let folder = Folder::new("privileges");
    let run = folder.path("run.cow");
    let tracer = Tracer::start(&["-i", "50ms", "-o", &run, "--pid", &pid]);
    let kept = given & (READING | DAC_OVERRIDE | FOWNER);
    let mut names = Vec::new();
    // Threads come and go.
    for _ in 0..3 {
        let threads = has_only(tracer.pid(), kept);
        names.extend(threads.into_iter().map(|it| it.name));
        tracer.has_looked();
    }
    assert!(names.contains(&"recorder".into()), "{names:?}");
    drop(workload.run());
    let report = tracer.stop();
    workload.end();
    assert!(report.0["totals"].is_object(), "{}", report.0);
}

/// The part of cowtrace's messages in which it says what it keeps.
#[track_caller]
fn said_of_rights(errors: &str) -> &str {
    let lines: Vec<&str> = errors
        .lines()
        .filter_map(|line| line.split_once("keeps of its capabilities: "))
        .map(|(_, kept)| kept)
        .collect();
    let [line] = lines.as_slice() else {
        panic!("{} lines in {errors}", lines.len())
    };
    line
}

/// A command that shows the rights of its starter's threads, when it is traced and again when the
/// thread that writes the recording works.
const SHOW: &str = "
    show() { cat /proc/$PPID/task/*/status >&2; }
    writes() {
        for thread in /proc/$PPID/task/*; do
            grep -qs ^recorder $thread/comm && grep -qs '^CapPrm:.0*$' $thread/status && return
        done
        return 1
    }
    show; n=0; until writes || [ $n -gt 600 ]; do sleep 0.1; n=$((n+1)); done; show";

#[test]
fn under_sudo_a_trace_keeps_the_right_to_become_the_caller_and_says_why() {
    if !can_trace("privileges under sudo") {
        return;
    }
    let ground = Ground::new("kept-rights");
    let run = ground.path("own/run.cow").display().to_string();
    let given = Rights::own().permitted;
    let output = by_sudo()
        .args(["-v", "-o", &run, "-f", "json", "--", "sh", "-c", SHOW])
        .output()
        .expect("cowtrace runs");
    assert!(output.status.success(), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    let kept = given & (READING | SETUID | SETGID | KILL);
    let masks = |set: &str| {
        let values = errors.lines().filter_map(|line| line.strip_prefix(set));
        let mask = |value: &str| u64::from_str_radix(value.trim(), 16).expect("a mask");
        values.map(mask).collect::<Vec<u64>>()
    };
    for found in [masks("CapPrm:"), masks("CapEff:")] {
        assert!(found.contains(&kept), "{kept:#x} in {found:#x?}");
        // The thread that writes the recording has none.
        assert!(found.contains(&0), "{found:#x?}");
        let others = found.iter().filter(|mask| **mask & !kept != 0);
        assert_eq!(others.count(), 0, "{kept:#x} in {found:#x?}");
    }
    let said = said_of_rights(&errors);
    for why in [
        "CAP_SYS_ADMIN (page frames of processes, of those to come as well)",
        "CAP_SETGID and CAP_SETUID (files as the user who called)",
    ] {
        assert!(said.contains(why), "{said}");
    }
    assert!(!said.contains("CAP_PERFMON"), "{said}");
}

#[test]
fn a_command_that_root_starts_has_all_of_roots_rights() {
    if !can_trace("privileges of a command") {
        return;
    }
    let show = ["sh", "-c", "grep ^Cap /proc/self/status >&2"];
    let directly = Command::new(show[0]).args(&show[1..]).output();
    let traced = Command::new(program("cowtrace"))
        .args(["--no-keep", "-f", "json", "--"])
        .args(show)
        .output();
    let [directly, traced] = [directly, traced].map(|output| {
        let output = output.expect("it runs");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stderr).expect("text");
        let sets = text.lines().filter(|line| line.starts_with("Cap"));
        sets.map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(directly.len(), 5, "{directly:?}");
    assert_eq!(traced, directly);
}

/// Child processes of a process's threads that run `cowtrace __name`.
fn namers(tracer: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{tracer}/task")).into_iter();
    let children = threads.flatten().filter_map(|thread| {
        let path = thread.ok()?.path().join("children");
        fs::read_to_string(path).ok()
    });
    let children: Vec<u32> = children
        .flat_map(|line| {
            let pids = line.split_whitespace();
            pids.map(|pid| pid.parse().expect("a pid"))
                .collect::<Vec<_>>()
        })
        .collect();
    let is_namer = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.ends_with(b"\0__name\0")
    };
    children.into_iter().filter(is_namer).collect()
}

/// The rights of a stopped process, and the files that it has open; none if it is gone.
fn while_stopped(pid: u32) -> Option<(Rights, Vec<String>)> {
    let process = Pid::from_raw(i32::try_from(pid).expect("a pid"));
    kill(process, Signal::SIGSTOP).ok()?;
    let status = format!("/proc/{pid}/status");
    let has_stopped = || {
        let text = fs::read_to_string(&status).ok()?;
        Some(text.contains("\nState:\tT"))
    };
    let begun = Instant::now();
    while !has_stopped()? {
        assert!(begun.elapsed() < LONG, "{pid} does not stop");
        // It may be a zombie.
        if fs::read_to_string(&status).is_ok_and(|text| text.contains("\nState:\tZ")) {
            return None;
        }
        thread::yield_now();
    }
    let found = Rights::read(Path::new(&status));
    let files = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let files = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let files = files.map(|it| it.display().to_string()).collect();
    let _ = kill(process, Signal::SIGCONT);
    Some((found?, files))
}

/// Traces the workload with its stacks, and looks at the process that names them. Returns what was
/// seen of it while it had the workload's program open and no right any more, if it was seen then.
fn rights_of_namer(copy: &Path) -> Option<Rights> {
    let mut service = Service::start(Command::new(copy).arg("frames"));
    service.answer();
    let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "--stacks"]);
    service.say("go");
    service.answer();
    let pid = tracer.pid();
    let name = copy.display().to_string();
    let watch = thread::spawn(move || {
        let mut without = None;
        while Path::new(&format!("/proc/{pid}/task")).exists() {
            for namer in namers(pid) {
                let Some((rights, files)) = while_stopped(namer) else {
                    continue;
                };
                let has_none = rights.permitted == 0 && rights.effective == 0;
                // It never gets any back.
                assert!(has_none || !rights.no_new_privs, "{rights:?}");
                if has_none && rights.no_new_privs && files.contains(&name) {
                    without = Some(rights);
                }
            }
            thread::sleep(Duration::from_micros(100));
        }
        without
    });
    let report = tracer.stop();
    service.end();
    let named = report.written(|writer| writer["function"] == "frames_leaf");
    assert_eq!(named, 1000, "{}", report.0["writers"]);
    watch.join().expect("no assertion failed")
}

#[test]
fn the_process_that_reads_foreign_files_has_no_rights_while_it_reads() {
    if !can_trace("privileges of the namer") {
        return;
    }
    let folder = Folder::new("namer");
    // Of another user, who lets nobody read it: it takes a right to open.
    let copy = folder.path("private");
    let copy = Path::new(&copy);
    fs::copy(program("workload"), copy).expect("a copy of the workload");
    fs::set_permissions(copy, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("it is ours");
    std::os::unix::fs::chown(copy, Some(NOBODY), Some(NOBODY)).expect("root gives it away");
    let begun = Instant::now();
    // It works for some hundredths of a second.
    let seen = loop {
        if let Some(seen) = rights_of_namer(copy) {
            break seen;
        }
        assert!(begun.elapsed() < LONG, "it was not seen at work");
    };
    assert!(seen.no_new_privs, "{seen:?}");
}

/// Starts a program as nobody, with no more than these capabilities.
pub(super) fn as_nobody(capabilities: &[&str], program: &Path) -> Command {
    let only = capabilities
        .iter()
        .fold("-all".to_owned(), |all, name| all + ",+" + name);
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args(["--inh-caps", &only, "--ambient-caps", &only])
        .args(["--bounding-set", &only])
        .arg(program);
    command
}

/// What docs/rights.md names.
pub(super) const NAMED: [&str; 3] = ["bpf", "perfmon", "sys_ptrace"];

/// Whether this kernel lets anybody use tables that are there: from Linux 5.19 on, or as it is set.
fn tables_are_free() -> bool {
    let setting = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/kernel/{name}"));
        text.expect("/proc is there").trim().to_owned()
    };
    let release = setting("osrelease");
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    let mut number = || numbers.next().expect("a number").expect("a number");
    (number(), number()) >= (5, 19) || setting("unprivileged_bpf_disabled") == "0"
}

#[test]
fn with_exactly_the_named_capabilities_a_user_traces_to_the_page() {
    if !can_trace("privileges of a user") {
        return;
    }
    let ground = Ground::new("named-rights");
    let copy = |name: &str| {
        let copy = ground.path(name);
        fs::copy(program(name), &copy).expect("a copy of the program");
        copy
    };
    let (cowtrace, workload) = (copy("cowtrace"), copy("workload"));
    // Several threads: a hook is attached when the first of them is seen.
    for case in ["child-writes", "four-threads"] {
        // It finds out itself which frames change.
        let mut started = as_nobody(&["sys_admin"], &workload);
        let mut workload = Workload::by(started.arg(case));
        let pid = workload.pid().to_string();
        let arguments = ["--no-keep", "--range", "4KiB", "--pid", &pid];
        let tracer = Tracer::by_command(&mut as_nobody(&NAMED, &cowtrace), &arguments);
        let kept = if tables_are_free() {
            SYS_PTRACE
        } else {
            SYS_PTRACE | BPF
        };
        has_only(tracer.pid(), kept);
        let written = workload.writers();
        let counts = tracer.stop().counts_in(workload.start, workload.end);
        for writer in written {
            assert!(writer.changed > 0, "{case}: {writer:?}");
            let copied = counts[&writer.pid].copied;
            assert_eq!(copied, writer.changed, "{case}: {writer:?}");
        }
        workload.end();
    }
}

#[test]
fn a_named_capability_that_is_missing_is_named() {
    let ground = Ground::new("missing-rights");
    let cowtrace = ground.path("cowtrace");
    fs::copy(program("cowtrace"), &cowtrace).expect("a copy of the program");
    for missing in NAMED {
        let others: Vec<&str> = NAMED.into_iter().filter(|it| *it != missing).collect();
        let output = as_nobody(&others, &cowtrace)
            .args(["--no-keep", "--pid", &std::process::id().to_string()])
            .output()
            .expect("setpriv is part of every system");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let told = format!(
            "not enough privilege: CAP_{} missing",
            missing.to_uppercase()
        );
        assert!(errors.contains(&told), "{errors}");
    }
}
