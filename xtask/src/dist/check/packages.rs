//! The packages for distributions, installed by the distribution's own program, looked at, used and removed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::place::{Place, in_root};
use crate::{
    arch::Arch,
    archive::{Archive, Scratch},
    privilege, say, toolchain,
    workspace::{self, output},
};

const SUITE: &str = "bookworm";
/// What lintian may find: the maintainers have no address before a release, nor is there a bug in Debian's tracker
/// that the package closes; and a program that runs everywhere is linked statically, with what it needs in it.
const KNOWN: &str =
    "bogus-mail-host,initial-upload-closes-no-bugs,statically-linked-binary,embedded-library";

/// Installs the package in a Debian that has only dpkg and man.
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
    let root = Scratch::new("deb-root")?;
    let mut tar = Command::new("tar");
    workspace::run(tar.arg("-xf").arg(system()?).arg("-C").arg(root.path()))?;
    let name = file.file_name().context("a package without a name")?;
    fs::copy(file, root.path().join(name)).context("cannot copy the package")?;
    let run = |program: &str, arguments: &[&str]| -> Result<String> {
        output(&mut in_root(root.path(), program, arguments)?)
    };
    run("dpkg", &["-i", &format!("/{}", name.to_string_lossy())])?;
    for page in ["cowtrace", "cowtrace-report", "cowtrace-diff"] {
        run("man", &["--where", page])?;
    }
    if !run("find", &["/etc/systemd", "-name", "cowtrace*"])?.is_empty() {
        bail!("the package enables its unit");
    }
    Place::Root(root.path().to_path_buf(), "/usr/bin/cowtrace").traces()?;
    run("dpkg", &["--purge", "cowtrace"])?;
    if !run("find", &["/usr", "-name", "*cowtrace*"])?.is_empty() {
        bail!("the package leaves files behind");
    }
    Ok(())
}

/// A Debian in an archive, made once.
fn system() -> Result<PathBuf> {
    let folder = toolchain::cache().join("systems");
    let file = folder.join(format!("{SUITE}.tar"));
    if file.is_file() {
        return Ok(file);
    }
    fs::create_dir_all(&folder).context("cannot make a folder in the cache")?;
    say(&format!(
        "making a small Debian in {}, some 200 MB: the package is installed there",
        file.display()
    ));
    let begun = folder.join(format!("{SUITE}-{}.tar", std::process::id()));
    let archive = Archive::of_this_machine()?;
    let arguments = [
        "--quiet",
        "--variant=minbase",
        "--include=man-db",
        SUITE,
        begun.to_str().context("the cache's path is not UTF-8")?,
        archive.main(),
    ];
    let mut make = privilege::command("make a system", "mmdebstrap".as_ref(), arguments)?;
    workspace::run(make.stdout(std::io::stderr()))?;
    fs::rename(&begun, &file).context("cannot rename the system")?;
    Ok(file)
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
