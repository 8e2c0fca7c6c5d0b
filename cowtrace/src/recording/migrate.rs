//! Recordings of other versions of the tables.

use super::{read::ReadError, schema::VERSION};

/// Whether recordings of a version can be read. Version 1 is the first. The next one reads it by its
/// own column lists, so that nothing is ever written into a file that is only read.
pub(super) fn check_version(version: i32) -> Result<(), ReadError> {
    match version {
        VERSION => Ok(()),
        newer if newer > VERSION => Err(ReadError::Newer { version: newer }),
        _ => Err(ReadError::Foreign),
    }
}
