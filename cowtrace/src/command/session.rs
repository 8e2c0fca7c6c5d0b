//! What is traced, how, and until when.

use std::{ffi::OsString, time::Duration};

use super::unread::UnreadTarget;

use crate::{
    cli::TraceOptions,
    limits::OpenFiles,
    probe::Kernel,
    run::{TracedTarget, UntracedDonor},
    targets::{FoundMaster, TargetWatch},
};

/// Which processes to trace.
pub(super) enum TraceTarget<'a> {
    /// Running processes.
    Running(Box<RunningTargets>),
    /// A command to start.
    Command(&'a [OsString]),
    /// The demo's service, a command as well.
    Demo(&'a [OsString]),
}

impl TraceTarget<'_> {
    /// What is done before anything is traced.
    pub(super) fn attaching(&self) -> String {
        let Self::Running(running) = self else {
            return "attaching to the kernel …".into();
        };
        match running.masters.as_slice() {
            [] => "attaching to the kernel …".into(),
            [master] => format!("attaching to the processes of {} …", master.pid),
            masters => format!("attaching to the processes of {} masters …", masters.len()),
        }
    }

    /// What finds processes that come later.
    pub(super) fn watch(&mut self) -> Option<&mut TargetWatch> {
        match self {
            Self::Running(running) => Some(&mut running.watch),
            Self::Command(_) | Self::Demo(_) => None,
        }
    }
}

/// Running processes to trace, and those that come later.
pub(super) struct RunningTargets {
    /// Those that are there.
    pub(super) masters: Vec<FoundMaster>,
    /// Finds the others.
    pub(super) watch: TargetWatch,
    /// Those of them that have their memory from a process that is not traced.
    pub(super) donors: Vec<UntracedDonor>,
    /// The first of them whose memory may not be read.
    pub(super) unread: Option<UnreadTarget>,
}

impl RunningTargets {
    pub(super) fn pids(&self) -> Vec<u32> {
        self.masters.iter().map(|it| it.pid).collect()
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
    /// What the user gave, with names.
    pub(super) targets: Vec<TracedTarget>,
}

/// A failure that was already reported on standard error.
#[derive(Debug, thiserror::Error)]
#[error("already reported")]
pub struct AlreadyReported;
