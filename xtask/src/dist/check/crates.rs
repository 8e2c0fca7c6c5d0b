//! The crates as they would be published: built from their packages alone, without the sources of the kernel side.

use anyhow::{Result, bail};

use crate::{
    arch::Arch,
    workspace::{self, output},
};

/// Whether the objects of these architectures are in them. With all, they are built, too.
pub(super) fn check(archs: &[Arch]) -> Result<()> {
    let mut list = workspace::cargo(&[
        "package",
        "--package",
        "cowtrace",
        "--list",
        "--allow-dirty",
    ])?;
    let files = output(&mut list)?;
    for arch in archs {
        let object = format!("ebpf/{}.o", arch.name());
        if !files.lines().any(|line| line == object) {
            bail!("the crate lacks {object}");
        }
    }
    if archs.len() < Arch::ALL.len() {
        return Ok(());
    }
    let mut publish = workspace::cargo(&["publish", "--workspace", "--dry-run", "--allow-dirty"])?;
    workspace::run(&mut publish)
}
