//! Runs that are kept although nobody said where: the last ones, in the state folder of the user who called.
//!
//! All of it is done with that user's rights. A folder that is a link, another user's, or open to others is not
//! used. What is in it is not trusted: only files that have a name of this mechanism and begin as a recording
//! are looked at, and only those whose trace has ended are shown or removed.

mod entries;
mod error;
mod folder;
mod names;
mod recent;
mod surplus;

use std::path::{Path, PathBuf};

pub use entries::KeptRun;
pub use error::KeptError;
pub use names::KeptName;
pub use recent::{find_last_kept, find_last_pair};
pub use surplus::MOST_RUNS;

use crate::itself::caller;

/// The path for the recording of a run that has begun, in a folder that is there. Older runs than are to be
/// kept beside it are removed; those may be some that killed traces have left.
pub fn place_for_run(started_at: &str, pid: u32, program: &str) -> Result<PathBuf, KeptError> {
    caller::with_rights(|| {
        let name = KeptName::new(started_at, pid, program).ok_or(KeptError::NoName)?;
        let folder = folder::open_own_folder()?;
        surplus::remove_surplus(&folder, None);
        Ok(folder.join(name.as_str()))
    })
}

/// Removes older runs than are to be kept, now that the recording of one is written. Whether that one is the
/// last that is kept.
pub fn settle_run(path: &Path) -> Result<bool, KeptError> {
    caller::with_rights(|| {
        if let Some(folder) = path.parent() {
            surplus::remove_surplus(folder, Some(path));
        }
        let last = find_last_kept()?;
        Ok(last.path.file_name() == path.file_name())
    })
}
