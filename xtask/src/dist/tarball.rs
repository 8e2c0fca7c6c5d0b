//! The archive for any Linux: `tar -xJf FILE -C /usr/local --strip-components=1` installs it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{files::Files, release::Release};
use crate::{
    arch::Arch,
    archive::Scratch,
    workspace::{self, absolute, output},
};

/// Writes `cowtrace-VERSION-ARCH.tar.xz`.
pub(super) fn write(arch: Arch, files: &Files, release: &Release, folder: &Path) -> Result<()> {
    let name = format!("cowtrace-{}-{}", release.version, arch.name());
    let scratch = Scratch::new("tarball")?;
    let root = scratch.path().join(&name);
    let mut files = files.clone().with_program_at("/usr/local/bin/cowtrace")?;
    let manifest = manifest(&files, &root)?;
    files.add("share/doc/cowtrace/MANIFEST", manifest.into_bytes());
    files.write(&root)?;
    let file = absolute(folder)?.join(format!("{name}.tar.xz"));
    let mut tar = tar(release, scratch.path());
    // One thread: the result must not depend on the number of processors.
    tar.args([
        "--use-compress-program=xz -9 --threads=1",
        "--create",
        "--file",
    ])
    .arg(&file)
    .arg(&name);
    workspace::run(&mut tar)
}

/// The files with their SHA-256, as `sha256sum --check` reads them.
fn manifest(files: &Files, root: &Path) -> Result<String> {
    files.write(root)?;
    let mut sums = Command::new("sha256sum");
    sums.args(files.all().iter().map(|file| &file.place));
    let told = output(sums.current_dir(root));
    fs::remove_dir_all(root).context("cannot remove files")?;
    told
}

/// A call of tar that writes the same archive of the same files everywhere.
pub(super) fn tar(release: &Release, folder: &Path) -> Command {
    let mut tar = Command::new("tar");
    tar.current_dir(folder)
        .args(["--sort=name", "--format=gnu", "--owner=0", "--group=0"])
        .args(["--numeric-owner", &format!("--mtime=@{}", release.epoch)]);
    tar
}
