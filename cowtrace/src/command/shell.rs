//! `cowtrace completions`, `cowtrace man`: generated from the arguments themselves.

use std::io;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::cli::Cli;

/// Prints completions for a shell.
pub fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cowtrace", &mut script);
    io::Write::write_all(&mut io::stdout(), &script).context("cannot write the completions")
}

/// Prints the manual page.
pub fn man() -> Result<()> {
    clap_mangen::Man::new(Cli::command())
        .render(&mut io::stdout())
        .context("cannot write the manual page")
}
