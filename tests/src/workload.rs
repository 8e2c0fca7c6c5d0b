//! A process under the test's control that answers line by line: a case of the `workload` program,
//! or a script.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::tracer::program;

/// A process that reads lines and answers each with a line of JSON.
pub struct Service {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Service {
    /// Starts a program.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let input = child.stdin.take().expect("standard input is piped");
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Self {
            child,
            input,
            output,
        }
    }

    /// The next line it prints.
    ///
    /// # Panics
    /// If it exits instead, or prints something else.
    pub fn answer(&mut self) -> Value {
        let mut line = String::new();
        let bytes = self
            .output
            .read_line(&mut line)
            .expect("the service's output can be read");
        assert!(
            bytes > 0,
            "the service ended without an answer: {:?}",
            self.child.wait()
        );
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }

    /// Sends a line.
    ///
    /// # Panics
    /// If it has exited.
    pub fn say(&mut self, line: &str) {
        // In one write: a process that it forks in between would read the rest of the line.
        let line = format!("{line}\n");
        self.input
            .write_all(line.as_bytes())
            .expect("the service reads its input");
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its input and waits until it exits.
    ///
    /// # Panics
    /// If it fails.
    pub fn end(self) {
        let Self {
            mut child,
            input,
            output,
        } = self;
        drop(input);
        drop(output);
        let status = child.wait().expect("the service can be waited for");
        assert!(status.success(), "the service failed: {status}");
    }
}

/// A case of the `workload` program, waiting to begin.
pub struct Workload {
    service: Service,
    /// First address of its memory.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
}

/// What a process in a case wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Process id.
    pub pid: u32,
    /// Pages it wrote.
    pub written: u64,
    /// Of these, pages whose frame changed: those that the kernel copied for it.
    pub changed: u64,
}

impl Workload {
    /// Starts a case, given by name and numbers; its memory is ready when this returns.
    #[must_use]
    pub fn prepare(case: &str) -> Self {
        Self::by(Command::new(program("workload")).args(case.split(' ')))
    }

    /// The same, started by a command of the test.
    #[must_use]
    pub fn by(command: &mut Command) -> Self {
        let mut service = Service::start(command);
        let ready = service.answer();
        let address = |key: &str| ready["ready"][key].as_u64().expect("an address");
        Self {
            start: address("start"),
            end: address("end"),
            service,
        }
    }

    /// Process id of the master.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    /// Runs the case and returns everything it reported.
    pub fn run(&mut self) -> Value {
        self.service.say("go");
        self.service.answer()["done"].clone()
    }

    /// Runs the case and returns who wrote what.
    pub fn writers(&mut self) -> Vec<Writer> {
        writers(&self.run())
    }

    /// The result of `act`, and the minor page faults of the case's processes during it: its own,
    /// and those of its children, all of which have exited by then.
    pub fn faults_of<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> (T, u64) {
        let before = minor_faults(self.pid());
        let given = act(self);
        (given, minor_faults(self.pid()) - before)
    }

    /// Lets it exit.
    pub fn end(self) {
        self.service.end();
    }
}

/// Minor faults of a process and of the children it has waited for: fields 10 and 11 of its stat
/// (proc(5)).
///
/// # Panics
/// If there is no such process.
fn minor_faults(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let faults = fields.split_whitespace().skip(7).take(2);
    faults
        .map(|count| count.parse::<u64>().expect("a count"))
        .sum()
}

/// The writers in a case's report.
///
/// # Panics
/// If it reported something else.
#[must_use]
pub fn writers(done: &Value) -> Vec<Writer> {
    let writers = done["writers"].as_array().expect("a list of writers");
    let number = |writer: &Value, key: &str| writer[key].as_u64().expect("a number");
    let read = |writer: &Value| Writer {
        pid: u32::try_from(number(writer, "pid")).expect("a pid"),
        written: number(writer, "written"),
        changed: number(writer, "changed"),
    };
    writers.iter().map(read).collect()
}
