//! Starts a command of the user: this program becomes the user who called, then the command.
//!
//! The command inherits nothing of the tracer: not its user, its capabilities or its environment
//! under sudo; no descriptor, since all are closed on exec; and no signal handler or blocked
//! signal, which the standard library resets. What was ignored or open when cowtrace started comes
//! from the caller (`nohup`, a shell's redirection) and stays.

use std::{ffi::OsString, io, os::unix::process::CommandExt as _, process::Command};

use nix::sys::signal::{Signal, raise};

use super::{
    again::{LAUNCHER, own_path},
    caller,
};
use crate::{foreign::printable, streams::say_to_user};

/// Exit status of a command that cannot be started, as in a shell.
const CANNOT_START: i32 = 127;

/// Starts a process that stops itself; when it is resumed, it becomes the command.
pub fn start_waiting(command: &[OsString]) -> io::Result<Command> {
    let mut itself = Command::new(own_path()?);
    itself.arg(LAUNCHER).arg("--").args(command);
    Ok(itself)
}

/// Starts a command of the user that is not traced, with the user's rights and environment.
pub fn untraced_command(program: &str) -> io::Result<Command> {
    let mut itself = Command::new(own_path()?);
    itself.args([LAUNCHER, "--at-once", "--", program]);
    Ok(itself)
}

/// Runs in the started process: waits to be traced unless `at_once`, then becomes the command.
/// Returns only if that fails, with the exit status.
#[must_use]
pub fn become_command(command: &[OsString], at_once: bool) -> i32 {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        say_to_user(format_args!("error: cannot {what}: {error}"));
        CANNOT_START
    };
    if !at_once && let Err(error) = raise(Signal::SIGSTOP) {
        return failed("wait to be traced", &error);
    }
    // Before changing the user: afterwards the parent cannot be checked.
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
