//! The package for Debian and Ubuntu.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{
    files::{Files, compressed, template},
    release::Release,
};
use crate::{
    arch::Arch,
    archive::Scratch,
    workspace::{self, absolute},
};

/// Writes `cowtrace_VERSION_ARCH.deb`. It depends on nothing and runs no script: the unit is not enabled.
pub(super) fn write(arch: Arch, files: &Files, release: &Release, folder: &Path) -> Result<()> {
    let scratch = Scratch::new("deb")?;
    let files = contents(files, release)?;
    files.write(scratch.path())?;
    let bytes: usize = files.all().iter().map(|file| file.content.len()).sum();
    let control = template(
        "deb/control",
        &[
            ("VERSION", release.version),
            ("ARCH", arch.debian()),
            ("KIB", &bytes.div_ceil(1024).to_string()),
        ],
    )?;
    let places = scratch.path().join("DEBIAN");
    fs::create_dir(&places).context("cannot make a folder")?;
    fs::write(places.join("control"), control).context("cannot write the control file")?;
    let file = format!("cowtrace_{}_{}.deb", release.version, arch.debian());
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args(["--build", "--root-owner-group", "-Zxz"])
        .args(["--threads-max=1", "--uniform-compression"])
        .arg(scratch.path())
        .arg(absolute(folder)?.join(file))
        .stdout(std::io::stderr());
    workspace::run(release.date(&mut dpkg))
}

/// Where Debian has them, with what it demands of each package.
fn contents(files: &Files, release: &Release) -> Result<Files> {
    let date = release.formatted("+%a, %d %b %Y %H:%M:%S +0000")?;
    let values = [("VERSION", release.version), ("DATE", &date)];
    let changes = template("deb/changelog", &values)?;
    let mut files = files
        .moved(|place| {
            // Debian has the text of this licence, and wants no second one.
            let own = place != "share/doc/cowtrace/LICENSE-APACHE";
            let place = place.replace("zsh/site-functions", "zsh/vendor-completions");
            own.then(|| format!("usr/{place}"))
        })
        .with_compressed_manual()?;
    let documents = "usr/share/doc/cowtrace";
    files.add(
        format!("{documents}/copyright"),
        template("deb/copyright", &[])?.into_bytes(),
    );
    files.add(
        format!("{documents}/changelog.gz"),
        compressed(changes.as_bytes())?,
    );
    Ok(files)
}
