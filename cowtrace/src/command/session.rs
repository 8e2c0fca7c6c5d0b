//! What is traced, how, and until when.

use std::{ffi::OsString, time::Duration};

use crate::{cli::TraceOptions, limits::OpenFiles, probe::Kernel, run::UntracedDonor};

/// Which processes to trace.
pub(super) enum TraceTarget<'a> {
    /// Running processes, and those of them that have their memory from one that is not traced.
    Pids(Vec<u32>, Vec<UntracedDonor>),
    /// A command to start.
    Command(&'a [OsString]),
    /// The demo's service, a command as well.
    Demo(&'a [OsString]),
}

impl TraceTarget<'_> {
    /// What is done before anything is traced.
    pub(super) fn attaching(&self) -> String {
        let Self::Pids(pids, _) = self else {
            return "attaching to the kernel …".into();
        };
        match pids.as_slice() {
            [pid] => format!("attaching to the processes of {pid} …"),
            _ => format!("attaching to the processes of {} targets …", pids.len()),
        }
    }
}

/// What ends a trace, besides a signal and the exit of the masters.
#[derive(Clone, Copy)]
pub(super) struct Until {
    /// This time after its begin.
    pub(super) duration: Option<Duration>,
    /// The exit of all workers, once there have been at least this number of them.
    pub(super) workers: Option<usize>,
}

/// What is traced, and until when.
pub(super) struct Session<'a> {
    pub(super) kernel: Kernel,
    pub(super) options: &'a TraceOptions,
    pub(super) until: Until,
    pub(super) open_files: OpenFiles,
}

/// A failure that was already reported on standard error.
#[derive(Debug, thiserror::Error)]
#[error("already reported")]
pub struct AlreadyReported;
