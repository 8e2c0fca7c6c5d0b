//! The crates as they would be published: built from their packages alone, without the sources of the kernel side.

use anyhow::{Result, bail};

use crate::{
    arch::Arch,
    workspace::{self, output},
};

/// Whether all is in them. With a single architecture, which is quicker to check, they are not built.
pub(super) fn check(archs: &[Arch]) -> Result<()> {
    let mut list = workspace::cargo(&[
        "package",
        "--package",
        "cowtrace",
        "--list",
        "--allow-dirty",
    ])?;
    let files = output(&mut list)?;
    for object in ["ebpf/x86_64.o", "ebpf/aarch64.o"] {
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
