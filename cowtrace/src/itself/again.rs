//! Starts this program again as one of its hidden subcommands, and checks who started a hidden
//! subcommand.

use std::{env, fs, io, os::unix::fs::MetadataExt as _, path::PathBuf, process::Command};

use nix::unistd::getppid;
use thiserror::Error;

/// Becomes a command once it is traced.
pub const LAUNCHER: &str = "__become";
/// Reads foreign files.
pub const NAMER: &str = "__name";
/// The demo's service where there is no python3.
pub const DEMO_SERVICE: &str = "__demo-service";

/// Why a hidden subcommand refuses to work for its parent.
#[derive(Debug, Error)]
pub enum StarterError {
    /// It reads files that its parent holds; by sudo, anybody allowed to run it could be that
    /// parent.
    #[error("this is a part of cowtrace that only cowtrace itself starts")]
    Foreign,
    /// The system call failed.
    #[error("cannot tell who has started this part of cowtrace: {0}")]
    Unknown(io::Error),
}

/// Starts this very program as a hidden subcommand, even if its path now leads to another file.
#[must_use]
pub fn start_again(subcommand: &str) -> Command {
    let mut itself = Command::new("/proc/self/exe");
    itself.arg(subcommand);
    itself
}

/// The path of this program, for processes that should appear under its name, such as traced ones.
pub fn own_path() -> io::Result<PathBuf> {
    env::current_exe()
}

/// The parent process, if it runs this program too.
pub fn find_starter() -> Result<u32, StarterError> {
    let starter = getppid().as_raw().unsigned_abs();
    let program = |process: &str| {
        let file = fs::metadata(format!("/proc/{process}/exe"));
        file.map(|it| (it.dev(), it.ino()))
            .map_err(StarterError::Unknown)
    };
    if program("self")? == program(&starter.to_string())? {
        Ok(starter)
    } else {
        Err(StarterError::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_found_and_its_starter_told_from_it() {
        let program = own_path().unwrap();
        assert!(program.is_file());
        assert_eq!(start_again(NAMER).get_args().collect::<Vec<_>>(), [NAMER]);
        // The parent is cargo, or another test runner.
        assert!(matches!(find_starter(), Err(StarterError::Foreign)));
    }
}
