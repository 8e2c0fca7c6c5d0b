//! Files that `SQLite` keeps beside a database.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::write::WriteError;

/// What their names end in.
const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A journal of another database would be played back into this one.
pub(super) fn refuse_companions(path: &Path) -> Result<(), WriteError> {
    let there = companion_paths(path).find(|path| fs::symlink_metadata(path).is_ok());
    there.map_or(Ok(()), |path| Err(WriteError::Companion(path)))
}

/// Removes them, where the database they belong to is replaced.
pub(super) fn remove_companions(path: &Path) {
    for companion in companion_paths(path) {
        let _ = fs::remove_file(companion);
    }
}

fn companion_paths(path: &Path) -> impl Iterator<Item = PathBuf> {
    COMPANIONS
        .into_iter()
        .map(|ending| companion_path(path, ending))
}

/// The path of what SQLite keeps beside a database.
pub(super) fn companion_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
