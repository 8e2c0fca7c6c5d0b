//! `--check`: installs everything where nothing else is, and traces with it. `twice` builds everything again.

mod bare;
mod crates;
mod debian;
mod image;
mod packages;
mod place;
mod tarball;
pub(super) mod twice;
mod wheel;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::made;
use crate::{
    arch::Arch,
    packages::{Need, ensure},
    say,
};

const NEEDS: &[Need] = &[
    Need {
        program: "mmdebstrap",
        packages: &["mmdebstrap"],
        why: "the package for Debian is installed in a Debian with nothing else",
    },
    Need {
        program: "lintian",
        packages: &["lintian"],
        why: "it checks the package for Debian",
    },
    Need {
        program: "skopeo",
        packages: &["skopeo"],
        why: "it reads the container image",
    },
    Need {
        program: "umoci",
        packages: &["umoci"],
        why: "it unpacks the container image",
    },
];

/// Checks all that was made. What is for another architecture is not started but in a virtual machine.
pub(super) fn run(archs: &[Arch], folder: &Path) -> Result<()> {
    ensure(NEEDS)?;
    for arch in archs {
        say(&format!("checking what is for {}", arch.name()));
        let tarball = one(folder, arch.name(), ".tar.xz")?;
        let deb = one(folder, arch.debian(), ".deb")?;
        let rpm = one(folder, arch.name(), ".rpm")?;
        let wheel = one(folder, arch.name(), ".whl")?;
        tarball::check(*arch, &tarball)?;
        packages::check_deb(*arch, &deb)?;
        packages::check_rpm(*arch, &rpm)?;
        wheel::check(*arch, &wheel)?;
        image::check(*arch, &one(folder, "", ".oci.tar")?)?;
        bare::check(*arch, &tarball)?;
    }
    crates::check(archs)
}

/// The file of this kind and architecture.
fn one(folder: &Path, arch: &str, end: &str) -> Result<PathBuf> {
    let found = made(folder)?.into_iter().find(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.contains(arch) && name.ends_with(end)
    });
    found.with_context(|| format!("there is no file for {arch} that ends in {end}"))
}
