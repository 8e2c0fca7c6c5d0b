//! cowtrace without a trace: its exit status and its streams.

use std::process::{Command, Output, Stdio};

use crate::tracer::program;

/// Runs cowtrace until it exits.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn cowtrace(arguments: &[&str]) -> Output {
    Command::new(program("cowtrace"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("cowtrace runs")
}

/// Asserts a failure: this status, nothing on standard output, one line on standard error.
///
/// # Panics
/// If it did not fail, or differently.
#[track_caller]
pub fn fails(arguments: &[&str], status: i32, says: &str) {
    failed(&cowtrace(arguments), status, says);
}

/// Like [`fails`], for a process that has exited.
///
/// # Panics
/// If it did not fail, or differently.
#[track_caller]
pub fn failed(output: &Output, status: i32, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{errors}");
    assert!(output.stdout.is_empty(), "results only on standard output");
    assert!(errors.contains(says), "{errors}");
    assert!(status != 1 || errors.lines().count() == 1, "{errors}");
}
