//! `--twice`: everything again from a clone of the last commit in another folder, and whether it is the same.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    arch::Arch,
    archive::Scratch,
    say,
    workspace::{self, absolute, output},
};

/// Compares by the sums of all files.
pub(in crate::dist) fn compare(archs: &[Arch], folder: &Path) -> Result<()> {
    let root = workspace::root();
    let mut status = Command::new("git");
    status.args(["status", "--porcelain"]).current_dir(&root);
    if !output(&mut status)?.is_empty() {
        bail!("the checkout has changes that are in no commit: a clone would not be the same");
    }
    let scratch = Scratch::new("clone")?;
    let clone = scratch.path().join("elsewhere");
    let mut git = Command::new("git");
    workspace::run(git.args(["clone", "--quiet"]).arg(&root).arg(&clone))?;
    say("building everything again in another folder");
    let mut again = Command::new(workspace::cargo_program());
    again
        .args(["xtask", "dist", "--arch"])
        .args(archs.iter().map(|arch| arch.name()))
        .current_dir(&clone)
        .env("CARGO_TARGET_DIR", clone.join("target"))
        // Cargo says by it which crate runs this.
        .env_remove("CARGO_MANIFEST_DIR")
        .stdout(std::io::stderr());
    workspace::run(&mut again)?;
    let sums = |folder: &Path| -> Result<String> {
        let file = absolute(folder)?.join("SHA256SUMS");
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let (first, second) = (sums(folder)?, sums(&clone.join("dist"))?);
    let differ: Vec<&str> = first
        .lines()
        .filter(|line| !second.lines().any(|other| other == *line))
        .collect();
    if !differ.is_empty() || first.lines().count() != second.lines().count() {
        bail!("not the same when built again:\n{}", differ.join("\n"));
    }
    say("built again, everything is the same to the byte");
    Ok(())
}
