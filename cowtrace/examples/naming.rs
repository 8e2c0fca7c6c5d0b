//! Names places in code: reads a question on standard input and prints the answer, as cowtrace's
//! naming process does. For measuring the naming by itself; `cargo xtask bench` runs it.

use std::{io, os::unix::process::parent_id};

use anyhow::{Context as _, Result};
use cowtrace::{itself::privileges::renounce_capabilities, native};

fn main() -> Result<()> {
    let (input, output) = (io::stdin().lock(), io::stdout().lock());
    native::answer_question(parent_id(), input, output, renounce_capabilities)
        .context("cannot name code")
}
