//! `-- COMMAND`: a command started by cowtrace and traced from its first fork.
//!
//! The command begins as a copy of this program that stops itself. Once it is traced it continues,
//! becomes the user who called sudo, and starts the command. So the trace includes the command's
//! first image, its first fork, and everything after it.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::unix::process::ExitStatusExt as _,
    process::{self, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use thiserror::Error;

use crate::{itself, run::Ending};

/// How long to wait for the command to exit before the report is printed.
const TERMINATION: Duration = Duration::from_millis(500);

/// Why a command was not started.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// This program cannot start itself again.
    #[error("cannot start a process: {0}")]
    Start(io::Error),
    /// The new process exited before it was traced.
    #[error("the process that was to become the command ended at once")]
    Ended,
}

/// A running command.
#[derive(Debug)]
pub struct Command {
    child: process::Child,
}

impl Command {
    /// Starts a process that waits to become the command. With `output`, it prints there and reads nothing.
    pub fn prepare(command: &[OsString], output: Option<&File>) -> Result<Self, SpawnError> {
        let start = || {
            let mut launcher = itself::start_waiting(command)?;
            if let Some(output) = output {
                launcher
                    .stdin(Stdio::null())
                    .stdout(output.try_clone()?)
                    .stderr(output.try_clone()?);
            }
            launcher.spawn()
        };
        let launcher = start();
        let child = launcher.map_err(SpawnError::Start)?;
        let command = Self { child };
        match waitpid(command.raw_pid(), Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Stopped(..)) => Ok(command),
            _ => Err(SpawnError::Ended),
        }
    }

    /// Process id of the command.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets the stopped process become the command.
    pub fn go_on(&self) -> io::Result<()> {
        kill(self.raw_pid(), Signal::SIGCONT).map_err(io::Error::from)
    }

    /// How the command exited. If `is_over`, it gets a moment to exit; otherwise it is first sent a
    /// signal to end. None if it does not exit.
    pub fn end(&mut self, is_over: bool) -> Option<Ending> {
        if is_over && let Some(ending) = self.ending() {
            return Some(ending);
        }
        // Not to one that has exited: until it is reaped, its pid is still its own.
        let _ = kill(self.raw_pid(), Signal::SIGTERM);
        // A stopped process handles the signal only when it is resumed, as with the launcher before
        // it is traced.
        let _ = self.go_on();
        self.ending()
    }

    fn ending(&mut self) -> Option<Ending> {
        let deadline = Instant::now() + TERMINATION;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => thread::sleep(TERMINATION / 100),
                Ok(Some(status)) => return Ending::from_wait_status(status.into_raw()),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0))
    }
}
