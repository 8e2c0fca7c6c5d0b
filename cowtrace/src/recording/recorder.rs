//! Records in a thread of its own, so that a slow disk keeps nobody from reading the kernel's
//! buffers. It has the rights of the user who called, and nothing else touches the recording.

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

/// A recording under way.
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
    /// The last one is not written yet.
    Busy,
    /// It is; the next one may leave out what has not changed.
    Ready,
    /// It is not in the file: the next one must be whole. With why, the first time.
    Failed(Option<WriteError>),
}

impl Recorder {
    /// Whether a recording can be created; see [`Writer::check`].
    pub fn check(path: &Path, force: bool) -> Result<(), WriteError> {
        caller::with_rights(|| RecordingWriter::check(path, force))
    }

    /// Creates a recording, see [`Writer::create`], and starts the thread that goes on with it.
    pub fn start(path: &Path, force: bool, run: &Run) -> Result<Self, WriteError> {
        let mut writer = caller::with_rights(|| RecordingWriter::create(path, force, run))?;
        // One at a time: while it is written, what changes waits in the kernel's tables.
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
            // Empty, or the thread has ended: the end tells.
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

    /// Has a snapshot written; to be called only when it is ready.
    pub fn write(&mut self, snapshot: Snapshot) {
        self.is_busy = self.snapshots.try_send(snapshot).is_ok();
    }

    /// Writes the run as it was at its end, after what is being written.
    pub fn finish(self, run: &Run) -> Result<(), WriteError> {
        drop(self.snapshots);
        match self.thread.join() {
            Ok(writer) => caller::with_rights(|| writer.finish(run)),
            Err(_) => Err(WriteError::Stopped(self.path)),
        }
    }
}
