//! The wheel, for pipx and pip: the same program as in all packages, with its manual and completions, in the layout of
//! <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>. maturin would build the program
//! once more.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{
    bill::Bill,
    files::{Files, read, template},
    release::Release,
};
use crate::{
    arch::Arch,
    archive::Scratch,
    pip,
    workspace::{self, absolute},
};

/// Lists the files with their sums, and packs them.
const TOOLS: [&str; 1] = ["wheel==0.45.1"];

/// Writes the wheel. A static program runs with every C library: its tags name systems with GNU's from 2014 on, and
/// those with musl.
pub(super) fn write(
    arch: Arch,
    files: &Files,
    bill: &Bill,
    release: &Release,
    folder: &Path,
) -> Result<()> {
    let tools = pip::folder_with("wheel", &TOOLS, "it makes the wheel")?;
    let scratch = Scratch::new("wheel")?;
    let name = format!("cowtrace-{}", release.version);
    let mut all = files.moved(|place| beside(place, &name));
    let information = format!("{name}.dist-info");
    let values = [("VERSION", release.version), ("ARCH", arch.name())];
    let mut metadata = template("python/METADATA", &values)?.into_bytes();
    metadata.extend(read(&workspace::root().join("README.md"))?);
    all.add(format!("{information}/METADATA"), metadata);
    let tags = template("python/WHEEL", &values)?;
    all.add(format!("{information}/WHEEL"), tags.into_bytes());
    all.add(
        format!("{information}/sboms/cowtrace.cdx.json"),
        bill.text()?.into_bytes(),
    );
    let tree = scratch.path().join("files");
    all.write(&tree)?;
    let mut wheel = Command::new("python3");
    wheel
        .args(["-m", "wheel", "pack", "--dest-dir"])
        .arg(absolute(folder)?)
        .arg(&tree)
        .env("PYTHONPATH", tools)
        .stdout(std::io::stderr());
    workspace::run(release.date(&mut wheel)).context("cannot make the wheel")
}

/// Where a wheel has a file: what is installed below the environment, and licences, which are only kept.
fn beside(place: &str, name: &str) -> Option<String> {
    if place == "bin/cowtrace" {
        return Some(format!("{name}.data/scripts/cowtrace"));
    }
    let document = place.strip_prefix("share/doc/cowtrace/");
    if let Some(document) = document {
        let is_licence = document.starts_with("LICENSE") || document == "THIRD-PARTY.txt";
        return is_licence.then(|| format!("{name}.dist-info/licenses/{document}"));
    }
    place
        .starts_with("share/")
        .then(|| format!("{name}.data/data/{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_has_the_program_its_manual_and_its_licences() {
        let placed = |place: &str| beside(place, "cowtrace-1.0.0").unwrap_or_default();
        assert_eq!(
            placed("bin/cowtrace"),
            "cowtrace-1.0.0.data/scripts/cowtrace"
        );
        assert_eq!(
            placed("share/man/man1/cowtrace.1"),
            "cowtrace-1.0.0.data/data/share/man/man1/cowtrace.1"
        );
        assert_eq!(
            placed("share/doc/cowtrace/LICENSE-MIT"),
            "cowtrace-1.0.0.dist-info/licenses/LICENSE-MIT"
        );
        assert_eq!(placed("lib/systemd/system/cowtrace@.service"), "");
        assert_eq!(placed("share/doc/cowtrace/CHANGELOG.md"), "");
    }
}
