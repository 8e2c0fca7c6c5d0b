//! Starting this program again as one of its hidden subcommands, and who has started it so.

use std::{env, fs, io, os::unix::fs::MetadataExt as _, path::PathBuf, process::Command};

use nix::unistd::getppid;
use thiserror::Error;

/// Becomes a command once it is traced.
pub const LAUNCHER: &str = "__become";
/// Reads foreign files.
pub const NAMER: &str = "__name";
/// The demo's service where there is no python3.
pub const DEMO_SERVICE: &str = "__demo-service";

/// Why a hidden subcommand does nothing for who started it.
#[derive(Debug, Error)]
pub enum StarterError {
    /// It reads what its parent holds, which by sudo anybody could be who may start it.
    #[error("this is a part of cowtrace that only cowtrace itself starts")]
    Foreign,
    /// The system does not answer.
    #[error("cannot tell who has started this part of cowtrace: {0}")]
    Unknown(io::Error),
}

/// Starts this very program as a hidden subcommand, whatever its path leads to by now.
#[must_use]
pub fn start_again(subcommand: &str) -> Command {
    let mut itself = Command::new("/proc/self/exe");
    itself.arg(subcommand);
    itself
}

/// The path of this program, for what is to go by its name, as a process does that is traced.
pub fn own_path() -> io::Result<PathBuf> {
    env::current_exe()
}

/// The process that has started this one, if it is this program too.
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
        // cargo, or whatever else runs tests.
        assert!(matches!(find_starter(), Err(StarterError::Foreign)));
    }
}
