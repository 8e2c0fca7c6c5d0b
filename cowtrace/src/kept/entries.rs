//! What is in a folder of kept runs.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::{libc, unistd::Uid};

use super::{
    error::KeptError,
    folder::{is_usable, system_failure},
    names::KeptName,
};
use crate::{
    output::{OutputError, claim::hold_existing},
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
        matches!(hold_existing(&self.path), Err(OutputError::Busy(_)))
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
        let there = open_own_recording(&path).ok().flatten()?.1;
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

/// Opens a file of this user's that is a recording, or empty; none if it is something else.
fn open_own_recording(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    // A pipe must not be waited for.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let there = file.metadata()?;
    let is_own = there.is_file() && there.uid() == Uid::effective().as_raw();
    let is_it = is_own && (there.len() == 0 || recording::begins_as_recording(&mut file)?);
    Ok(is_it.then_some((file, there)))
}
