//! A tracer beside the workload: starts it, waits until it is attached, and ends it in its own way.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// Loading and attaching takes tenths of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to end a tracer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By the signal of Ctrl-C.
    Interrupt,
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
    /// Starts it and waits until a line of its standard output or error contains the marker.
    pub(crate) fn start(
        command: &mut Command,
        marker: &'static str,
        ending: Ending,
    ) -> Result<Self> {
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
            output: Some(read(output, marker, attached.clone())),
            complaints: Some(read(errors, marker, attached)),
        };
        if waiting.recv_timeout(PATIENCE).is_err() {
            let _ = tracer.child.kill();
            bail!(
                "{} did not attach: {}",
                command.get_program().display(),
                joined(tracer.complaints.take())?.trim()
            );
        }
        Ok(tracer)
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
            Ending::Interrupt => interrupt(self.child.id()),
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
        if !status.success() {
            bail!(
                "a tracer failed ({status}): {}",
                joined(self.complaints.take())?.trim()
            );
        }
        Ok(output)
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
fn read(
    from: impl Read + Send + 'static,
    marker: &'static str,
    attached: Sender<()>,
) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from
            .read_until(b'\n', &mut line)
            .is_ok_and(|bytes| bytes > 0)
        {
            let words = String::from_utf8_lossy(&line);
            if words.contains(marker) {
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
        let tracer = Tracer::start(&mut command, "ready", Ending::EndOfInput).unwrap();
        assert_eq!(tracer.finish().unwrap(), "ready\ncounted\n");
    }

    #[test]
    fn a_tracer_that_cannot_attach_says_why() {
        let mut command = shell("echo no such tracepoint >&2; exit 1");
        let error = Tracer::start(&mut command, "ready", Ending::Interrupt).err();
        assert!(error.unwrap().to_string().contains("no such tracepoint"));
    }

    #[test]
    fn an_interrupted_tracer_prints_its_counts() {
        let mut command =
            shell("trap 'echo counted; exit 0' INT; echo ready; while :; do sleep 0.05; done");
        let tracer = Tracer::start(&mut command, "ready", Ending::Interrupt).unwrap();
        assert_eq!(tracer.finish().unwrap(), "ready\ncounted\n");
    }
}
