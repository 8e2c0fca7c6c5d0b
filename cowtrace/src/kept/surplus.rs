//! Which kept runs are removed: the older ones, beyond a number and a size.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use super::entries::{KeptRun, list_runs};
use crate::{
    output::claim::{hold_existing, knows_writers},
    recording,
};

/// Runs that are kept.
pub const MOST_RUNS: usize = 5;
/// Of their recordings together; the last may be larger and is then kept alone.
const MOST_BYTES: u64 = 256 << 20;
/// A trace writes its recording every second. Where no lock tells whether it still does, a file is as good as
/// written that has not changed for so long.
const STILL: Duration = Duration::from_mins(10);
/// How long a trace may take from creating its file to writing the first of it.
const BEGINNING: Duration = Duration::from_mins(1);

/// Removes what is beyond the bounds. The run that has just ended counts as the last, whenever it began.
///
/// What cannot be removed is left: it is tried again after the next run.
pub(super) fn remove_surplus(folder: &Path, ended: Option<&Path>) {
    let Ok(mut runs) = list_runs(folder) else {
        return;
    };
    let (begun, empty): (Vec<KeptRun>, _) = runs.drain(..).partition(|run| run.bytes > 0);
    let mut kept: Vec<KeptRun> = begun
        .into_iter()
        .filter(|run| !run.is_being_written())
        .collect();
    kept.sort_by_key(|run| Some(run.path.as_path()) != ended);
    let sizes: Vec<u64> = kept.iter().map(|run| run.bytes).collect();
    for run in kept.drain(runs_within_bounds(&sizes)..).chain(empty) {
        remove_run(&run);
    }
}

/// How many of the runs with these sizes are kept, of which the newest comes first.
fn runs_within_bounds(sizes: &[u64]) -> usize {
    let mut bytes = 0_u64;
    let fits = |size: &&u64| {
        bytes = bytes.saturating_add(**size);
        bytes <= MOST_BYTES
    };
    let fitting = sizes.iter().take(MOST_RUNS).take_while(fits).count();
    fitting.max(1).min(sizes.len())
}

/// Removes a run that nobody writes, with what SQLite has left beside it.
fn remove_run(run: &KeptRun) {
    // Held until it is gone, so that nobody begins to label it.
    let Ok(Some(held)) = hold_existing(&run.path) else {
        return;
    };
    let patience = match (run.bytes, knows_writers(&held)) {
        (0, true) => BEGINNING,
        (_, true) => Duration::ZERO,
        (_, false) => STILL,
    };
    if !has_been_still(&held, patience) {
        return;
    }
    if fs::remove_file(&run.path).is_ok() {
        recording::remove_companions(&run.path);
    }
}

/// Whether a file was last written so long ago.
fn has_been_still(file: &File, patience: Duration) -> bool {
    if patience.is_zero() {
        return true;
    }
    let written = file.metadata().and_then(|there| there.modified());
    // A time in the future is no time.
    let age = written.ok().and_then(|written| written.elapsed().ok());
    age.is_some_and(|age| age >= patience)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, path::PathBuf, time::SystemTime};

    use super::*;
    use crate::{kept::KeptName, recording::RecordingWriter, run::arbitrary, scratch::Scratch};

    fn name_at(second: usize) -> String {
        let at = format!("2026-11-27T11:30:{second:02}.000Z");
        KeptName::new(&at, 1, "a").unwrap().as_str().into()
    }

    fn recorded(scratch: &Scratch, name: &str) -> PathBuf {
        let path = scratch.path(name);
        let run = arbitrary::empty();
        let writer = RecordingWriter::create(&path, false, &run).unwrap();
        writer.finish(&run).unwrap();
        path
    }

    #[test]
    fn the_newest_are_kept_up_to_a_number_and_a_size() {
        assert_eq!(runs_within_bounds(&[]), 0);
        assert_eq!(runs_within_bounds(&[1; 4]), 4);
        assert_eq!(runs_within_bounds(&[1; 9]), MOST_RUNS);
        assert_eq!(runs_within_bounds(&[MOST_BYTES / 2; 3]), 2);
        assert_eq!(runs_within_bounds(&[MOST_BYTES / 2, MOST_BYTES, 1]), 1);
        assert_eq!(runs_within_bounds(&[MOST_BYTES + 1, 1]), 1);
        assert_eq!(runs_within_bounds(&[u64::MAX, u64::MAX]), 1);
    }

    #[test]
    fn older_runs_go_with_their_journals_and_nothing_else() {
        let scratch = Scratch::new("surplus");
        for second in 0..8 {
            recorded(&scratch, &name_at(second));
        }
        let journal = |second| format!("{}-journal", name_at(second));
        fs::write(scratch.path(&journal(0)), "left").unwrap();
        // Names of this mechanism, but not its files; and its files under other names.
        fs::write(scratch.path(&name_at(20)), "precious").unwrap();
        fs::create_dir(scratch.path(&name_at(21))).unwrap();
        let elsewhere = recorded(&scratch, "mine.cow");
        symlink(&elsewhere, scratch.path(&name_at(22))).unwrap();
        fs::write(scratch.path("a\nb\x1b[2J.cow"), "").unwrap();
        remove_surplus(scratch.folder(), None);
        let mut expected: Vec<String> = (3..8).chain([20, 21, 22]).map(name_at).collect();
        expected.extend(["a\nb\x1b[2J.cow".into(), "mine.cow".into()]);
        assert_eq!(scratch.names(), expected);
    }

    #[test]
    fn the_run_that_has_just_ended_stays_whenever_it_began() {
        let scratch = Scratch::new("ended");
        for second in 0..7 {
            recorded(&scratch, &name_at(second));
        }
        remove_surplus(scratch.folder(), Some(&scratch.path(&name_at(0))));
        let expected: Vec<String> = [0, 3, 4, 5, 6].map(name_at).into();
        assert_eq!(scratch.names(), expected);
    }

    #[test]
    fn what_is_being_written_is_neither_counted_nor_removed() {
        let scratch = Scratch::new("unended");
        let run = arbitrary::empty();
        let writer = RecordingWriter::create(&scratch.path(&name_at(0)), false, &run).unwrap();
        for second in 1..7 {
            recorded(&scratch, &name_at(second));
        }
        remove_surplus(scratch.folder(), None);
        let expected: Vec<String> = [0, 2, 3, 4, 5, 6].map(name_at).into();
        assert_eq!(scratch.names(), expected);
        // Killed: it is the oldest now.
        drop(writer);
        remove_surplus(scratch.folder(), None);
        assert_eq!(scratch.names(), expected[1..]);
    }

    #[test]
    fn an_empty_file_goes_once_no_trace_can_be_about_to_write_it() {
        let scratch = Scratch::new("empty");
        let path = scratch.path(&name_at(0));
        let file = File::create(&path).unwrap();
        remove_surplus(scratch.folder(), None);
        assert!(path.exists());
        file.set_modified(SystemTime::now() - 2 * BEGINNING)
            .unwrap();
        drop(file);
        remove_surplus(scratch.folder(), None);
        assert!(!path.exists());
    }
}
