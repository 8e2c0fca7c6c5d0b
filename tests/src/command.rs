//! cowtrace as it is called, without a trace: its status and its streams.

use std::process::{Command, Output, Stdio};

use crate::tracer::program;

/// Runs cowtrace to its end.
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

/// Asserts a failure: its status, nothing on standard output, one line on standard error.
///
/// # Panics
/// If it is none, or another.
#[track_caller]
pub fn fails(arguments: &[&str], status: i32, says: &str) {
    failed(&cowtrace(arguments), status, says);
}

/// As [`fails`], of one that has ended.
///
/// # Panics
/// If it is none, or another.
#[track_caller]
pub fn failed(output: &Output, status: i32, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{errors}");
    assert!(output.stdout.is_empty(), "results only on standard output");
    assert!(errors.contains(says), "{errors}");
    assert!(status != 1 || errors.lines().count() == 1, "{errors}");
}
