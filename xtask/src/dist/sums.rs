//! `SHA256SUMS`, as `sha256sum --check` reads it.

use std::{ffi::OsStr, fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::made;
use crate::workspace::output;

/// Writes the sums of all files in the folder.
pub(super) fn write(folder: &Path) -> Result<()> {
    let files = made(folder)?;
    let names: Vec<&OsStr> = files.iter().filter_map(|file| file.file_name()).collect();
    let mut sums = Command::new("sha256sum");
    let told = output(sums.args(names).current_dir(folder))?;
    fs::write(folder.join("SHA256SUMS"), told).context("cannot write SHA256SUMS")
}
