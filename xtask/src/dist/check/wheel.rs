//! The wheel: in an empty environment of the oldest Python that it is for, and in a Debian without a compiler.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{debian::Debian, place::Place};
use crate::{
    arch::Arch,
    archive::Scratch,
    say,
    workspace::{self, output},
};

/// As in pyproject.toml.
const OLDEST: u32 = 8;
const NEWEST: u32 = 15;

pub(super) fn check(arch: Arch, file: &Path) -> Result<()> {
    if !arch.is_here() {
        return Ok(());
    }
    let python = oldest_python()?;
    say(&format!("installing the wheel with {}", python.display()));
    let scratch = Scratch::new("environment")?;
    let environment = scratch.path().join("environment");
    workspace::run(Command::new(python).args(["-m", "venv"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--no-index",
        "--disable-pip-version-check",
    ]);
    output(pip.arg(file))?;
    let page = environment.join("share/man/man1/cowtrace-report.1");
    if !page.is_file() {
        bail!("the wheel lacks {}", page.display());
    }
    Place::Here(environment.join("bin/cowtrace")).traces()?;
    in_debian(file)
}

/// With Debian's own Python.
fn in_debian(file: &Path) -> Result<()> {
    say("installing the wheel in a small Debian");
    let debian = Debian::new("wheel-root")?;
    debian.run("python3", &["-m", "venv", "/opt/cowtrace"])?;
    let file = debian.put(file)?;
    debian.run(
        "/opt/cowtrace/bin/pip",
        &["install", "--quiet", "--no-index", &file],
    )?;
    Place::Root(debian.path().to_path_buf(), "/opt/cowtrace/bin/cowtrace").traces()
}

/// The oldest Python here that can make environments.
fn oldest_python() -> Result<PathBuf> {
    let makes = |python: &PathBuf| {
        let mut ask = Command::new(python);
        output(ask.args(["-c", "import venv, ensurepip"])).is_ok()
    };
    let mut all = (OLDEST..=NEWEST).flat_map(|minor| pythons(&format!("3.{minor}")));
    all.find(makes)
        .context("no Python here makes environments: install python3-venv")
}

/// Those of a version, of pyenv and in `PATH`.
fn pythons(version: &str) -> Vec<PathBuf> {
    let program = format!("python{version}");
    let home = PathBuf::from(env::var_os("HOME").unwrap_or_default());
    let built = fs::read_dir(home.join(".pyenv/versions"));
    let built = built.into_iter().flatten().flatten();
    let built = built.map(|entry| entry.path().join("bin").join(&program));
    let mut all: Vec<PathBuf> = built.filter(|python| python.is_file()).collect();
    all.sort();
    all.extend(["/usr/local/bin", "/usr/bin"].map(|folder| Path::new(folder).join(&program)));
    all.retain(|python| python.is_file());
    all
}
