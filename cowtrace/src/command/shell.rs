//! `cowtrace completions`, `cowtrace man`: generated from the arguments themselves.

use std::{io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::{cli::Cli, streams};

/// Prints completions for a shell.
pub fn print_completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cowtrace", &mut script);
    streams::standard_output()
        .and_then(|mut out| {
            out.write_all(&script)?;
            out.flush()
        })
        .context("cannot write the completions")
}

/// Prints the manual page.
pub fn print_manual() -> Result<()> {
    streams::standard_output()
        .and_then(|mut out| {
            clap_mangen::Man::new(Cli::command()).render(&mut out)?;
            out.flush()
        })
        .context("cannot write the manual page")
}

/// Writes the manual into an existing folder: `cowtrace.1`, and `cowtrace-SUBCOMMAND.1` for each subcommand.
pub fn write_manual(folder: &Path) -> Result<()> {
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("cannot write the manual into {}", folder.display()))
}
