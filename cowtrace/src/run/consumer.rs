//! Processes of the machine that are not traced, and what they have.

use serde::{Deserialize, Serialize};

/// A process and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// Process id.
    pub pid: u32,
    /// Start time, clock ticks since boot: another process may have the same number later.
    pub started_ticks: u64,
    /// Its name, of 15 bytes at most, which it can choose.
    pub name: String,
    /// Present anonymous pages, those that are shared with others since a fork included.
    pub anonymous_pages: u64,
}

/// What a process has more than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrownProcess {
    /// The process as it is now.
    pub consumer: Consumer,
    /// Anonymous pages that it has more than before, or more than its parent if it is new.
    pub grown_pages: u64,
    /// Whether it was not there before.
    pub is_new: bool,
}
