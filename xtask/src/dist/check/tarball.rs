//! The archive for any Linux, unpacked into a system that has nothing else.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::place::Place;
use crate::{
    arch::Arch,
    archive::Scratch,
    workspace::{self, output},
};

pub(super) fn check(arch: Arch, file: &Path) -> Result<()> {
    let root = Scratch::new("tarball-root")?;
    let local = root.path().join("usr/local");
    unpack(file, &local)?;
    let mut sums = Command::new("sha256sum");
    sums.args([
        "--check",
        "--quiet",
        "--strict",
        "share/doc/cowtrace/MANIFEST",
    ]);
    output(sums.current_dir(&local))?;
    if arch.is_here() {
        Place::Root(root.path().to_path_buf(), "/usr/local/bin/cowtrace").traces()?;
    }
    Ok(())
}

/// As the README has it.
pub(super) fn unpack(file: &Path, prefix: &Path) -> Result<()> {
    fs::create_dir_all(prefix).context("cannot make a folder")?;
    let mut tar = Command::new("tar");
    tar.arg("-xJf").arg(file).arg("-C").arg(prefix);
    workspace::run(tar.arg("--strip-components=1"))
}
