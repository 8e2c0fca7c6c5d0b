//! The measured process: one for all variants, so that all write the same memory.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The CPython process.
const SERVICE: &str = include_str!("service.py");

/// A running `workload`, or a similar program, controlled line by line.
pub(crate) struct Workload {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Workload {
    /// Starts `workload CASE PAGES` and waits until its memory is ready.
    pub(crate) fn start(binaries: &Path, case: &str, pages: u32) -> Result<Self> {
        let mut command = Command::new(binaries.join("workload"));
        Self::begin(command.args([case, &pages.to_string()]))
    }

    /// Starts a CPython process that does the same as `workload bench PAGES`.
    pub(crate) fn start_python(pages: u32) -> Result<Self> {
        let mut command = Command::new("python3");
        Self::begin(command.args(["-c", SERVICE, &pages.to_string()]))
    }

    /// Starts a program that says `ready`, and then answers each line of input with one of output.
    pub(crate) fn begin(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("the workload has no output")?;
        let mut workload = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        workload
            .expect("ready")
            .with_context(|| format!("{command:?} did not start"))?;
        Ok(workload)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets a child write all pages from this many calls deep; returns the nanoseconds per page.
    pub(crate) fn sample(&mut self, calls: u32) -> Result<f64> {
        self.say(&calls.to_string())?;
        let line = self.line()?;
        line.parse()
            .with_context(|| format!("the workload said {line:?}, not how long a page took"))
    }

    /// Sends a line, and waits for the answer.
    pub(crate) fn ask(&mut self, line: &str) -> Result<String> {
        self.say(line)?;
        self.line()
    }

    /// Starts the workload's next step.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        self.say("")
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("the workload has no input")?;
        writeln!(input, "{line}").context("the workload has ended")
    }

    /// Waits for a line of its output.
    pub(crate) fn expect(&mut self, word: &str) -> Result<()> {
        let line = self.line()?;
        if line != word {
            bail!("the workload said {line:?} instead of {word:?}");
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("the workload has ended");
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Workload {
    /// When its input ends, it and its children exit.
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
