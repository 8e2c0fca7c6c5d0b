//! Commands that need root: run directly by root, through sudo by anybody else, and always
//! announced.

use std::{env, ffi::OsStr, fs, os::unix::fs::MetadataExt as _, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{say, workspace};

/// Whether this process runs as root: its folder in /proc belongs to its effective user.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}

/// Whether commands can be run as root from here.
pub(crate) fn is_within_reach() -> bool {
    is_root() || find_program("sudo").is_some()
}

/// A program in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &std::path::Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0)
}

/// A command that runs as root. `purpose` completes "sudo is used to …".
pub(crate) fn command<I>(purpose: &str, program: &OsStr, arguments: I) -> Result<Command>
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut plain = Command::new(program);
    plain.args(arguments);
    if is_root() {
        return Ok(plain);
    }
    if !is_within_reach() {
        bail!(
            "only root can {purpose}, and there is no sudo. As root, run: {}",
            typed(&plain)
        );
    }
    say(&format!("sudo is used to {purpose}"));
    let mut sudo = Command::new("sudo");
    sudo.arg("-E")
        .arg(plain.get_program())
        .args(plain.get_args());
    Ok(sudo)
}

/// With the program's full path: root has another `PATH`.
fn typed(command: &Command) -> String {
    let words = workspace::words(command);
    let arguments = words.split_once(' ').map_or("", |(_, rest)| rest);
    format!("{} {arguments}", command.get_program().display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_name() {
        assert!(find_program("sh").is_some());
        assert!(find_program("no-such-program-anywhere").is_none());
    }

    #[test]
    fn what_a_person_types_has_the_whole_path() {
        let mut command = Command::new("/opt/cowtrace");
        command.args(["demo", "--seconds", "3"]);
        assert_eq!(typed(&command), "/opt/cowtrace demo --seconds 3");
    }
}
