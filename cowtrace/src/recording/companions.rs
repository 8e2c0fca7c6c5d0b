//! Files that `SQLite` keeps beside a database.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The endings of their names.
const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A companion file that exists, of any database.
pub(super) fn find_companion(path: &Path) -> Option<PathBuf> {
    companion_paths(path).find(|path| fs::symlink_metadata(path).is_ok())
}

/// Removes the companions of a database that is replaced or gone.
pub fn remove_companions(path: &Path) {
    for companion in companion_paths(path) {
        let _ = fs::remove_file(companion);
    }
}

fn companion_paths(path: &Path) -> impl Iterator<Item = PathBuf> {
    COMPANIONS
        .into_iter()
        .map(|ending| companion_path(path, ending))
}

/// The path of a companion of a database.
pub(super) fn companion_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
