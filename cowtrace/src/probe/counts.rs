//! Values from the tables: totals, ranges, slots.

use cowtrace_common::process::{SOURCES, Source};

/// Totals of one process image, as counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Pages copied, by source.
    pub copied: [u64; SOURCES],
    /// Write faults that copied nothing.
    pub reused: u64,
    /// Copied pages that are in no range.
    pub unranged_copied: u64,
    /// Reuses that are in no range.
    pub unranged_reused: u64,
    /// First touches: pages of new anonymous memory.
    pub touched: u64,
    /// First touches that are in no range.
    pub unranged_touched: u64,
}

impl Totals {
    /// Pages copied, from every source.
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
    /// Bytes: the range's size, a page's if the range is split, or more if the histogram had no room for the range.
    pub bytes: u64,
    /// Source of the copies, as far as the kernel side knows.
    pub source: Source,
    /// Pages copied.
    pub copied: u64,
    /// Write faults that copied nothing.
    pub reused: u64,
    /// Pages of new memory.
    pub touched: u64,
}

impl RangeCount {
    /// Whether the histogram had no room for the place of these pages, only for a coarse range around it.
    #[must_use]
    pub const fn is_coarse(&self, range_bytes: u64) -> bool {
        self.bytes > range_bytes
    }
}

/// State of a slot in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// When its process image began, `CLOCK_MONOTONIC`, ns.
    pub born_ns: u64,
    /// Process id.
    pub pid: u32,
    /// Slot of the process that it inherited from.
    pub parent: u32,
    /// Traced tasks in it; 0 after the last one left.
    pub tasks: u32,
}
