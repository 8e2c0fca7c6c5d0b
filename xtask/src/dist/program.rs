//! The programs: static, stripped, with link-time optimization, each with the eBPF object of its architecture.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    files::read,
    release::{COMMIT, Release},
};
use crate::{arch::Arch, cross, object, say, strip::strip_debug, workspace};

/// The profile in Cargo.toml.
const PROFILE: &str = "dist";

/// The folder in which the crate is published with its objects.
pub(super) struct Objects(PathBuf);

impl Objects {
    pub(super) fn of(&self, arch: Arch) -> PathBuf {
        self.0.join(format!("{}.o", arch.name()))
    }
}

/// Builds the eBPF objects into the crate's folder: whoever builds the published crate needs no compiler for BPF. One
/// that is not wanted now is not left there from an older source.
pub(super) fn objects(archs: &[Arch]) -> Result<Objects> {
    let root = workspace::root();
    let objects = Objects(root.join("cowtrace/ebpf"));
    fs::create_dir_all(&objects.0).context("cannot make the folder for eBPF objects")?;
    for arch in Arch::ALL {
        if !archs.contains(&arch) {
            let _ = fs::remove_file(objects.of(arch));
            continue;
        }
        say(&format!("the eBPF object for {}", arch.name()));
        let target = workspace::target()?.join("ebpf").join(arch.name());
        let built = object::build(&root, &target, arch.name()).map_err(anyhow::Error::msg)?;
        let object = strip_debug(&read(&built)?).map_err(anyhow::Error::msg)?;
        replace(&objects.of(arch), &object)?;
    }
    Ok(objects)
}

/// Writes a file that is not yet the same: cargo builds again what uses a newer one.
fn replace(file: &Path, content: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))
}

/// Builds the program, and returns where it is.
pub(super) fn build(arch: Arch, objects: &Objects, release: &Release) -> Result<PathBuf> {
    say(&format!("the program for {}", arch.name()));
    let mut cargo = cross::cargo(arch, PROFILE)?;
    cargo.args(["--package", "cowtrace", "--bin", "cowtrace"]);
    cargo.env("COWTRACE_EBPF_OBJECT", objects.of(arch));
    if let Some(commit) = &release.commit {
        cargo.env(COMMIT, commit);
    }
    workspace::run(&mut cargo)?;
    let program = workspace::target()?
        .join(arch.target())
        .join(PROFILE)
        .join("cowtrace");
    is_static(&program)?;
    Ok(program)
}

/// A program that needs a library would not start everywhere.
fn is_static(program: &Path) -> Result<()> {
    let mut readelf = Command::new("readelf");
    let told = workspace::output(
        readelf
            .args(["--wide", "--dynamic", "--program-headers"])
            .arg(program),
    )?;
    if told.contains("(NEEDED)") || told.contains("INTERP") {
        bail!("{} needs shared libraries", program.display());
    }
    Ok(())
}
