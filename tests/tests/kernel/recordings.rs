//! Recordings of real traces: the same report as the live one, whatever happens to the tracer, the
//! disk or the file.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown, symlink},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use cowtrace_tests::{
    recorded::{Folder, interrupt, reported, traced, until_traced},
    report::{Report, number},
    tracer::{Tracer, can_trace, program},
    workload::Workload,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

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
    // A flush comes every 0.9 s, and a process is written once more after it has changed.
    thread::sleep(Duration::from_millis(1_500));
    tracer.kill();
    let report = Report::parse(&reported(&path, "json"));
    assert_eq!(report.0["run"]["unfinished"], true);
    let copied = number(&report.0["totals"], "copied_pages");
    assert!(copied >= changed && changed > 0, "{copied} of {changed}");
    assert!(report.written(|_| true) > 0, "who wrote is told");
    assert!(reported(&path, "text").contains("The trace was cut off"));
    assert_eq!(folder.names(), ["run.cow"]);
    workload.end();
}

/// Traces a command that creates a file when it runs; returns whether it ran, and the tracer's
/// output.
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
    // The caller's own folder, in which root may write too.
    chown(&folder.0, Some(65_534), Some(65_533)).expect("root gives it away");
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

/// Room for an empty recording, which has a page of 4 KiB for each of its 57 tables and some for views, and for a
/// third of the 500 KiB that the counts of 20,000 pages need, bytes.
const ROOM: u32 = 352 << 10;

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

/// When a recording found no room: the report is complete, and the file can be read.
#[track_caller]
fn ends_without_room(output: &std::process::Output, path: &str, reason: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let warnings: Vec<_> = errors
        .lines()
        .filter(|line| line.contains("the trace continues"))
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
    let disk = Disk::new("disk", ROOM);
    let path = disk.0.path("run.cow");
    let output = traced(&plainly(), &path, || {});
    ends_without_room(&output, &path, "the disk is full");
}

#[test]
fn a_disk_that_has_room_again_gets_the_whole_recording() {
    if !can_trace("room again") {
        return;
    }
    let disk = Disk::new("room", ROOM);
    let path = disk.0.path("run.cow");
    let output = traced(&plainly(), &path, || {
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
    let blocks = ROOM / 512;
    let script = format!("ulimit -f {blocks}; exec {} \"$@\"", program.display());
    let output = traced(&script, &path, || {});
    ends_without_room(&output, &path, "the system refused a write");
}

/// The script that starts the tracer unchanged.
fn plainly() -> String {
    format!("exec {} \"$@\"", program("cowtrace").display())
}

/// When a recording's file is gone: one line says so when it is noticed and one at the end, and the
/// report is complete.
#[track_caller]
fn ends_without_file(output: &std::process::Output, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let told: Vec<_> = errors.lines().filter(|line| line.contains(says)).collect();
    assert_eq!(told.len(), 2, "{errors}");
    assert!(
        told[0].ends_with("; the trace continues, and its report follows at the end"),
        "{errors}"
    );
    assert!(told[1].starts_with("error: "), "{errors}");
    assert!(!errors.contains("readonly"), "{errors}");
    let live = Report::parse(&String::from_utf8_lossy(&output.stdout));
    assert!(number(&live.0["totals"], "copied_pages") >= 20_000);
}

#[test]
fn a_recording_whose_file_goes_away_says_so_and_the_trace_goes_on() {
    if !can_trace("removed recording") {
        return;
    }
    let wait = || thread::sleep(Duration::from_millis(2_500));
    let folder = Folder::new("removed");
    let path = folder.path("run.cow");
    let output = traced(&plainly(), &path, || {
        fs::remove_file(&path).expect("it is there");
        wait();
    });
    ends_without_file(
        &output,
        "run.cow was removed while it was being written; nothing of it is left",
    );
    assert_eq!(folder.names(), [""; 0]);

    let output = traced(&plainly(), &path, || {
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, "mine").expect("a file");
        wait();
    });
    ends_without_file(
        &output,
        "run.cow was replaced by another file while it was being written; nothing of it is left",
    );
    assert_eq!(fs::read_to_string(&path).expect("a file"), "mine");

    let moved = Folder::new("moved");
    fs::remove_file(&path).expect("it is there");
    let output = traced(&plainly(), &path, || {
        fs::rename(&folder.0, moved.path("folder")).expect("it can be moved");
        wait();
    });
    let there = moved.path("folder/run.cow");
    ends_without_file(
        &output,
        &format!("run.cow was moved while it was being written; its data is in {there}"),
    );
    let left = Report::parse(&reported(&there, "json"));
    assert_eq!(left.0["run"]["unfinished"], true);
    assert!(number(&left.0["totals"], "copied_pages") >= 20_000);
}

#[test]
fn a_recording_has_one_writer_until_that_one_is_killed() {
    if !can_trace("second writer") {
        return;
    }
    let folder = Folder::new("second");
    let path = folder.path("run.cow");
    let mut workload = Workload::prepare("waiting-workers");
    let tracer = Tracer::by(None, workload.pid(), &["-o", &path]);
    until_traced(&path);
    let inode = fs::metadata(&path).expect("the recording").ino();
    for force in [&["--force"][..], &[]] {
        let (ran, output) = command(&folder, &[&["-o", &path][..], force].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            !ran && errors.contains("is being written by another cowtrace"),
            "{errors}"
        );
        assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1));
    }
    // Meanwhile others read it: cowtrace, and SQLite.
    let _ = reported(&path, "json");
    let tables = "import sqlite3, sys; sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)\
                  .execute('SELECT pid FROM processes').fetchone()[0]";
    let asked = Command::new(cowtrace_tests::python())
        .args(["-c", tables, &path])
        .status();
    assert!(asked.expect("python3 runs").success());
    assert_eq!(fs::metadata(&path).expect("the recording").ino(), inode);
    tracer.kill();
    let (ran, output) = command(&folder, &["-o", &path, "--force"]);
    assert!(ran && output.status.success(), "{output:?}");
    assert_eq!(reported(&path, "json").into_bytes(), output.stdout);
    workload.run();
    workload.run();
    workload.end();
}
