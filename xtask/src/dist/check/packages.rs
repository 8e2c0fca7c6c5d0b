//! The packages for distributions, installed by the distribution's own program, looked at, used and removed.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use super::{debian::Debian, place::Place};
use crate::{
    arch::Arch,
    archive::Scratch,
    privilege,
    workspace::{self, output},
};

/// What lintian may find: the maintainers have no address before a release, nor is there a bug in Debian's tracker
/// that the package closes; and a program that runs everywhere is linked statically, with what it needs in it.
const KNOWN: &str =
    "bogus-mail-host,initial-upload-closes-no-bugs,statically-linked-binary,embedded-library";

/// Installs the package in a Debian that has little more than dpkg and man.
pub(super) fn check_deb(arch: Arch, file: &Path) -> Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args([
        "--allow-root",
        "--fail-on",
        "error",
        "--suppress-tags",
        KNOWN,
    ]);
    workspace::run(lintian.arg(file).stdout(std::io::stderr()))?;
    if !arch.is_here() {
        return Ok(());
    }
    let debian = Debian::new("deb-root")?;
    debian.run("dpkg", &["-i", &debian.put(file)?])?;
    for page in ["cowtrace", "cowtrace-report", "cowtrace-diff"] {
        debian.run("man", &["--where", page])?;
    }
    let enabled = ["/etc/systemd", "-name", "cowtrace*"];
    if !debian.run("find", &enabled)?.is_empty() {
        bail!("the package enables its unit");
    }
    Place::Root(debian.path().to_path_buf(), "/usr/bin/cowtrace").traces()?;
    debian.run("dpkg", &["--purge", "cowtrace"])?;
    let left = ["/usr", "-name", "*cowtrace*"];
    if !debian.run("find", &left)?.is_empty() {
        bail!("the package leaves files behind");
    }
    Ok(())
}

/// Installs the package in a root that has nothing else.
pub(super) fn check_rpm(arch: Arch, file: &Path) -> Result<()> {
    output(Command::new("rpm").arg("--checksig").arg(file))?;
    let list = output(Command::new("rpm").args(["-qlp"]).arg(file))?;
    for place in [
        "/usr/bin/cowtrace",
        "/usr/share/man/man1/cowtrace-report.1.gz",
    ] {
        if !list.lines().any(|line| line == place) {
            bail!("the package lacks {place}");
        }
    }
    let demands = output(Command::new("rpm").args(["-qp", "--requires"]).arg(file))?;
    if let Some(other) = demands.lines().find(|line| !line.starts_with("rpmlib(")) {
        bail!("the package needs {other}");
    }
    if !arch.is_here() {
        return Ok(());
    }
    let root = Scratch::new("rpm-root")?;
    let run = |arguments: &[&str], file: &str| -> Result<String> {
        let mut all = vec!["--root", root.path().to_str().context("not UTF-8")?];
        all.extend(arguments);
        all.push(file);
        output(&mut privilege::command(
            "install a package elsewhere",
            "rpm".as_ref(),
            all,
        )?)
    };
    run(&["--install"], file.to_str().context("not UTF-8")?)?;
    run(&["--verify"], "cowtrace")?;
    Place::Root(root.path().to_path_buf(), "/usr/bin/cowtrace").traces()?;
    run(&["--erase"], "cowtrace")?;
    if root.path().join("usr/bin/cowtrace").exists() {
        bail!("the package leaves files behind");
    }
    Ok(())
}
