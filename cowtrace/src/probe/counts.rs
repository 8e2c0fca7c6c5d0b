//! What the tables tell, as plain values: totals, ranges, slots.

use cowtrace_common::process::{SOURCES, Source};

/// Totals of one process image, as counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Pages copied, by source.
    pub copied: [u64; SOURCES],
    /// Write faults that copied nothing.
    pub reused: u64,
    /// Of the copies, those that are in no range.
    pub unranged_copied: u64,
    /// Of the reuses, those that are in no range.
    pub unranged_reused: u64,
}

impl Totals {
    /// Pages copied, of whatever source.
    #[must_use]
    pub fn copied_pages(&self) -> u64 {
        self.copied.iter().sum()
    }
}

/// Counts of one range of one process image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeCount {
    /// First address.
    pub start: u64,
    /// Bytes: the range's size, or a page for a range that is split.
    pub bytes: u64,
    /// Source of the copies as the kernel side could tell.
    pub source: Source,
    /// Pages copied.
    pub copied: u64,
    /// Write faults that copied nothing.
    pub reused: u64,
}

/// What is known of a slot that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// When its image began, `CLOCK_MONOTONIC`, ns.
    pub born_ns: u64,
    /// Process id.
    pub pid: u32,
    /// Slot of the process it inherited from.
    pub parent: u32,
    /// Traced tasks in it; 0 once all have left.
    pub tasks: u32,
}
