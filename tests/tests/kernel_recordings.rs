//! Recordings of real traces: the same report as the live one, whatever happens to the tracer, the
//! disk or the file.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    report::{Report, number},
    tracer::{Tracer, can_trace, program},
    workload::Workload,
};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("cowtrace-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain name").to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries
            .map(|entry| name(entry).into_string().expect("text"))
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `cowtrace report` of a recording.
fn reported(path: &str, format: &str) -> String {
    let output = Command::new(program("cowtrace"))
        .args(["report", path, "-f", format])
        .output()
        .expect("cowtrace runs");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_recordings_report_is_the_live_one_to_the_byte() {
    if !can_trace("recorded report") {
        return;
    }
    let folder = Folder::new("live");
    for format in ["text", "json", "csv"] {
        let path = folder.path(format);
        let mut workload = Workload::prepare("three-children");
        let tracer = Command::new(program("cowtrace"))
            .args(["--pid", &workload.pid().to_string(), "--range", "4KiB"])
            .args([
                "-i", "100ms", "--label", "case=a", "-f", format, "-o", &path,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("cowtrace starts");
        until_traced(&path);
        workload.run();
        thread::sleep(Duration::from_millis(1_200));
        interrupt(tracer.id());
        let live = tracer.wait_with_output().expect("it ends");
        workload.end();
        assert!(live.status.success(), "{live:?}");
        let live = String::from_utf8(live.stdout).expect("text");
        assert!(!live.contains("No page was copied"), "{live}");
        assert_eq!(reported(&path, format), live);
    }
    assert_eq!(
        folder.names().len(),
        3,
        "one file a recording: {:?}",
        folder.names()
    );
}

#[test]
fn a_killed_trace_leaves_what_it_had_seen_a_second_before() {
    if !can_trace("killed recording") {
        return;
    }
    let folder = Folder::new("kill");
    let path = folder.path("run.cow");
    let mut workload = Workload::prepare("waiting-workers");
    let tracer = Tracer::by(None, workload.pid(), &["-o", &path]);
    workload.run();
    let changed: u64 = cowtrace_tests::workload::writers(&workload.run())
        .iter()
        .map(|writer| writer.changed)
        .sum();
    // Flushes come every 0.9 s, and a process is told once more after it has changed.
    thread::sleep(Duration::from_millis(1_500));
    let pid = Pid::from_raw(i32::try_from(tracer.pid()).expect("a pid"));
    kill(pid, Signal::SIGKILL).expect("it is ours");
    drop(tracer);
    let report = Report::parse(&reported(&path, "json"));
    assert_eq!(report.0["run"]["unfinished"], true);
    let copied = number(&report.0["totals"], "copied_pages");
    assert!(copied >= changed && changed > 0, "{copied} of {changed}");
    assert!(report.written(|_| true) > 0, "who wrote is told");
    assert!(reported(&path, "text").contains("The trace was cut off"));
    assert_eq!(folder.names(), ["run.cow"]);
    workload.end();
}

/// Waits until a recording tells of a process that is traced.
fn until_traced(path: &str) {
    let begun = Instant::now();
    let is_traced = || {
        let report = Command::new(program("cowtrace"))
            .args(["report", path, "-f", "json"])
            .output()
            .expect("cowtrace runs");
        let report = String::from_utf8_lossy(&report.stdout);
        !report.is_empty() && !Report::parse(&report).processes().is_empty()
    };
    while !is_traced() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no trace");
        thread::sleep(Duration::from_millis(20));
    }
}

fn interrupt(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it is ours");
}

/// Traces a command that writes a file when it runs; whether it ran, and the tracer's output.
fn command(folder: &Folder, arguments: &[&str]) -> (bool, std::process::Output) {
    let marker = folder.path("marker");
    let _ = fs::remove_file(&marker);
    let output = Command::new(program("cowtrace"))
        .args(arguments)
        .args(["-f", "json", "--", "touch", &marker])
        .output()
        .expect("cowtrace runs");
    (Path::new(&marker).exists(), output)
}

#[test]
fn what_is_there_is_refused_before_the_command_starts() {
    if !can_trace("refused recording") {
        return;
    }
    let folder = Folder::new("refuse");
    let (there, link) = (folder.path("there"), folder.path("link"));
    fs::write(&there, "mine").expect("a file");
    symlink(&there, &link).expect("a link");
    for arguments in [
        &["-o", &there][..],
        &["-o", &link],
        &["-o", &link, "--force"],
    ] {
        let (ran, output) = command(&folder, arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(!ran, "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(&there).expect("a file"), "mine");
    let (ran, output) = command(&folder, &["-o", &there, "--force"]);
    assert!(ran && output.status.success(), "{output:?}");
    assert_eq!(reported(&there, "json").into_bytes(), output.stdout);
    let mut names = folder.names();
    names.sort();
    assert_eq!(names, ["link", "marker", "there"]);
}

#[test]
fn a_command_that_cannot_be_started_leaves_no_recording() {
    if !can_trace("no recording") {
        return;
    }
    let folder = Folder::new("none");
    let output = Command::new(program("cowtrace"))
        .args(["-o", &folder.path("run.cow"), "--", "/no/such/command"])
        .output()
        .expect("cowtrace runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn under_sudo_a_recording_is_the_invoking_users() {
    if !can_trace("owner") {
        return;
    }
    let folder = Folder::new("owner");
    for (name, sudo, owner) in [
        (
            "theirs",
            &[("SUDO_UID", "65534"), ("SUDO_GID", "65533")][..],
            (65_534, 65_533),
        ),
        ("ours", &[], (0, 0)),
    ] {
        let path = folder.path(name);
        let output = Command::new(program("cowtrace"))
            .args(["-o", &path, "-f", "json", "--", "true"])
            .envs(sudo.iter().copied())
            .output()
            .expect("cowtrace runs");
        assert!(output.status.success(), "{output:?}");
        let file = fs::metadata(&path).expect("the recording");
        assert_eq!((file.uid(), file.gid()), owner);
        assert_eq!(file.mode() & 0o777, 0o600);
    }
}

/// A small file system in memory.
struct Disk(Folder);

impl Disk {
    fn new(name: &str, bytes: u32) -> Self {
        let folder = Folder::new(name);
        let size = format!("size={bytes}");
        let (kind, flags) = (Some("tmpfs"), MsFlags::empty());
        mount(kind, &folder.0, kind, flags, Some(size.as_str())).expect("root may mount");
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.0.0, MntFlags::MNT_DETACH);
    }
}

/// What holds when a recording found no room: the report is whole, and the file can be read.
#[track_caller]
fn ends_without_room(output: &std::process::Output, path: &str, reason: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let warnings: Vec<_> = errors
        .lines()
        .filter(|line| line.contains("the trace goes on"))
        .collect();
    assert_eq!(warnings.len(), 1, "{errors}");
    assert!(warnings[0].contains(reason), "{errors}");
    assert!(errors.contains("error: the recording"), "{errors}");
    let live = Report::parse(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(live.0["run"]["unfinished"], false);
    let recorded = Report::parse(&reported(path, "json"));
    assert_eq!(recorded.0["run"]["unfinished"], true);
    let copied = |report: &Report| number(&report.0["totals"], "copied_pages");
    assert!(
        copied(&recorded) < copied(&live),
        "there was no room for all of it"
    );
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_trace() {
    if !can_trace("full disk") {
        return;
    }
    let disk = Disk::new("disk", 192 << 10);
    let path = disk.0.path("run.cow");
    let script = format!("exec {} \"$@\"", program("cowtrace").display());
    let output = traced(&script, &path, || {});
    ends_without_room(&output, &path, "the disk is full");
}

#[test]
fn a_disk_that_has_room_again_gets_the_whole_recording() {
    if !can_trace("room again") {
        return;
    }
    let disk = Disk::new("room", 192 << 10);
    let path = disk.0.path("run.cow");
    let script = format!("exec {} \"$@\"", program("cowtrace").display());
    let output = traced(&script, &path, || {
        let (kind, size) = (Some("tmpfs"), Some("size=16777216"));
        mount(kind, &disk.0.0, kind, MsFlags::MS_REMOUNT, size).expect("root may mount");
        thread::sleep(Duration::from_millis(2_500));
        let report = Report::parse(&reported(&path, "json"));
        assert!(number(&report.0["totals"], "copied_pages") >= 20_000);
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors.matches("the disk is full").count(), 1, "{errors}");
    assert_eq!(reported(&path, "json").into_bytes(), output.stdout);
}

#[test]
fn a_limit_on_the_size_of_files_ends_the_recording_and_not_the_trace() {
    if !can_trace("file size") {
        return;
    }
    let folder = Folder::new("limit");
    let path = folder.path("run.cow");
    let program = program("cowtrace");
    // In blocks of 512 bytes.
    let script = format!("ulimit -f 300; exec {} \"$@\"", program.display());
    let output = traced(&script, &path, || {});
    ends_without_room(&output, &path, "the system refused a write");
}

/// Traces a workload that copies 20,000 pages, more than there is room for, with a tracer that a
/// shell's script starts. Then does something, and ends the trace.
fn traced(script: &str, path: &str, before_the_end: impl FnOnce()) -> std::process::Output {
    let mut workload = Command::new(program("workload"))
        .args(["hold", "20000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the workload starts");
    let mut input = workload.stdin.take().expect("piped");
    let mut said = BufReader::new(workload.stdout.take().expect("piped")).lines();
    let mut hears = |word: &str| {
        let line = said.next().expect("a line").expect("text");
        assert_eq!(line, word);
    };
    hears("ready");
    let mut tracer = Command::new("sh")
        .args(["-c", script, "sh", "--pid", &workload.id().to_string()])
        .args(["--range", "4KiB", "-i", "100ms", "-f", "json", "-o", path])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cowtrace starts");
    until_traced(path);
    writeln!(input, "go").expect("the workload reads");
    hears("held");
    thread::sleep(Duration::from_millis(2_500));
    assert!(
        tracer.try_wait().expect("it is ours").is_none(),
        "the trace goes on"
    );
    before_the_end();
    interrupt(tracer.id());
    let output = tracer.wait_with_output().expect("it ends");
    drop(input);
    workload.wait().expect("it ends");
    output
}
