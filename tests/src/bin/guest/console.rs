//! What the machine says to the outside, among the kernel's own messages.

use std::io::{self, Write as _};

use serde_json::{Value, json};

/// Begins every line that is ours.
const MARK: &str = "@cowtrace ";

/// Counts what it told, so that a line lost on the way is noticed.
#[derive(Default)]
pub(crate) struct Console {
    told: usize,
}

impl Console {
    /// Tells one result. Begins a line of its own, whatever the kernel was just saying.
    pub(crate) fn tell(&mut self, result: &Value) {
        self.told += 1;
        write(result);
    }

    /// The last word: nothing is missing if it and so many lines have arrived.
    pub(crate) fn finish(&self) {
        write(&json!({ "done": true, "told": self.told }));
    }
}

fn write(result: &Value) {
    let mut out = io::stdout().lock();
    // Nobody is there to be told that the console is gone.
    let _ = writeln!(out, "\n{MARK}{result}");
    let _ = out.flush();
}
