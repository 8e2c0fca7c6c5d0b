//! A command on a terminal of its own, through tests/terminal.py.

use std::process::Command;

use serde_json::Value;

const SCRIPT: &str = include_str!("../tests/terminal.py");

/// How a command on a terminal ended, and its output there.
pub struct Ended {
    /// Its status; negative for a signal.
    pub status: i64,
    /// Its output to the terminal.
    pub written: String,
}

/// Runs a shell script on a terminal. After this many seconds the terminal is closed (`close`) or
/// sends Ctrl-C (`interrupt`), or nothing happens (`wait`). `$0` in the script is the first of the
/// words.
///
/// # Panics
/// If it does not exit.
pub fn on_terminal(action: &str, seconds: &str, script: &str, words: &[&str]) -> Ended {
    let output = Command::new("python3")
        .args(["-c", SCRIPT, action, seconds, "sh", "-c", script])
        .args(words)
        .output()
        .expect("python3 runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("json");
    Ended {
        status: told["status"].as_i64().expect("a status"),
        written: told["written"].as_str().expect("text").to_owned(),
    }
}
