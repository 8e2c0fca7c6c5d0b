//! A run while it is traced: what is new since the last look.

use std::collections::HashSet;

use super::Run;

/// A run so far.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The run, without what is as it was in the snapshots before.
    pub run: Run,
    /// What is in it.
    pub told: Told,
}

/// What of a run is told; the rest is as it was. By default: everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Processes whose rows are told; none: all.
    pub rows_of: Option<HashSet<u32>>,
    /// Samples of the timeline before those that are told.
    pub samples_before: usize,
    /// Whether writers, their frames and stacks are left out.
    pub without_writers: bool,
}
