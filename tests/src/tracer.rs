//! cowtrace as its users run it: the program, its signals and its JSON report.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{cases::BACKENDS, report::Report};

/// A program of this build.
///
/// # Panics
/// If it was not built: `cargo xtask test` builds everything first.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this program's own path");
    // Beside it in a virtual machine; target/PROFILE/deps/TEST -> target/PROFILE in the tree.
    let places = own.ancestors().skip(1).take(2);
    places
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} was not built; run `cargo xtask test`"))
}

/// Whether this kernel lets cowtrace trace. Where it does not, the test is skipped by name; where
/// it must (`COWTRACE_REQUIRE_KERNEL`), that is a failure.
#[must_use]
pub fn can_trace(test: &str) -> bool {
    !usable_backends(test).is_empty()
}

/// The backends that this kernel allows; none as [`can_trace`].
///
/// # Panics
/// If tracing is required and impossible.
#[must_use]
pub fn usable_backends(test: &str) -> Vec<&'static str> {
    let doctor = Command::new(program("cowtrace"))
        .arg("doctor")
        .output()
        .expect("doctor runs");
    let told = String::from_utf8_lossy(&doctor.stdout);
    let works = |name: &str| {
        let line = format!("yes  {name} ");
        told.lines().any(|told| told.starts_with(&line))
    };
    let usable: Vec<_> = BACKENDS.into_iter().filter(|name| works(name)).collect();
    assert_eq!(doctor.status.success(), !usable.is_empty(), "{told}");
    if usable.is_empty() {
        let why = told.lines().rfind(|line| line.starts_with("no"));
        let why = why.unwrap_or("no reason");
        assert!(
            std::env::var_os("COWTRACE_REQUIRE_KERNEL").is_none(),
            "{test} must not be skipped: {why}"
        );
        println!("SKIPPED {test}: {why}");
    }
    usable
}

/// Has what this process starts from now on take SIGHUP as new programs do, also where the tests were
/// started with it ignored, as by `nohup`.
///
/// # Panics
/// If the system does not let it.
pub fn take_hangups() {
    // SAFETY: no handler is set that could run in an unforeseen place.
    unsafe { nix::sys::signal::signal(Signal::SIGHUP, nix::sys::signal::SigHandler::SigDfl) }
        .expect("the default can be had again");
}

/// Sleeps between which the tracer has looked at everything: it wakes 20 times a second to look at what
/// was written, and at its interval, 10 times a second in most tests, to look at processes. Of so many,
/// at least 3 end for either.
const SLEEPS: u64 = 16;

/// A trace under way.
pub struct Tracer {
    child: Child,
    input: Option<ChildStdin>,
    /// What was read of standard error.
    heard: String,
    errors: BufReader<ChildStderr>,
}

impl Tracer {
    /// Traces a process by its pid with ranges of one page; returns once it does.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self::by(None, pid, &[])
    }

    /// As `of`, with a backend by its name or the one that cowtrace takes, and more arguments.
    #[must_use]
    pub fn by(backend: Option<&str>, pid: u32, more: &[&str]) -> Self {
        let pid = pid.to_string();
        let mut arguments = vec!["--pid", &pid, "--range", "4KiB", "-i", "100ms"];
        arguments.extend(backend.iter().flat_map(|backend| ["--backend", backend]));
        arguments.extend(more);
        Self::start(&arguments)
    }

    /// Starts cowtrace with these arguments; returns once it traces.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_as(&["-f", "json"], arguments, Stdio::null())
    }

    /// The same, with an input for the command that it starts: `say`.
    #[must_use]
    pub fn start_with_input(arguments: &[&str]) -> Self {
        Self::start_as(&["-f", "json"], arguments, Stdio::piped())
    }

    /// Traces a process as its user would to begin with: without options. For `stop_and_read`.
    #[must_use]
    pub fn without_options(pid: u32) -> Self {
        Self::start_as(&["--pid", &pid.to_string()], &[], Stdio::null())
    }

    fn start_as(format: &[&str], arguments: &[&str], input: Stdio) -> Self {
        let mut child = Command::new(program("cowtrace"))
            .args(["-v", "--no-keep"])
            .args(format)
            .args(arguments)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cowtrace starts");
        let errors = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let input = child.stdin.take();
        let mut tracer = Self {
            child,
            input,
            heard: String::new(),
            errors,
        };
        tracer.hear("tracing ");
        tracer
    }

    /// Waits until it, or the command that it has started, has said this on standard error, now or before.
    ///
    /// # Panics
    /// If it ends before.
    pub fn hear(&mut self, words: &str) {
        while !self.heard.contains(words) {
            let bytes = self
                .errors
                .read_line(&mut self.heard)
                .expect("standard error can be read");
            assert!(bytes > 0, "no {words:?} before the end: {}", self.heard);
        }
    }

    /// Gives the command a line of input.
    ///
    /// # Panics
    /// If it has none, or reads no more.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("started with an input");
        // In one piece: a process that it forks in between would read the line's end.
        let line = format!("{line}\n");
        input
            .write_all(line.as_bytes())
            .expect("the command reads its input");
    }

    /// Ends the command's input.
    pub fn say_no_more(&mut self) {
        self.input = None;
    }

    /// Process id of cowtrace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has looked at whatever was done before, as at a process that is about to exit: until
    /// it has slept so often since. On a busy machine that takes as long as it takes.
    ///
    /// # Panics
    /// If it does not look for a minute.
    pub fn has_looked(&self) {
        self.has_slept(SLEEPS);
    }

    /// Waits until it has looked for an interpreter in a program that runs by now. It does so 1, 2, 4, 8…
    /// looks after the program's start: the next time is over once it has looked as often again.
    ///
    /// # Panics
    /// As above.
    pub fn has_looked_for_interpreters(&self) {
        self.has_slept(self.sleeps() + SLEEPS);
    }

    fn has_slept(&self, times: u64) {
        let (before, begun) = (self.sleeps(), Instant::now());
        while self.sleeps() < before + times {
            assert!(begun.elapsed() < Duration::from_mins(1), "it does not look");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// How often its first thread, which does all looking, has given the processor up to wait (proc(5)).
    fn sleeps(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("cowtrace is there");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let sleeps = line.and_then(|sleeps| sleeps.trim().parse().ok());
        sleeps.expect("the kernel tells how often")
    }

    /// Ends the trace with Ctrl-C's signal and takes its report.
    #[must_use]
    pub fn stop(self) -> Report {
        self.end_with(Signal::SIGINT)
    }

    /// Ends the trace with Ctrl-C's signal and reads what it prints.
    #[must_use]
    pub fn stop_and_read(self) -> String {
        self.send(Signal::SIGINT);
        self.read()
    }

    /// Ends the trace with a signal and takes its report.
    #[must_use]
    pub fn end_with(self, signal: Signal) -> Report {
        self.send(signal);
        self.wait()
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Panics
    /// If it cannot be.
    pub fn kill(mut self) {
        self.child.kill().expect("cowtrace is there");
        self.child.wait().expect("cowtrace can be waited for");
    }

    /// Waits until the trace ends by itself and takes its report.
    #[must_use]
    pub fn wait(self) -> Report {
        Report::parse(&self.read())
    }

    /// Waits until the trace ends by itself; takes its report and what it said about its end.
    #[must_use]
    pub fn wait_and_hear(self) -> (Report, String) {
        let (text, said) = self.read_both();
        (Report::parse(&text), said)
    }

    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("cowtrace is there");
    }

    fn read(self) -> String {
        self.read_both().0
    }

    /// Its report, and the rest of what it says.
    fn read_both(self) -> (String, String) {
        let Self {
            mut child,
            input,
            mut errors,
            ..
        } = self;
        drop(input);
        let mut text = String::new();
        child
            .stdout
            .take()
            .expect("standard output is piped")
            .read_to_string(&mut text)
            .expect("the report is text");
        let mut said = String::new();
        errors
            .read_to_string(&mut said)
            .expect("standard error is text");
        let status = child.wait().expect("cowtrace can be waited for");
        assert!(status.success(), "cowtrace failed: {status}\n{said}");
        (text, said)
    }
}
