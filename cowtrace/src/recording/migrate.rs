//! Recordings of other versions of the tables.

use super::{read_error::ReadError, schema::VERSION};

/// Whether recordings with this version of the tables can be read. Version 1 is the first. A later
/// version of the program reads it by its own column lists, so that reading never writes to a file.
pub(super) fn check_version(version: i32) -> Result<(), ReadError> {
    match version {
        VERSION => Ok(()),
        newer if newer > VERSION => Err(ReadError::Newer { version: newer }),
        _ => Err(ReadError::Foreign),
    }
}
