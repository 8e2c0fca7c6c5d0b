//! What is in a folder of kept runs.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

use super::{
    error::KeptError,
    folder::{is_usable, system_failure},
    names::KeptName,
};
use crate::{
    output::claim::{is_held, open_unfollowed},
    recording,
};

/// Entries of a folder that are looked at.
const MOST_ENTRIES: usize = 1_024;

/// A kept run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRun {
    /// Its recording.
    pub path: PathBuf,
    /// What was traced, and when.
    pub name: KeptName,
    /// Of the recording. None of a trace that was killed before it had written anything.
    pub(super) bytes: u64,
}

impl KeptRun {
    /// Whether its trace has not ended, as far as the file system tells.
    pub(super) fn is_being_written(&self) -> bool {
        is_held(&self.path)
    }
}

/// The runs in a folder, the newest first; none where there is no folder. Whatever else is in it is left out.
pub(super) fn list_runs(folder: &Path) -> Result<Vec<KeptRun>, KeptError> {
    if !is_usable(folder)? {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(|error| system_failure(folder, error))?;
    let entries = entries.take(MOST_ENTRIES).filter_map(Result::ok);
    let run = |entry: fs::DirEntry| {
        let name = KeptName::parse(entry.file_name().to_str()?)?;
        let path = entry.path();
        let there = look_at_recording(&path).ok().flatten()?;
        Some(KeptRun {
            path,
            name,
            bytes: there.len(),
        })
    };
    let mut runs: Vec<KeptRun> = entries.filter_map(run).collect();
    runs.sort_by(|one, other| other.name.cmp(&one.name));
    Ok(runs)
}

/// What the system knows of a file of this user's that is a recording, or empty; none if it is something else.
fn look_at_recording(path: &Path) -> io::Result<Option<Metadata>> {
    let mut file = open_unfollowed(path)?;
    let there = file.metadata()?;
    let is_own = there.is_file() && there.uid() == Uid::effective().as_raw();
    let is_it = is_own && (there.len() == 0 || recording::begins_as_recording(&mut file)?);
    Ok(is_it.then_some(there))
}
