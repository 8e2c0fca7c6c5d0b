//! Records in a separate thread, so that a slow disk never delays the reading of the kernel's
//! buffers. The thread has the rights of the user who called, and nothing else touches the
//! recording.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use super::write::{RecordingWriter, WriteError};
use crate::{
    itself::caller::{self, CallerError},
    run::{Run, Snapshot},
};

/// A recording in progress.
#[derive(Debug)]
pub struct Recorder {
    snapshots: SyncSender<Snapshot>,
    written: Receiver<Result<(), WriteError>>,
    thread: JoinHandle<RecordingWriter>,
    path: PathBuf,
    is_busy: bool,
    has_failed: bool,
}

/// Whether the next snapshot can be taken.
#[derive(Debug)]
pub enum Readiness {
    /// The last snapshot is still being written.
    Busy,
    /// It is written; the next one may leave out what has not changed.
    Ready,
    /// It could not be written: the next one must be complete. With the reason, the first time.
    Failed(Option<WriteError>),
}

impl Recorder {
    /// Whether a recording can be created; see [`RecordingWriter::check`].
    pub fn check(path: &Path, force: bool) -> Result<(), WriteError> {
        caller::with_rights(|| RecordingWriter::check(path, force))
    }

    /// Creates a recording, see [`RecordingWriter::create`], and starts the thread that writes it.
    pub fn start(path: &Path, force: bool, run: &Run) -> Result<Self, WriteError> {
        let mut writer = caller::with_rights(|| RecordingWriter::create(path, force, run))?;
        // One snapshot at a time: while it is written, changes wait in the kernel's tables.
        let (snapshots, received) = sync_channel::<Snapshot>(1);
        let (told, written) = sync_channel(1);
        let path = writer.path().to_owned();
        let thread = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                let rights = caller::take_rights_in_thread().map_err(WriteError::from);
                let is_ready = rights.is_ok();
                if told.send(rights).is_err() || !is_ready {
                    return writer;
                }
                for snapshot in received {
                    if told.send(writer.write(&snapshot)).is_err() {
                        break;
                    }
                }
                writer
            })
            .map_err(CallerError::Refused)?;
        match written.recv() {
            Ok(ready) => ready?,
            Err(_) => return Err(WriteError::Stopped(path)),
        }
        Ok(Self {
            snapshots,
            written,
            thread,
            path,
            is_busy: false,
            has_failed: false,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the next snapshot can be taken.
    pub fn readiness(&mut self) -> Readiness {
        if !self.is_busy {
            return Readiness::Ready;
        }
        match self.written.try_recv() {
            // Still busy, or the thread has ended, which `finish` reports.
            Err(_) => Readiness::Busy,
            Ok(Ok(())) => {
                self.is_busy = false;
                Readiness::Ready
            }
            Ok(Err(error)) => {
                self.is_busy = false;
                let first = !std::mem::replace(&mut self.has_failed, true);
                Readiness::Failed(first.then_some(error))
            }
        }
    }

    /// Hands a snapshot to the thread; call it only when ready.
    pub fn write(&mut self, snapshot: Snapshot) {
        self.is_busy = self.snapshots.try_send(snapshot).is_ok();
    }

    /// Writes the run as it was at its end, after the snapshot in progress.
    pub fn finish(self, run: &Run) -> Result<(), WriteError> {
        drop(self.snapshots);
        match self.thread.join() {
            Ok(writer) => caller::with_rights(|| writer.finish(run)),
            Err(_) => Err(WriteError::Stopped(self.path)),
        }
    }
}
