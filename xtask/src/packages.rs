//! Packages of the distribution. Installs only what is missing, says before what and why, and gives
//! the command to type where it cannot install.

use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{privilege, say, workspace};

/// A program that is needed, and the packages that contain it.
pub(crate) struct Need {
    /// Names to look for in `PATH`.
    pub(crate) program: &'static str,
    /// Debian's package names.
    pub(crate) packages: &'static [&'static str],
    /// Its purpose.
    pub(crate) why: &'static str,
}

/// Installs what is missing.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    for need in needs {
        if privilege::find_program(need.program).is_none() {
            install(need.packages, need.why)?;
        }
    }
    Ok(())
}

/// Whether packages can be installed at all.
pub(crate) fn has_manager() -> bool {
    privilege::find_program("apt-get").is_some()
}

/// Installs packages by name.
pub(crate) fn install(packages: &[&str], why: &str) -> Result<()> {
    if !has_manager() {
        bail!(
            "{} must be installed by hand ({why}): there is no apt-get here",
            packages.join(", ")
        );
    }
    let names = packages.join(" ");
    let by_hand = format!("as root, run: apt-get update && apt-get install {names}");
    if !privilege::is_within_reach() {
        bail!(
            "{names} must be installed ({why}), but this is not root and there is no sudo; {by_hand}"
        );
    }
    say(&format!("installing {names}: {why}"));
    install_known_or_update(packages).with_context(|| format!("cannot install {names} ({by_hand})"))
}

fn install_known_or_update(packages: &[&str]) -> Result<()> {
    let arguments = install_arguments(packages);
    if packages.iter().all(|package| is_known(package)) && apt_get(&arguments).is_ok() {
        return Ok(());
    }
    // The package is unknown, or the lists are older than the archive.
    update()?;
    apt_get(&arguments)
}

fn install_arguments<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    arguments
}

/// Refreshes the lists of packages.
pub(crate) fn update() -> Result<()> {
    say("refreshing the package lists: what is needed is not to be had by them");
    apt_get(&["update"])
}

/// Whether the package lists have it, without refreshing them.
pub(crate) fn is_known(package: &str) -> bool {
    Command::new("apt-cache")
        .args(["show", "--no-all-versions", package])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut all = vec![
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        // Another installation may be running.
        "-oDPkg::Lock::Timeout=300",
        "-oDpkg::Use-Pty=0",
        "-qq",
    ];
    all.extend(arguments);
    let mut command = privilege::command("install packages", OsStr::new("env"), all)?;
    // Standard output is reserved for results.
    workspace::run(command.stdout(std::io::stderr()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed() {
        let need = Need {
            program: "sh",
            packages: &["no-such-package"],
            why: "nothing",
        };
        assert!(ensure(&[need]).is_ok());
    }

    #[test]
    fn an_installation_asks_nothing_and_takes_only_what_is_needed() {
        assert_eq!(
            install_arguments(&["gcc", "libc6-dev"]),
            [
                "install",
                "--yes",
                "--no-install-recommends",
                "gcc",
                "libc6-dev"
            ]
        );
    }
}
