//! Who writes a file holds a lock on it, so that no second one writes or replaces it meanwhile.
//!
//! It is flock(2)'s: the kernel gives it back when its holder ends, however, and it keeps nobody from
//! reading. `SQLite`'s own locks are others.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::{
    libc,
    sys::statfs::{NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, fstatfs},
};

use super::error::OutputError;

/// File systems that make one lock of flock(2)'s and fcntl(2)'s, `SQLite`'s: beside NFS and SMB those
/// of linux/magic.h (CIFS, SMB2, 9p).
const ONE_LOCK_FOR_ALL: [i64; 3] = [0xff53_4d42, 0xfe53_4d42, 0x0102_1997];

/// How often a file is looked for again that was replaced between two looks.
const MOST_LOOKS: usize = 8;

/// What became of a file that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    There,
    /// It is not there any more.
    Removed(Left),
    /// Another is there.
    Replaced(Left),
}

/// What is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// All that it held, in a file of another name, if that is known.
    Moved(Option<PathBuf>),
}

/// Whether the file system tells who writes a file, by a lock.
#[must_use]
pub(crate) fn knows_writers(file: &File) -> bool {
    !shares_locks(file)
}

/// Holds an open file for as long as that is open; an error if another does.
pub(super) fn hold_claim(file: &File, path: &Path) -> Result<(), OutputError> {
    if shares_locks(file) {
        return Ok(());
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(OutputError::Busy(path.to_owned())),
        // A file system without locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Holds a file that is there, until what is returned is closed; none if it cannot be opened.
pub(crate) fn hold_existing(path: &Path) -> Result<Option<File>, OutputError> {
    for _ in 0..MOST_LOOKS {
        let Ok(file) = open_unfollowed(path) else {
            return Ok(None);
        };
        hold_claim(&file, path)?;
        // Who held it may have put another in its place and let go.
        if fate_of_file(&file, path) == Fate::There {
            return Ok(Some(file));
        }
    }
    Err(OutputError::Busy(path.to_owned()))
}

/// Whether somebody holds a file, as far as its file system tells. Several may ask at one time.
#[must_use]
pub(crate) fn is_held(path: &Path) -> bool {
    let Ok(file) = open_unfollowed(path) else {
        return false;
    };
    !shares_locks(&file) && matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Opens a file to read it: through no link, and without waiting for the other end of a pipe.
pub(crate) fn open_unfollowed(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// What became of a file that was opened by this path.
#[must_use]
pub(crate) fn fate_of_file(file: &File, path: &Path) -> Fate {
    let Ok(own) = file.metadata() else {
        return Fate::There;
    };
    match fs::symlink_metadata(path) {
        Ok(there) if identity_of_file(&there) == identity_of_file(&own) => Fate::There,
        Ok(_) => Fate::Replaced(left_of_name(file, &own)),
        Err(error) if is_missing(&error) => Fate::Removed(left_of_name(file, &own)),
        Err(_) => Fate::There,
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// What the kernel knows of an open file's name.
fn left_of_name(file: &File, own: &Metadata) -> Left {
    use std::os::fd::AsRawFd as _;
    if own.nlink() == 0 {
        return Left::Nothing;
    }
    let name = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok();
    let is_it = |path: &PathBuf| {
        fs::symlink_metadata(path)
            .is_ok_and(|there| identity_of_file(&there) == identity_of_file(own))
    };
    Left::Moved(name.filter(is_it))
}

/// What tells a file from all others.
pub(super) fn identity_of_file(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn shares_locks(file: &File) -> bool {
    fstatfs(file).is_ok_and(|found| {
        let kind = found.filesystem_type();
        kind == NFS_SUPER_MAGIC || kind == SMB_SUPER_MAGIC || ONE_LOCK_FOR_ALL.contains(&kind.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_is_held_by_one_and_free_when_that_one_ends() {
        let scratch = Scratch::new("held");
        let path = scratch.path("a");
        fs::write(&path, "text").unwrap();
        let first = hold_existing(&path).unwrap();
        assert!(first.is_some() && is_held(&path));
        let second = hold_existing(&path).unwrap_err().to_string();
        assert!(second.contains("is being written"), "{second}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        drop(first);
        let asked = open_unfollowed(&path).unwrap();
        asked.lock_shared().unwrap();
        assert!(!is_held(&path), "by who only asks");
        drop(asked);
        assert!(hold_existing(&path).unwrap().is_some());
    }

    #[test]
    fn what_became_of_a_file_is_known() {
        let scratch = Scratch::new("fate");
        let (path, elsewhere) = (scratch.path("a"), scratch.path("b"));
        let file = File::create(&path).unwrap();
        assert_eq!(fate_of_file(&file, &path), Fate::There);
        fs::rename(&path, &elsewhere).unwrap();
        let moved = Left::Moved(Some(fs::canonicalize(&elsewhere).unwrap()));
        assert_eq!(fate_of_file(&file, &path), Fate::Removed(moved.clone()));
        fs::write(&path, "other").unwrap();
        assert_eq!(fate_of_file(&file, &path), Fate::Replaced(moved));
        fs::remove_file(&elsewhere).unwrap();
        assert_eq!(fate_of_file(&file, &path), Fate::Replaced(Left::Nothing));
        fs::remove_file(&path).unwrap();
        assert_eq!(fate_of_file(&file, &path), Fate::Removed(Left::Nothing));
    }
}
