//! Why a recording cannot be read.

use std::io;

use rusqlite::ffi::ErrorCode;
use thiserror::Error;

use super::columns::Damage;
use crate::foreign::printable;

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refused.
    #[error("{0}")]
    System(io::Error),
    /// It is empty.
    #[error("it is empty: its trace was killed before it began")]
    Empty,
    /// It is a folder.
    #[error("it is a folder; name a recording, which is one file")]
    Folder,
    /// It is not a recording.
    #[error("it is not a cowtrace recording")]
    Foreign,
    /// A later version of this program wrote it.
    #[error("a newer cowtrace wrote it (format version {version}); read it with that one")]
    Newer {
        /// Its tables are not those of a recording.
        version: i32,
    },
    /// Its trace was killed during a write.
    #[error("its trace was killed in the middle of a write, and the journal beside it {0}")]
    Journal(String),
    /// A trace or another program keeps it locked.
    #[error("another program keeps it locked")]
    Locked,
    /// It is damaged, or not made by cowtrace.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

// Without `#[from]`, which would also make the reason a source, so that it would be printed twice.
impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage.0)
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Damaged(printable(&error.to_string())),
        }
    }
}
