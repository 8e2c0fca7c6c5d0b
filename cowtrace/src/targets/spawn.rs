//! `-- COMMAND`: a command started by cowtrace and traced from its first fork.
//!
//! The command begins as a copy of this program that stops itself. Once it is traced it goes on,
//! becomes the user who called sudo, and starts the command: its first image, its first fork and
//! all after them are seen.

use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    process, thread,
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

/// How long a command may take to end before the report is printed without waiting for it.
const TERMINATION: Duration = Duration::from_millis(500);

/// Why a command was not started.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// This program cannot be started again.
    #[error("cannot start a process: {0}")]
    Start(io::Error),
    /// The new process ended before it was traced.
    #[error("the process that was to become the command ended at once")]
    Ended,
}

/// A command under way.
#[derive(Debug)]
pub struct Command {
    child: process::Child,
}

impl Command {
    /// Starts a process that waits to become the command.
    pub fn prepare(command: &[OsString]) -> Result<Self, SpawnError> {
        let launcher = itself::start_waiting(command).and_then(|mut launcher| launcher.spawn());
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

    /// Lets the process become the command.
    pub fn go_on(&self) -> io::Result<()> {
        kill(self.raw_pid(), Signal::SIGCONT).map_err(io::Error::from)
    }

    /// How the command ended; one that `is_over` is given a moment to be gone. Otherwise it is asked to
    /// end first. None if it does not.
    pub fn end(&mut self, is_over: bool) -> Option<Ending> {
        if is_over && let Some(ending) = self.ending() {
            return Some(ending);
        }
        // Not to one that has ended and was not waited for: its number is still its own.
        let _ = kill(self.raw_pid(), Signal::SIGTERM);
        // One that is stopped takes it only then, as the launcher does before it is traced.
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
