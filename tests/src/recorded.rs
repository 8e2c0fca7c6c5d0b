//! Recordings of real traces, and the folders for them.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{report::Report, tracer::program};

/// A folder of this process, removed with the value.
pub struct Folder(pub PathBuf);

impl Folder {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("cowtrace-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain name").to_owned()
    }

    /// Names of the files in it.
    pub fn names(&self) -> Vec<String> {
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

/// Runs `cowtrace report` on a recording.
pub fn reported(path: &str, format: &str) -> String {
    report_with(&[path, "-f", format])
}

/// The whole of a recording's text report.
pub fn reported_in_full(path: &str) -> String {
    report_with(&[path, "--full"])
}

fn report_with(arguments: &[&str]) -> String {
    let output = Command::new(program("cowtrace"))
        .arg("report")
        .args(arguments)
        .output()
        .expect("cowtrace runs");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Waits until a recording contains a traced process.
pub fn until_traced(path: &str) {
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

/// Ends a trace like Ctrl-C.
pub fn interrupt(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it is ours");
}

/// Traces a workload that copies 20,000 pages, more than the disk has room for, with a tracer
/// started by a shell script. Then does something, and ends the trace.
pub fn traced(script: &str, path: &str, before_the_end: impl FnOnce()) -> Output {
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
        "the trace continues"
    );
    before_the_end();
    interrupt(tracer.id());
    let output = tracer.wait_with_output().expect("it ends");
    drop(input);
    workload.wait().expect("it ends");
    output
}
