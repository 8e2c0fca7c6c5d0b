//! The last runs that are kept.

use std::path::PathBuf;

use super::{
    entries::{KeptRun, list_runs},
    error::KeptError,
    folder::kept_folders,
};

/// The last one.
pub fn find_last_kept() -> Result<KeptRun, KeptError> {
    let (folder, runs) = list_ended_runs()?;
    runs.into_iter().next().ok_or(KeptError::Nothing(folder))
}

/// The last one, and before it the one that was the last of the same program until then.
pub fn find_last_pair() -> Result<(KeptRun, KeptRun), KeptError> {
    let (folder, runs) = list_ended_runs()?;
    last_pair(runs, folder)
}

fn last_pair(runs: Vec<KeptRun>, folder: PathBuf) -> Result<(KeptRun, KeptRun), KeptError> {
    let mut runs = runs.into_iter();
    let last = runs.next().ok_or(KeptError::Nothing(folder))?;
    match runs.find(|run| run.name.program() == last.name.program()) {
        Some(before) => Ok((before, last)),
        None => Err(KeptError::Alone(last.name)),
    }
}

/// All whose trace has ended, the newest first, and the folder that new ones come into.
fn list_ended_runs() -> Result<(PathBuf, Vec<KeptRun>), KeptError> {
    let folders = kept_folders()?;
    let mut folders = folders.into_iter();
    let folder = folders.next().ok_or(KeptError::NoHome)?;
    let mut runs = list_runs(&folder)?;
    // Nobody has said that they are there.
    runs.extend(folders.filter_map(|other| list_runs(&other).ok()).flatten());
    runs.retain(|run| run.bytes > 0);
    let all = runs.len();
    runs.retain(|run| !run.is_being_written());
    runs.sort_by(|one, other| other.name.cmp(&one.name));
    if runs.is_empty() && all > 0 {
        return Err(KeptError::Unended(folder));
    }
    Ok((folder, runs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::KeptName;

    fn run(second: u32, program: &str) -> KeptRun {
        let at = format!("2026-11-27T11:30:{second:02}.000Z");
        let name = KeptName::new(&at, 1, program).unwrap();
        KeptRun {
            path: name.as_str().into(),
            name,
            bytes: 1,
        }
    }

    #[test]
    fn the_last_run_is_compared_with_the_one_before_it_of_the_same_program() {
        let runs = vec![run(9, "web"), run(8, "demo"), run(7, "web"), run(6, "web")];
        let (before, last) = last_pair(runs.clone(), PathBuf::new()).unwrap();
        assert_eq!((before, last), (run(7, "web"), run(9, "web")));
        let alone = last_pair(runs[1..].to_vec(), PathBuf::new()).unwrap_err();
        assert!(alone.to_string().contains("is of demo"), "{alone}");
        let nothing = last_pair(Vec::new(), "/state".into()).unwrap_err();
        assert!(nothing.to_string().contains("kept in /state"), "{nothing}");
    }
}
