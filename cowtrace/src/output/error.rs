//! Why a file was not created.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{foreign::printable_path, itself::caller::CallerError};

/// Why a file was not created.
#[derive(Debug, Error)]
pub enum OutputError {
    /// It is there already.
    #[error("{} exists already; --force replaces it", printable_path(.0))]
    Exists(PathBuf),
    /// Another is writing it.
    #[error("{} is being written by another cowtrace: wait until that ends, or choose another file", printable_path(.0))]
    Busy(PathBuf),
    /// Replacing it would do away with something else than a file.
    #[error(
        "{} is a {what}, not a file; choose another path",
        printable_path(path)
    )]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// Replacing it would do away with what it is made from.
    #[error("{} is also the input; choose another file", printable_path(.0))]
    Source(PathBuf),
    /// The path names no file.
    #[error("{} is not a file name", printable_path(.0))]
    NoName(PathBuf),
    /// Its creator has not taken the rights of the user who called.
    #[error("{} was not written: root would have written it for another user", printable_path(.0))]
    AsRoot(PathBuf),
    /// Whose file it would be is not known.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The system refused.
    #[error("cannot write {}: {error}", printable_path(path))]
    System {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}
