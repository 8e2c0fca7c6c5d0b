//! A machine's output until it ends, or until its time is over.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::workspace;

/// All output of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) lines: Vec<String>,
    /// Whether it had to be killed.
    pub(crate) hung: bool,
    pub(crate) took: Duration,
}

impl Transcript {
    /// Its last nonempty lines.
    pub(crate) fn tail(&self, lines: usize) -> Vec<&str> {
        let spoken = self.lines.iter().map(|line| line.trim());
        let spoken: Vec<&str> = spoken.filter(|line| !line.is_empty()).collect();
        spoken[spoken.len().saturating_sub(lines)..].to_vec()
    }
}

/// A machine that is killed with the process that started it.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a machine and reads its output, including the emulator's error messages.
pub(crate) fn listen(command: &mut Command, limit: Duration) -> Result<Transcript> {
    let begun = Instant::now();
    let mut machine = Machine(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", workspace::words(command)))?,
    );
    let console = machine.0.stdout.take().context("the console is lost")?;
    let errors = machine.0.stderr.take().context("the errors are lost")?;
    let mut transcript = Transcript::default();
    let lines = lines_of(console, errors);
    transcript.hung = !collect(&lines, begun + limit, &mut transcript.lines);
    transcript.took = begun.elapsed();
    Ok(transcript)
}

/// The lines of both, in order of arrival.
fn lines_of(
    console: impl Read + Send + 'static,
    errors: impl Read + Send + 'static,
) -> Receiver<String> {
    let (lines, receiver) = channel();
    for source in [Box::new(console) as Box<dyn Read + Send>, Box::new(errors)] {
        let lines = lines.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source
                .read_until(b'\n', &mut line)
                .is_ok_and(|bytes| bytes > 0)
            {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if lines.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
    receiver
}

/// Whether both ended in time.
fn collect(from: &Receiver<String>, until: Instant, to: &mut Vec<String>) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match from.recv_timeout(left) {
            Ok(line) => to.push(line),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Transcript {
        let mut command = Command::new("sh");
        listen(command.args(["-c", script]), limit).unwrap()
    }

    #[test]
    fn everything_is_heard_whatever_its_bytes() {
        let script = r"printf 'a\r\n\377b\nlast'; echo no such machine >&2";
        let transcript = shell(script, Duration::from_secs(20));
        assert!(!transcript.hung);
        for line in ["a", "\u{fffd}b", "last", "no such machine"] {
            assert!(
                transcript.lines.contains(&line.to_owned()),
                "{transcript:?}"
            );
        }
    }

    #[test]
    fn a_machine_that_hangs_is_ended() {
        let transcript = shell("echo begun; exec sleep 60", Duration::from_millis(300));
        assert!(transcript.hung && transcript.took < Duration::from_secs(20));
        assert_eq!(transcript.tail(3), ["begun"]);
    }
}
