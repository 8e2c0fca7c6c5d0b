//! The journal beside a recording whose trace was killed during a write: SQLite plays it back and
//! deletes it when the recording is next opened for writing.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use rusqlite::{Error, ffi};

use super::{companions::companion_path, read_error::ReadError};

/// The first bytes of a journal, and the last ones if it names another journal
/// (<https://sqlite.org/fileformat.html#the_rollback_journal>).
const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Whether reading failed because the journal must be played back first.
pub(super) fn is_needed(error: &Error) -> bool {
    let needed = [ffi::SQLITE_READONLY_ROLLBACK, ffi::SQLITE_READONLY_RECOVERY];
    error
        .sqlite_error()
        .is_some_and(|error| needed.contains(&error.extended_code))
}

/// Refuses a journal that names another one, which cowtrace's journals never do: SQLite would
/// delete the named file, whatever it is.
pub(super) fn check_journal(recording: &Path) -> Result<(), ReadError> {
    let mut journal = File::open(companion_path(recording, "-journal"))?;
    let mut end = [0; MAGIC.len()];
    let length = journal.metadata()?.len();
    let Some(place) = length.checked_sub(MAGIC.len() as u64) else {
        return Ok(());
    };
    journal.seek(SeekFrom::Start(place))?;
    journal.read_exact(&mut end)?;
    if end == MAGIC {
        return Err(ReadError::Journal("does not belong to cowtrace".into()));
    }
    Ok(())
}

/// Why it was not played back.
pub(super) fn playback_failure(error: Error) -> ReadError {
    if is_needed(&error) {
        return ReadError::Journal(
            "must be played back first: copy both to a folder that you may write to".into(),
        );
    }
    match ReadError::from(error) {
        ReadError::Locked => ReadError::Locked,
        other => ReadError::Journal(format!("cannot be played back: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_journal_that_names_another_file_is_refused() {
        let scratch = Scratch::new("journal");
        let recording = scratch.path("run.cow");
        let journal = scratch.path("run.cow-journal");
        for (end, is_good) in [(&[0; 8], true), (&MAGIC, false)] {
            let bytes = [&MAGIC[..], b"/etc/precious", end].concat();
            fs::write(&journal, bytes).unwrap();
            assert_eq!(check_journal(&recording).is_ok(), is_good);
        }
        fs::write(&journal, "short").unwrap();
        assert!(check_journal(&recording).is_ok());
    }
}
