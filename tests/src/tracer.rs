//! cowtrace as users run it: the program, its signals and its JSON report.

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

/// The path of a program of this build.
///
/// # Panics
/// If it was not built: `cargo xtask test` builds everything first.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this program's own path");
    // In a virtual machine it is in the same folder; otherwise target/PROFILE/deps/TEST ->
    // target/PROFILE.
    let places = own.ancestors().skip(1).take(2);
    places
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} was not built; run `cargo xtask test`"))
}

/// Whether cowtrace can trace on this kernel. If not, the test is skipped by name, or fails if
/// tracing is required (`COWTRACE_REQUIRE_KERNEL`).
#[must_use]
pub fn can_trace(test: &str) -> bool {
    !usable_backends(test).is_empty()
}

/// The backends that this kernel allows; none under the conditions of [`can_trace`].
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

/// Resets SIGHUP to its default for processes started from now on, in case the tests run with it
/// ignored, as under `nohup`.
///
/// # Panics
/// If the system refuses.
pub fn take_hangups() {
    // SAFETY: no handler is set that could run at an unexpected place.
    unsafe { nix::sys::signal::signal(Signal::SIGHUP, nix::sys::signal::SigHandler::SigDfl) }
        .expect("the default can be had again");
}

/// Number of sleeps after which the tracer has looked at everything. It wakes 20 times a second to
/// read what was written, and at its interval, 10 times a second in most tests, to look at
/// processes. Of this many sleeps, at least 3 are of each kind.
const SLEEPS: u64 = 16;

/// A running trace.
pub struct Tracer {
    child: Child,
    input: Option<ChildStdin>,
    /// Standard error read so far.
    heard: String,
    errors: BufReader<ChildStderr>,
}

impl Tracer {
    /// Traces a process by its pid with ranges of one page; returns when the trace has begun.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self::by(None, pid, &[])
    }

    /// Like `of`, with a backend by name or cowtrace's own choice, and more arguments.
    #[must_use]
    pub fn by(backend: Option<&str>, pid: u32, more: &[&str]) -> Self {
        let pid = pid.to_string();
        let mut arguments = vec!["--pid", &pid, "--range", "4KiB", "-i", "100ms"];
        arguments.extend(backend.iter().flat_map(|backend| ["--backend", backend]));
        arguments.extend(more);
        Self::start(&arguments)
    }

    /// Starts cowtrace with these arguments; returns when the trace has begun.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_as(&["-f", "json"], arguments, Stdio::null())
    }

    /// The same, with an input for the command that it starts: see `say`.
    #[must_use]
    pub fn start_with_input(arguments: &[&str]) -> Self {
        Self::start_as(&["-f", "json"], arguments, Stdio::piped())
    }

    /// The same for its full text, for `wait_and_read`.
    #[must_use]
    pub fn start_full_text_with_input(arguments: &[&str]) -> Self {
        Self::start_as(&["--full"], arguments, Stdio::piped())
    }

    /// Traces a process without options, as a new user would. For `stop_and_read`.
    #[must_use]
    pub fn without_options(pid: u32) -> Self {
        Self::start_as(&["--pid", &pid.to_string()], &[], Stdio::null())
    }

    /// Like `of`, started by another program, whose last argument is what it executes.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn under(wrapper: &[&str], pid: u32) -> Self {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(program("cowtrace"));
        let pid = pid.to_string();
        let arguments = ["--no-keep", "--pid", &pid, "--range", "4KiB", "-i", "100ms"];
        Self::by_command(&mut command, &arguments)
    }

    /// The same for its JSON report, by a command that ends in cowtrace's path.
    #[must_use]
    pub fn by_command(cowtrace: &mut Command, arguments: &[&str]) -> Self {
        Self::start_by(cowtrace, &["-f", "json"], arguments, Stdio::null())
    }

    fn start_as(format: &[&str], arguments: &[&str], input: Stdio) -> Self {
        let mut cowtrace = Command::new(program("cowtrace"));
        Self::start_by(cowtrace.arg("--no-keep"), format, arguments, input)
    }

    fn start_by(cowtrace: &mut Command, format: &[&str], arguments: &[&str], input: Stdio) -> Self {
        let mut child = cowtrace
            .arg("-v")
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

    /// Waits until cowtrace, or the command that it started, has printed this on standard error.
    ///
    /// # Panics
    /// If it exits before.
    pub fn hear(&mut self, words: &str) {
        while !self.heard.contains(words) {
            let bytes = self
                .errors
                .read_line(&mut self.heard)
                .expect("standard error can be read");
            assert!(bytes > 0, "no {words:?} before the end: {}", self.heard);
        }
    }

    /// Waits until cowtrace has printed this on standard error, and returns what follows it, up to a character.
    ///
    /// # Panics
    /// If it exits before.
    pub fn hear_after(&mut self, words: &str, until: char) -> String {
        self.hear(words);
        let rest = self.heard.split_once(words).map(|(_, rest)| rest);
        let rest = rest.and_then(|rest| rest.split(until).next());
        rest.expect("it was heard").to_owned()
    }

    /// Sends the command a line of input.
    ///
    /// # Panics
    /// If it has no input, or has stopped reading.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("started with an input");
        // In one write: a process that it forks in between would read the rest of the line.
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

    /// Waits until cowtrace has looked at everything done so far, for example at a process that is
    /// about to exit: until it has slept often enough since. On a busy machine this takes longer.
    ///
    /// # Panics
    /// If it does not look within a minute.
    pub fn has_looked(&self) {
        let (before, begun) = (self.sleeps(), Instant::now());
        while self.sleeps() < before + SLEEPS {
            assert!(begun.elapsed() < Duration::from_mins(1), "it does not look");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until cowtrace has found an interpreter.
    ///
    /// # Panics
    /// If it ends before.
    pub fn has_found_an_interpreter(&mut self) {
        self.hear("runs CPython");
    }

    /// How often its first thread, which does all looking, has gone to sleep (proc(5)).
    fn sleeps(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("cowtrace is there");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let sleeps = line.and_then(|sleeps| sleeps.trim().parse().ok());
        sleeps.expect("the kernel tells how often")
    }

    /// Ends the trace by Ctrl-C's signal and returns its report.
    #[must_use]
    pub fn stop(self) -> Report {
        self.end_with(Signal::SIGINT)
    }

    /// Ends the trace by Ctrl-C's signal and returns its output.
    #[must_use]
    pub fn stop_and_read(self) -> String {
        self.send(Signal::SIGINT);
        self.read()
    }

    /// Ends the trace by Ctrl-C's signal; returns its report and what it printed since it began.
    #[must_use]
    pub fn stop_and_hear(self) -> (Report, String) {
        self.send(Signal::SIGINT);
        self.wait_and_hear()
    }

    /// Ends the trace by a signal and returns its report.
    #[must_use]
    pub fn end_with(self, signal: Signal) -> Report {
        self.send(signal);
        self.wait()
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Panics
    /// If that fails.
    pub fn kill(mut self) {
        self.child.kill().expect("cowtrace is there");
        self.child.wait().expect("cowtrace can be waited for");
    }

    /// Waits until the trace ends by itself and returns its report.
    #[must_use]
    pub fn wait(self) -> Report {
        Report::parse(&self.read())
    }

    /// Waits until the trace ends by itself and returns its output.
    #[must_use]
    pub fn wait_and_read(self) -> String {
        self.read()
    }

    /// Waits until the trace ends by itself; returns its report and what it printed about its end.
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

    /// Its report, and the rest of its standard error.
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
