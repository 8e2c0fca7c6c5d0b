//! A tracer beside the workload: starts it, waits until it is attached, and ends it in its own way.

use std::{
    io::{BufRead as _, BufReader, Read},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// Loading and attaching takes tenths of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a tracer that says nothing.
const LOOK: Duration = Duration::from_millis(20);
/// The number of Ctrl-C's signal.
const INTERRUPT: i32 = 2;

/// How a tracer shows that it is attached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sign {
    /// A line of its standard output or error contains this.
    Line(&'static str),
    /// What the kernel says of its process: from its id, whether it is attached.
    Process(fn(u32) -> bool),
}

/// How to end a tracer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By the signal of Ctrl-C.
    Interrupt,
    /// The same for a tracer that in the end sends itself this signal again, as perf does.
    InterruptAgain,
    /// By the end of its input.
    EndOfInput,
}

/// An attached tracer.
pub(crate) struct Tracer {
    child: Child,
    ending: Ending,
    output: Option<JoinHandle<String>>,
    complaints: Option<JoinHandle<String>>,
}

impl Tracer {
    /// Starts it and waits until it is attached.
    pub(crate) fn start(command: &mut Command, sign: Sign, ending: Ending) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let (attached, waiting) = mpsc::channel();
        let output = child.stdout.take().context("a tracer without output")?;
        let errors = child.stderr.take().context("a tracer without errors")?;
        let mut tracer = Self {
            child,
            ending,
            output: Some(read(output, sign, attached.clone())),
            complaints: Some(read(errors, sign, attached)),
        };
        let is_attached = match sign {
            Sign::Line(_) => waiting.recv_timeout(PATIENCE).is_ok(),
            Sign::Process(is_attached) => tracer.becomes(is_attached),
        };
        if !is_attached {
            let _ = tracer.child.kill();
            bail!(
                "{} did not attach: {}",
                command.get_program().display(),
                joined(tracer.complaints.take())?.trim()
            );
        }
        Ok(tracer)
    }

    /// Waits until the kernel says this of its process; false if that does not come, or it exits.
    fn becomes(&mut self, is_attached: fn(u32) -> bool) -> bool {
        let begun = Instant::now();
        while !is_attached(self.pid()) {
            if begun.elapsed() > PATIENCE || self.is_gone().unwrap_or(true) {
                return false;
            }
            thread::sleep(LOOK);
        }
        true
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Signals it to end, without waiting.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.ending {
            Ending::EndOfInput => {
                self.child.stdin = None;
                Ok(())
            }
            Ending::Interrupt | Ending::InterruptAgain => interrupt(self.child.id()),
        }
    }

    /// Whether it has exited.
    pub(crate) fn is_gone(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Ends it and returns what it printed.
    pub(crate) fn finish(mut self) -> Result<String> {
        self.end()?;
        self.into_output()
    }

    /// What it printed, after it was signalled to end.
    pub(crate) fn into_output(mut self) -> Result<String> {
        let status = self.child.wait()?;
        let output = joined(self.output.take())?;
        if !self.ending.is_orderly(status) {
            bail!(
                "a tracer failed ({status}): {}",
                joined(self.complaints.take())?.trim()
            );
        }
        Ok(output)
    }
}

impl Ending {
    fn is_orderly(self, status: ExitStatus) -> bool {
        status.success() || self == Self::InterruptAgain && status.signal() == Some(INTERRUPT)
    }
}

impl Drop for Tracer {
    /// If measuring fails, nothing stays attached.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end, so that the writer never waits.
fn read(from: impl Read + Send + 'static, sign: Sign, attached: Sender<()>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from
            .read_until(b'\n', &mut line)
            .is_ok_and(|bytes| bytes > 0)
        {
            let words = String::from_utf8_lossy(&line);
            if matches!(sign, Sign::Line(marker) if words.contains(marker)) {
                let _ = attached.send(());
            }
            text.push_str(&words);
            line.clear();
        }
        text
    })
}

fn joined(reader: Option<JoinHandle<String>>) -> Result<String> {
    match reader.map(JoinHandle::join) {
        Some(Ok(text)) => Ok(text),
        _ => bail!("a tracer's output is lost"),
    }
}

/// The standard library can only send SIGKILL; every shell has `kill`.
fn interrupt(pid: u32) -> Result<()> {
    let status = Command::new("sh")
        .args(["-c", "kill -s INT \"$1\"", "sh", &pid.to_string()])
        .status()
        .context("cannot send a signal")?;
    if !status.success() {
        bail!("the tracer {pid} has ended by itself");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        // If interrupts are ignored, as in a script's background processes, a shell could not
        // handle them.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", "sh", "-c", script]);
        command
    }

    #[test]
    fn a_tracer_is_awaited_and_ended_by_its_input() {
        let mut command = shell("echo ready; cat >/dev/null; echo counted");
        let tracer = Tracer::start(&mut command, Sign::Line("ready"), Ending::EndOfInput).unwrap();
        assert_eq!(tracer.finish().unwrap(), "ready\ncounted\n");
    }

    #[test]
    fn a_tracer_that_says_nothing_is_known_by_its_process() {
        let is_asleep = |pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name == "sleep\n")
        };
        let start =
            |script, ending| Tracer::start(&mut shell(script), Sign::Process(is_asleep), ending);
        let by_signal = start("exec sleep 60", Ending::InterruptAgain).unwrap();
        assert_eq!(by_signal.finish().unwrap(), "");
        assert!(
            start("exec sleep 60", Ending::Interrupt)
                .unwrap()
                .finish()
                .is_err()
        );
        let error = start("echo no such event >&2", Ending::Interrupt).err();
        assert!(error.unwrap().to_string().contains("no such event"));
    }

    #[test]
    fn a_tracer_that_cannot_attach_says_why() {
        let mut command = shell("echo no such tracepoint >&2; exit 1");
        let error = Tracer::start(&mut command, Sign::Line("ready"), Ending::Interrupt).err();
        assert!(error.unwrap().to_string().contains("no such tracepoint"));
    }

    #[test]
    fn an_interrupted_tracer_prints_its_counts() {
        let mut command =
            shell("trap 'echo counted; exit 0' INT; echo ready; while :; do sleep 0.05; done");
        let tracer = Tracer::start(&mut command, Sign::Line("ready"), Ending::Interrupt).unwrap();
        assert_eq!(tracer.finish().unwrap(), "ready\ncounted\n");
    }
}
