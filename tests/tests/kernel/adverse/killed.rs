//! Tracers that are killed at any moment, or for lack of memory: nothing of them stays in the kernel, and the recording
//! can be read.

use std::{
    collections::BTreeSet,
    fs,
    hash::{BuildHasher as _, RandomState},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use aya::{maps::loaded_maps, programs::loaded_programs};
use cowtrace_tests::{
    cgroup::TestCgroup,
    recorded::{Folder, reported, until_traced},
    report::Report,
    tracer::{can_trace, program},
    workload::Workload,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long the kernel may take for something on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a condition.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a tracer has in the kernel, by number, and the processes of its program.
#[derive(Debug)]
struct Held {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
    processes: BTreeSet<u32>,
}

impl Held {
    /// Stops a tracer, so that nothing is added after this.
    fn by_stopped(pid: u32) -> Self {
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).expect("it is there");
        until("it stops", || {
            threads_of(pid).iter().all(|stat| is_stopped(stat))
        });
        let mut processes = descendants(pid);
        processes.insert(pid);
        let numbers = |key: &str| {
            let numbers = processes.iter().flat_map(|pid| numbers_held(*pid, key));
            numbers.collect::<BTreeSet<u32>>()
        };
        let (programs, mut maps) = (numbers("prog_id:"), numbers("map_id:"));
        // The programs hold maps too.
        for program in loaded_programs().filter_map(Result::ok) {
            if programs.contains(&program.id()) {
                maps.extend(program.map_ids().ok().flatten().into_iter().flatten());
            }
        }
        Self {
            programs,
            maps,
            processes,
        }
    }

    /// What is still there.
    fn remains(&self) -> Vec<String> {
        let programs = loaded_programs().filter_map(Result::ok);
        let programs = programs.filter(|it| self.programs.contains(&it.id()));
        let maps = loaded_maps().filter_map(Result::ok);
        let maps = maps.filter(|it| self.maps.contains(&it.id()));
        let processes = self.processes.iter().filter(|pid| is_tracer(**pid));
        let programs = programs.map(|it| format!("program {:?}", it.name_as_str()));
        let maps = maps.map(|it| format!("map {:?}", it.name_as_str()));
        let processes = processes.map(|pid| format!("process {pid}"));
        programs.chain(maps).chain(processes).collect()
    }

    /// Waits until all of it is gone: the kernel frees it some time after its last user has exited.
    #[track_caller]
    fn expect_gone(&self, moment: &str) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && !self.remains().is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(self.remains(), Vec::<String>::new(), "{moment}");
    }
}

fn threads_of(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it is there");
    let stat = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("stat")).ok();
    tasks.filter_map(|entry| stat(entry.ok()?)).collect()
}

/// Whether a thread's line of stat says that a signal has stopped it.
fn is_stopped(stat: &str) -> bool {
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('T'))
}

fn descendants(pid: u32) -> BTreeSet<u32> {
    let children = |pid: u32| -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter();
        let lists = tasks.flatten().filter_map(Result::ok);
        let lists =
            lists.filter_map(|entry| fs::read_to_string(entry.path().join("children")).ok());
        let pids = lists.flat_map(|list| {
            let pids = list
                .split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok());
            pids.collect::<Vec<u32>>()
        });
        pids.collect()
    };
    let mut found = BTreeSet::new();
    let mut waiting = children(pid);
    while let Some(pid) = waiting.pop() {
        if found.insert(pid) {
            waiting.extend(children(pid));
        }
    }
    found
}

/// Numbers under a key in what the kernel says of a process's open files (proc(5), fdinfo).
fn numbers_held(pid: u32, key: &str) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter();
    let texts = entries.flatten().filter_map(Result::ok);
    let texts = texts.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let numbers = texts.filter_map(|text| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
    });
    numbers.collect()
}

/// Whether a process runs cowtrace, and not what cowtrace started.
fn is_tracer(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path == program("cowtrace"))
}

/// Kills at random moments.
const KILLS: u32 = 10;

/// A number below 1 that is another each time.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

#[test]
fn a_tracer_that_is_killed_at_any_moment_leaves_nothing_in_the_kernel() {
    if !can_trace("killed at any moment") {
        return;
    }
    let mut workload = Workload::prepare("waiting-workers");
    workload.run();
    let pid = workload.pid().to_string();
    let mut programs = 0;
    for turn in 0..KILLS {
        // Attaching takes 0.3 s here, and longer on slower machines, whose later kills fall into it.
        let after = Duration::from_millis(100).mul_f64(f64::from(turn) + random());
        let command = ["--", "sleep", "5"];
        let process = ["--pid", &pid];
        let target: &[&str] = if turn % 2 == 0 { &process } else { &command };
        let mut tracer = Command::new(program("cowtrace"))
            .args(["--no-keep", "-i", "100ms"])
            .args(target)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cowtrace starts");
        thread::sleep(after);
        let held = Held::by_stopped(tracer.id());
        tracer.kill().expect("it is there");
        tracer.wait().expect("it is ours");
        held.expect_gone(&format!("{target:?} after {after:?}: {held:?}"));
        programs += held.programs.len();
    }
    assert!(programs > 0, "no kill came after the attaching had begun");
    assert_eq!(workload.writers().len(), 3, "the service still works");
    workload.end();
}

/// Starts a tracer in a cgroup.
fn start_in(group: &TestCgroup, arguments: &[&str]) -> Child {
    let join = "echo 0 > \"$0\" && exec \"$@\"";
    Command::new("sh")
        .args(["-c", join])
        .arg(group.folder().join("cgroup.procs"))
        .arg(program("cowtrace"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell")
}

/// Its end, if it comes in time.
fn ended(tracer: &mut Child) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = tracer.try_wait().expect("it is ours") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

#[test]
fn a_tracer_without_memory_leaves_a_recording_and_nothing_in_the_kernel() {
    if !can_trace("tracer without memory") {
        return;
    }
    let Some(group) = TestCgroup::new() else {
        println!("SKIPPED tracer without memory: control groups with memory cannot be made here");
        return;
    };
    let folder = Folder::new("without-memory");
    let path = folder.path("run.cow");
    let mut storm = Workload::prepare("storm 4000");
    let pid = storm.pid().to_string();
    let arguments = ["--pid", &pid, "--range", "4KiB", "-i", "100ms", "-o", &path];
    let mut tracer = start_in(&group, &arguments);
    until_traced(&path);
    let held = Held::by_stopped(tracer.id());
    assert!(!held.programs.is_empty());
    // Less than the records of 4,000 processes take.
    group.limit_without_swap(group.kept_bytes() + (512 << 10));
    kill(Pid::from_raw(tracer.id().cast_signed()), Signal::SIGCONT).expect("it is there");
    storm.run();
    let status = ended(&mut tracer).expect("it has no memory");
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{status}");
    held.expect_gone("without memory");
    let report = Report::parse(&reported(&path, "json"));
    assert_eq!(report.0["run"]["unfinished"], true);
    assert!(!report.images(storm.pid()).is_empty());
    storm.end();
}
