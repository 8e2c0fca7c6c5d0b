//! The memory that copies are made of: which process passed it on, and at which of its forks. Once a
//! process has changed much of its memory, its next fork passes on another inheritance.

/// From this many written pages on, a process may have changed the memory that it passed on.
const LEAST_CHANGED: u64 = 1024;
/// If nothing else is known, it has changed it if it has written more than this part. That is an upper
/// bound: counting references is writing too, and a page counts again after each fork.
const CHANGED_PART: u64 = 16;
/// A process still has an inheritance if it has this part of its sampled objects. A master that only forks
/// keeps 90 % or more: only short-lived objects change.
pub(in crate::collect) const KEPT_PART: f64 = 0.75;

/// Memory that a process passes on, until it has changed much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::collect) struct Inheritance {
    /// The process, by its serial number.
    pub(in crate::collect) process: u32,
    /// How often it had changed much by then.
    pub(in crate::collect) generation: u32,
}

/// A process's memory when it began to be passed on as it is now.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::collect) struct PassedOn {
    pub(in crate::collect) generation: u32,
    /// Pages that the process had written by then.
    pub(in crate::collect) written: u64,
    /// Pages that it passed on.
    pub(in crate::collect) pages: u64,
}

impl PassedOn {
    /// Whether a process may have changed its memory, by the pages that it has written. A page counts once
    /// for each fork, so the number is large for a process that only forks often. `kept` gives the part of
    /// the sampled objects that it still has, if that is known.
    pub(in crate::collect) fn is_changed(
        &self,
        written: u64,
        kept: impl FnOnce() -> Option<f64>,
    ) -> bool {
        if !self.is_much_written_since(written) {
            return false;
        }
        match kept() {
            Some(part) => part < KEPT_PART,
            None => written.saturating_sub(self.written) > self.pages / CHANGED_PART,
        }
    }

    /// Whether enough was written since that the memory may have changed.
    pub(super) const fn is_much_written_since(&self, written: u64) -> bool {
        written.saturating_sub(self.written) > LEAST_CHANGED
    }
}
