//! The package for Fedora, RHEL, SUSE and their like.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{
    files::{Files, template},
    made,
    release::Release,
};
use crate::{arch::Arch, archive::Scratch, workspace};

/// Writes `cowtrace-VERSION-1.ARCH.rpm`. It depends on nothing and runs no script: the unit is not enabled.
pub(super) fn write(arch: Arch, files: &Files, release: &Release, folder: &Path) -> Result<()> {
    let scratch = Scratch::new("rpm")?;
    let files = files
        .moved(|place| Some(format!("usr/{place}")))
        .with_compressed_manual()?;
    let tree = scratch.path().join("files");
    files.write(&tree)?;
    let lines: Vec<String> = files.all().iter().map(|file| line(&file.place)).collect();
    let values = [("VERSION", release.version), ("FILES", &lines.join("\n"))];
    let spec = scratch.path().join("cowtrace.spec");
    fs::write(&spec, template("rpm/cowtrace.spec", &values)?).context("cannot write the spec")?;
    let define = |name: &str, path: &Path| format!("{name} {}", path.display());
    let mut rpm = Command::new("rpmbuild");
    rpm.args(["-bb", "--quiet", "--target", arch.name()])
        .args(["--define", &define("_topdir", scratch.path())])
        .args(["--define", &define("staged", &tree)])
        .arg(&spec)
        .stdout(std::io::stderr());
    workspace::run(release.date(&mut rpm))?;
    for file in made(&scratch.path().join("RPMS").join(arch.name()))? {
        let name = file.file_name().context("a package without a name")?;
        fs::copy(&file, folder.join(name)).context("cannot copy the package")?;
    }
    Ok(())
}

/// A line of the spec's list of files.
fn line(place: &str) -> String {
    let kind = if place.starts_with("usr/share/doc/cowtrace/LICENSE") {
        "%license "
    } else if place.starts_with("usr/share/doc/") || place.starts_with("usr/share/man/") {
        "%doc "
    } else {
        ""
    };
    format!("{kind}/{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_and_documents_are_marked() {
        let licence = "usr/share/doc/cowtrace/LICENSE-MIT";
        assert_eq!(line(licence), format!("%license /{licence}"));
        assert!(line("usr/share/man/man1/cowtrace.1.gz").starts_with("%doc "));
        assert_eq!(line("usr/bin/cowtrace"), "/usr/bin/cowtrace");
    }
}
