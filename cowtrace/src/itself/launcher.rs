//! Starting a command of the user's: this program becomes the user who called, then the command.
//!
//! The command has nothing of the tracer's: not its user, its capabilities or its environment under
//! sudo; no descriptor, as all are closed when a program starts; and no signal handled or blocked,
//! as the standard library sees to. What was ignored, or open, when cowtrace started is the caller's
//! doing (`nohup`, a shell's redirection) and stays so.

use std::{ffi::OsString, io, os::unix::process::CommandExt as _, process::Command};

use nix::sys::signal::{Signal, raise};

use super::{
    again::{LAUNCHER, own_path},
    caller,
};
use crate::{foreign::printable, streams::say_to_user};

/// Exit status of a command that cannot be started, as of a shell.
const CANNOT_START: i32 = 127;

/// Starts a process that stops itself; once it is resumed, it becomes the command.
pub fn start_waiting(command: &[OsString]) -> io::Result<Command> {
    let mut itself = Command::new(own_path()?);
    itself.arg(LAUNCHER).arg("--").args(command);
    Ok(itself)
}

/// A command of the user's that is not traced: as the user, and as the user finds it.
pub fn untraced_command(program: &str) -> io::Result<Command> {
    let mut itself = Command::new(own_path()?);
    itself.args([LAUNCHER, "--at-once", "--", program]);
    Ok(itself)
}

/// In the started process: waits to be traced, unless it is to be `at_once`, then becomes the command.
/// Returns only if that is not possible, with the status to exit with.
#[must_use]
pub fn become_command(command: &[OsString], at_once: bool) -> i32 {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        say_to_user(format_args!("error: cannot {what}: {error}"));
        CANNOT_START
    };
    if !at_once && let Err(error) = raise(Signal::SIGSTOP) {
        return failed("wait to be traced", &error);
    }
    // Before: nobody can be told from another afterwards.
    let environment = match caller::caller_environment() {
        Ok(environment) => environment,
        Err(error) => return failed("start the command as the calling user", &error),
    };
    if let Err(error) = caller::become_caller() {
        return failed("start the command as the calling user", &error);
    }
    let Some((program, arguments)) = command.split_first() else {
        return CANNOT_START;
    };
    let error = Command::new(program)
        .args(arguments)
        .envs(environment)
        .exec();
    failed(
        &format!("start {}", printable(&program.to_string_lossy())),
        &error,
    )
}
