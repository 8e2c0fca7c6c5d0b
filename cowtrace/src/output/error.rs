//! Why a file was not created.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{foreign::printable_path, itself::caller::CallerError};

/// Why a file was not created.
#[derive(Debug, Error)]
pub enum OutputError {
    /// It exists already.
    #[error("{} exists already; --force replaces it", printable_path(.0))]
    Exists(PathBuf),
    /// Another process is writing it.
    #[error("{} is being written by another cowtrace: wait until that ends, or choose another file", printable_path(.0))]
    Busy(PathBuf),
    /// Replacing it would remove something that is not a regular file.
    #[error(
        "{} is a {what}, not a file; choose another path",
        printable_path(path)
    )]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What kind of thing it is.
        what: &'static str,
    },
    /// Replacing it would destroy one of its own sources.
    #[error("{} is also the input; choose another file", printable_path(.0))]
    Source(PathBuf),
    /// The path does not name a file.
    #[error("{} is not a file name", printable_path(.0))]
    NoName(PathBuf),
    /// The creating thread has not taken the rights of the user who called.
    #[error("{} was not written: root would have written it for another user", printable_path(.0))]
    AsRoot(PathBuf),
    /// Its future owner is unknown.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The system refused.
    #[error("cannot write {}: {error}", printable_path(path))]
    System {
        /// The path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}
