//! The machine's messages to the outside, among the kernel's own.

use std::io::{self, Write as _};

use serde_json::{Value, json};

/// The start of every line of ours.
const MARK: &str = "@cowtrace ";

/// Counts its messages, so that a lost line is noticed.
#[derive(Default)]
pub(crate) struct Console {
    told: usize,
}

impl Console {
    /// Reports one result, on a line of its own even if the kernel was just printing.
    pub(crate) fn tell(&mut self, result: &Value) {
        self.told += 1;
        write(result);
    }

    /// The last message: if it and this many lines have arrived, nothing is missing.
    pub(crate) fn finish(&self) {
        write(&json!({ "done": true, "told": self.told }));
    }
}

fn write(result: &Value) {
    let mut out = io::stdout().lock();
    // If the console is gone, nobody can be told.
    let _ = writeln!(out, "\n{MARK}{result}");
    let _ = out.flush();
}
