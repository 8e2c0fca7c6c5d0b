//! A trace's recording: created before anything is traced, kept up to date during the trace, and never a
//! reason to end it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::libc;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    cli::TraceOptions,
    collect::{Collector, RunIdentity, SnapshotFor},
    foreign::printable_path,
    recording::{Readiness, Recorder, WriteError},
    run::Run,
};

/// Between flushes, with some time to write one: what is lost to a kill is under a second.
const FLUSH_INTERVAL: Duration = Duration::from_millis(900);

/// Says before a trace begins if its recording could not be written.
pub(super) fn check_recording_options(options: &TraceOptions) -> Result<()> {
    match &options.output {
        Some(path) => Ok(Recorder::check(path, options.force)?),
        None => Ok(()),
    }
}

/// The recording of a trace.
pub(super) struct Recording {
    recorder: Recorder,
    path: PathBuf,
    due: Interval,
    /// Taken, so that a limit on the size of files is an error of the write instead of the end.
    _size_limit: Signal,
}

impl Recording {
    /// Creates the file. It holds a run without processes.
    pub(super) fn begin(path: &Path, force: bool, run: &Run) -> Result<Self> {
        let size_limit = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
        let recorder = Recorder::start(path, force, run)?;
        let path = recorder.path().to_owned();
        let mut due = interval(FLUSH_INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            recorder,
            path,
            due,
            _size_limit: size_limit,
        })
    }

    /// Waits until the next flush is due.
    pub(super) async fn due(&mut self) {
        self.due.tick().await;
    }

    /// Begins to write what is new, unless the last flush is still being written. Returns a warning for the
    /// user.
    pub(super) fn flush(
        &mut self,
        collector: &mut Collector,
        identity: &RunIdentity,
    ) -> Option<String> {
        let warning = match self.recorder.readiness() {
            Readiness::Busy => return None,
            Readiness::Ready => None,
            Readiness::Failed(error) => {
                collector.forget_snapshots(SnapshotFor::Recording);
                error.map(|error| {
                    let then = match error {
                        WriteError::Gone { .. } => "its report follows at the end",
                        _ => "the write is retried",
                    };
                    format!("cowtrace: {error}; the trace continues, and {then}")
                })
            }
        };
        let snapshot = collector.snapshot(identity.clone(), SnapshotFor::Recording);
        self.recorder.write(snapshot);
        warning
    }

    /// Writes the whole run. Returns where it is.
    pub(super) fn finish(self, run: &Run) -> Result<PathBuf> {
        let path = self.path;
        match self.recorder.finish(run) {
            Ok(()) => Ok(path),
            // Says it all.
            Err(gone @ WriteError::Gone { .. }) => Err(gone.into()),
            Err(error) => Err(error).with_context(|| {
                format!(
                    "the recording {} lacks the end of the trace",
                    printable_path(&path)
                )
            }),
        }
    }
}
