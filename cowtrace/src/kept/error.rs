//! Why no run is kept, or none is found.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::names::KeptName;
use crate::{foreign::printable_path, itself::caller::CallerError};

/// Why no run is kept, or none is found.
#[derive(Debug, Error)]
pub enum KeptError {
    /// Nobody says where the user's files are.
    #[error("there is no home folder to keep it in; set HOME or XDG_STATE_HOME")]
    NoHome,
    /// The clock shows a time that no name is made of.
    #[error("the clock shows no time that it could be named by")]
    NoName,
    /// Something else is where the folder would be, or others may write into it.
    #[error("{} {what}", printable_path(path))]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The system refused.
    #[error("cannot use the folder {}: {error}", printable_path(path))]
    System {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Whose folder it would be is not known.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The folders hold no run whose trace has ended.
    #[error(
        "no run is kept in {}: trace one first, as in `sudo cowtrace --pid PID`, or name a recording",
        printable_path(.0)
    )]
    Nothing(PathBuf),
    /// They hold only runs that are being traced.
    #[error("the only run kept in {} is still being traced: end its trace first", printable_path(.0))]
    Unended(PathBuf),
    /// No other run of this program is kept.
    #[error(
        "the last run kept is of {}, and no other run of it is kept: trace it again, or name the recordings, \
         as in `cowtrace diff before.cow --against after.cow`",
        .0.program()
    )]
    Alone(KeptName),
}
