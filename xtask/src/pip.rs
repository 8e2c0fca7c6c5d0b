//! Python packages in folders of the cache: nothing is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{archive::Scratch, packages, say, toolchain, workspace};

/// The file that lists the folder's content; written last.
const CONTENTS: &str = "pins";

/// A folder in the cache with exactly these packages in pinned versions; their programs are in `bin`.
pub(crate) fn folder_with(name: &str, pins: &[&str], why: &str) -> Result<PathBuf> {
    let folder = toolchain::cache().join("tools").join(name);
    ensure(&folder, pins, &pins.join("\n"), why)?;
    Ok(folder)
}

/// Downloads the packages into a folder that does not have these contents yet.
pub(crate) fn ensure(folder: &Path, pins: &[&str], contents: &str, why: &str) -> Result<()> {
    if has(folder, contents) {
        return Ok(());
    }
    if !has_pip() {
        packages::install(&["python3-pip"], why)?;
    }
    let scratch = Scratch::new("packages")?;
    say(&format!(
        "downloading {} into {}: {why}",
        names(pins),
        folder.display()
    ));
    let mut pip = pip();
    pip.env("PIP_ROOT_USER_ACTION", "ignore")
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:", "--target"])
        .arg(scratch.path())
        .args(pins)
        .stdout(std::io::stderr());
    workspace::run(&mut pip)?;
    fs::write(scratch.path().join(CONTENTS), contents).context("cannot write the contents")?;
    // Packages of other versions, if there are any.
    let _ = fs::remove_dir_all(folder);
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    match fs::rename(scratch.path(), folder) {
        // A simultaneous run was faster.
        Err(_) if has(folder, contents) => Ok(()),
        other => other.with_context(|| format!("cannot write {}", folder.display())),
    }
}

fn names(pins: &[&str]) -> String {
    let names: Vec<&str> = pins
        .iter()
        .filter_map(|pin| pin.split("==").next())
        .collect();
    names.join(", ")
}

fn has(folder: &Path, contents: &str) -> bool {
    fs::read_to_string(folder.join(CONTENTS)).is_ok_and(|found| found == contents)
}

fn pip() -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip"]);
    pip
}

fn has_pip() -> bool {
    let quiet = |pip: &mut Command| {
        let pip = pip.stdout(Stdio::null()).stderr(Stdio::null());
        pip.status().is_ok_and(|status| status.success())
    };
    quiet(pip().arg("--version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_other_versions_do_not_count() {
        let folder = std::env::temp_dir().join(format!("cowtrace-packages-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(CONTENTS), "a==1").unwrap();
        let found = (has(&folder, "a==1"), has(&folder, "a==2"));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, (true, false));
    }

    #[test]
    fn packages_are_named_without_their_versions() {
        assert_eq!(names(&["a==1", "b==2; python_version < '3'"]), "a, b");
    }
}
