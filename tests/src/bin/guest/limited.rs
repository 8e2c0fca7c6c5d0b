//! A process with a time limit, and its output.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// How a process ended. Its output goes to files, which nobody needs to read meanwhile.
pub(crate) struct Ended {
    /// `None` if it ran out of time.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs a command until it exits or runs out of time.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Ended> {
    let (output, errors) = (scratch("output"), scratch("errors"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&output)?)
        .stderr(File::create(&errors)?)
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let begun = Instant::now();
    let mut status = child.try_wait()?;
    while status.is_none() && begun.elapsed() < limit {
        thread::sleep(Duration::from_millis(10));
        status = child.try_wait()?;
    }
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let text = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Ended {
        status,
        output: text(&output)?,
        errors: text(&errors)?,
    })
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("guest-{name}"))
}
