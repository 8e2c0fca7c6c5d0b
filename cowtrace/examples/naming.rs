//! Names places in code: a question on standard input, an answer on standard output, as the program
//! asks itself. For measuring the naming alone; `cargo xtask bench` runs it.

use std::{io, os::unix::process::parent_id};

use anyhow::{Context as _, Result};
use cowtrace::native;

fn main() -> Result<()> {
    native::answer_question(parent_id(), io::stdin().lock(), io::stdout().lock())
        .context("cannot name code")
}
