//! Files that cowtrace creates: always new, with no more rights than those of the user who called,
//! and never through a link that somebody else has put there.

pub(crate) mod claim;
mod error;

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process,
};

use nix::libc;

pub use error::OutputError;

use crate::itself::caller;

/// Refuses an output that is one of the sources, under any name.
pub fn refuse_source(output: &Path, sources: &[PathBuf]) -> Result<(), OutputError> {
    let identity = |path: &Path| Some(claim::identity_of_file(&fs::metadata(path).ok()?));
    let there = identity(output);
    if there.is_some() && sources.iter().any(|source| identity(source) == there) {
        return Err(OutputError::Source(output.to_owned()));
    }
    Ok(())
}

/// An unfinished file: removed again unless it is kept. No other cowtrace writes or replaces it
/// meanwhile.
#[derive(Debug)]
pub struct NewFile {
    target: PathBuf,
    /// Its path until it is kept: beside the target if that exists and is to be replaced.
    place: PathBuf,
    file: File,
    /// The file to be replaced, locked.
    _old: Option<File>,
    is_kept: bool,
}

impl NewFile {
    /// Creates an empty file that only its owner can read. With `force`, an existing file is
    /// replaced, but only when the new one is kept.
    pub fn create(target: &Path, force: bool) -> Result<Self, OutputError> {
        if caller::is_beyond_caller() {
            return Err(OutputError::AsRoot(target.to_owned()));
        }
        let name = target.file_name();
        let name = name.ok_or_else(|| OutputError::NoName(target.to_owned()))?;
        let old = check_output(target, force)?;
        let place = if old.is_there {
            let mut beside = std::ffi::OsString::from(".");
            beside.push(name);
            beside.push(format!(".{}", process::id()));
            target.with_file_name(beside)
        } else {
            target.to_owned()
        };
        let system = |error| match io::Error::kind(&error) {
            io::ErrorKind::AlreadyExists => OutputError::Exists(place.clone()),
            _ => OutputError::System {
                path: target.to_owned(),
                error,
            },
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&place)
            .map_err(system)?;
        let created = Self {
            target: target.to_owned(),
            place: place.clone(),
            file,
            _old: old.held,
            is_kept: false,
        };
        claim::hold_claim(&created.file, target)?;
        Ok(created)
    }

    /// Its present path.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The open file.
    pub const fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Keeps it, under its final name.
    pub fn keep(mut self) -> Result<(), OutputError> {
        if self.place != self.target {
            fs::rename(&self.place, &self.target).map_err(|error| OutputError::System {
                path: self.target.clone(),
                error,
            })?;
        }
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.place);
        }
    }
}

/// What exists at the path of the new file.
#[derive(Default)]
struct Old {
    is_there: bool,
    held: Option<File>,
}

/// Finds the file to be replaced; an error if something there must not be replaced.
fn check_output(target: &Path, force: bool) -> Result<Old, OutputError> {
    let Ok(there) = fs::symlink_metadata(target) else {
        return Ok(Old::default());
    };
    let kind = there.file_type();
    let what = if kind.is_symlink() {
        "symbolic link"
    } else if kind.is_dir() {
        "folder"
    } else if kind.is_file() {
        let held = claim::hold_existing(target)?;
        return if force {
            Ok(Old {
                is_there: true,
                held,
            })
        } else {
            Err(OutputError::Exists(target.to_owned()))
        };
    } else {
        "device or pipe"
    };
    Err(OutputError::NoFile {
        path: target.to_owned(),
        what,
    })
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::fs::symlink};

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_that_is_not_kept_leaves_nothing_and_the_old_one_as_it_was() {
        let scratch = Scratch::new("dropped");
        let path = scratch.path("a");
        drop(NewFile::create(&path, false).unwrap());
        assert!(!path.exists());
        fs::write(&path, "old").unwrap();
        let mut new = NewFile::create(&path, true).unwrap();
        new.file().write_all(b"half").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(new);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(scratch.names(), ["a"]);
    }

    #[test]
    fn a_file_is_replaced_only_by_force_and_at_once() {
        let scratch = Scratch::new("forced");
        let path = scratch.path("a");
        fs::write(&path, "old").unwrap();
        let refused = NewFile::create(&path, false).unwrap_err().to_string();
        assert!(
            refused.contains("exists already; --force replaces it"),
            "{refused}"
        );
        let mut new = NewFile::create(&path, true).unwrap();
        new.file().write_all(b"new").unwrap();
        new.keep().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(scratch.names(), ["a"]);
    }

    #[test]
    fn links_folders_and_devices_are_refused_even_by_force() {
        let scratch = Scratch::new("links");
        let elsewhere = scratch.path("elsewhere");
        for target in ["link", "dangling"] {
            symlink(&elsewhere, scratch.path(target)).unwrap();
            fs::write(&elsewhere, "safe").unwrap();
            if target == "dangling" {
                fs::remove_file(&elsewhere).unwrap();
            }
            for force in [false, true] {
                let refused = NewFile::create(&scratch.path(target), force).unwrap_err();
                assert!(refused.to_string().contains("symbolic link"), "{refused}");
            }
        }
        assert!(!elsewhere.exists(), "nothing went through the link");
        assert!(NewFile::create(&scratch.path("."), true).is_err());
        let device = NewFile::create(Path::new("/dev/null"), true).unwrap_err();
        assert!(device.to_string().contains("device"), "{device}");
        assert!(NewFile::create(&scratch.path("no/such/folder"), false).is_err());
    }
}
