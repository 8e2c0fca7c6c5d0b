//! A small Debian with neither a compiler nor anything of this machine: packages and the wheel are installed there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::place::in_root;
use crate::{
    archive::{Archive, Scratch},
    privilege, say, toolchain,
    workspace::{self, output},
};

const SUITE: &str = "bookworm";
/// What it has beside dpkg: manuals are looked up, and Python installs the wheel.
const INCLUDED: &str = "man-db,python3-venv";
/// What would build instead of install.
const BUILDERS: [&str; 4] = ["cc", "gcc", "rustc", "cargo"];

/// A new one, below a folder.
pub(super) struct Debian(Scratch);

impl Debian {
    pub(super) fn new(name: &str) -> Result<Self> {
        let root = Scratch::new(name)?;
        let mut tar = Command::new("tar");
        workspace::run(tar.arg("-xf").arg(system()?).arg("-C").arg(root.path()))?;
        let builder = BUILDERS
            .map(|name| root.path().join("usr/bin").join(name))
            .into_iter()
            .find(|program| program.exists());
        if let Some(builder) = builder {
            bail!("{} is where nothing shall be built", builder.display());
        }
        Ok(Self(root))
    }

    /// Its root.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Copies a file into its root, and returns its path there.
    pub(super) fn put(&self, file: &Path) -> Result<String> {
        let name = file.file_name().context("a file without a name")?;
        fs::copy(file, self.path().join(name)).context("cannot copy a file")?;
        Ok(format!("/{}", name.to_string_lossy()))
    }

    /// What a command prints there.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        output(&mut in_root(self.path(), program, arguments)?)
    }
}

/// The archive of it, made once.
fn system() -> Result<PathBuf> {
    let folder = toolchain::cache().join("systems");
    let file = folder.join(format!("{SUITE},{INCLUDED}.tar"));
    if file.is_file() {
        return Ok(file);
    }
    fs::create_dir_all(&folder).context("cannot make a folder in the cache")?;
    say(&format!(
        "making a small Debian in {}, some 250 MB: packages are installed there",
        file.display()
    ));
    let begun = folder.join(format!("{SUITE}-{}.tar", std::process::id()));
    let archive = Archive::of_this_machine()?;
    let include = format!("--include={INCLUDED}");
    let arguments = [
        "--quiet",
        "--variant=minbase",
        &include,
        SUITE,
        begun.to_str().context("the cache's path is not UTF-8")?,
        archive.main(),
    ];
    let mut make = privilege::command("make a system", "mmdebstrap".as_ref(), arguments)?;
    workspace::run(make.stdout(std::io::stderr()))?;
    fs::rename(&begun, &file).context("cannot rename the system")?;
    Ok(file)
}
