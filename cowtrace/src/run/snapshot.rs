//! A run while it is traced: what is new since the last look.

use std::collections::HashSet;

use super::Run;

/// A run so far.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The run. Left out: what has not changed since the snapshots before.
    pub run: Run,
    /// Which parts of the run it contains.
    pub scope: SnapshotScope,
}

/// Which parts of a run a snapshot contains; the other parts have not changed. By default: all parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotScope {
    /// Processes whose rows it contains, by serial number; none: all processes.
    pub rows_of: Option<HashSet<u32>>,
    /// Number of samples of the timeline before the first that it contains.
    pub samples_before: usize,
    /// Whether writers, their frames and stacks are left out.
    pub without_writers: bool,
}
