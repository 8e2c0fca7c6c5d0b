//! `cargo xtask demo`: from a fresh clone to cowtrace's report on its built-in service.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{privilege, setup, workspace};

/// The demo's arguments.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Arguments for `cowtrace demo`, such as --seconds 3
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) arguments: Vec<OsString>,
}

/// Sets up, builds, and executes the demo in place of this process, with its signals and exit
/// status.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure()?;
    workspace::build_program()?;
    let program = workspace::binaries()?.join("cowtrace");
    let arguments = std::iter::once(OsStr::new("demo"))
        .chain(options.arguments.iter().map(OsString::as_os_str));
    let error = privilege::command("trace the demo", program.as_os_str(), arguments)?.exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
