//! The writer of a file holds a lock on it, so that nobody else writes or replaces it meanwhile.
//!
//! The lock is that of flock(2): the kernel releases it when its holder exits for any reason, and
//! it keeps nobody from reading. `SQLite`'s own locks are of another kind.

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

/// File systems on which flock(2) takes the same lock as fcntl(2), which `SQLite` uses: besides NFS
/// and SMB these are in linux/magic.h (CIFS, SMB2, 9p).
const ONE_LOCK_FOR_ALL: [i64; 3] = [0xff53_4d42, 0xfe53_4d42, 0x0102_1997];

/// How often to retry if the file is replaced between two looks.
const MOST_LOOKS: usize = 8;

/// The state of a file that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is still in place.
    There,
    /// It has been removed.
    Removed(Left),
    /// Another file is in its place.
    Replaced(Left),
}

/// What is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// All of its content, in a file under another name, if known.
    Moved(Option<PathBuf>),
}

/// Whether the file system tells who writes a file, by a lock.
#[must_use]
pub(crate) fn knows_writers(file: &File) -> bool {
    !shares_locks(file)
}

/// Locks an open file for as long as it stays open; an error if another process has the lock.
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

/// Locks an existing file until the returned value is closed; none if the file cannot be opened.
pub(crate) fn hold_existing(path: &Path) -> Result<Option<File>, OutputError> {
    for _ in 0..MOST_LOOKS {
        let Ok(file) = open_unfollowed(path) else {
            return Ok(None);
        };
        hold_claim(&file, path)?;
        // The former holder may have replaced the file and released its lock.
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

/// The state of a file that was opened by this path.
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

/// The kernel's name for an open file.
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

/// Identifies a file uniquely.
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
