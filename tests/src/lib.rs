//! Shared by the tests of the whole program: a workload or service under the test's control,
//! cowtrace beside it, and the kernel's own page tables as the truth.

pub mod browser;
pub mod cases;
pub mod cgroup;
pub mod command;
pub mod pagemap;
pub mod pythons;
pub mod recorded;
pub mod report;
pub mod rights;
pub mod terminal;
pub mod tmux;
pub mod tracer;
pub mod web;
pub mod workload;

use std::process::Command;

/// The real interpreter, even if `python3` is a wrapper.
///
/// # Panics
/// If there is no python3.
#[must_use]
pub fn python() -> String {
    let output = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let output = output.expect("python3 is there; `cargo xtask test` installs it");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
