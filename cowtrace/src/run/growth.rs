//! What memory grew by besides copies: pages that processes touched for the first time.

use serde::{Deserialize, Serialize};

use super::{Balance, Grown, Kind};

/// What memory grew by besides copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// First touches, in the order of process and kind.
    pub first_touches: Vec<FirstTouches>,
    /// What processes had before, in the order of processes; those left out that were never read.
    #[serde(default)]
    pub held_before: Vec<HeldBefore>,
    /// What processes shared with those that they inherited from: at the start those that were there before
    /// the trace, and at the end those that lived. In the order of process and time.
    #[serde(default)]
    pub balances: Vec<Balance>,
    /// What lives on the new pages of the processes that grew most.
    #[serde(default)]
    pub grown: Grown,
}

impl Growth {
    /// The balances of a process, in the order of time.
    #[must_use]
    pub fn balances_of(&self, process_id: u32) -> &[Balance] {
        let first = self
            .balances
            .partition_point(|balance| balance.process_id < process_id);
        let after = self
            .balances
            .partition_point(|balance| balance.process_id <= process_id);
        &self.balances[first..after]
    }
}

/// Anonymous pages that a process had when it was first traced: inherited ones, and those of its own from
/// before the trace. What it has beyond that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBefore {
    /// Which process.
    pub process_id: u32,
    /// How many.
    pub pages: u64,
}

/// Pages of new anonymous memory that a process was the first to touch, since it is traced. A page that is
/// given back and touched again counts twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstTouches {
    /// Which process.
    pub process_id: u32,
    /// Kind of the mapping; `None` if its address is not known, as of memory that a system call fills in
    /// advance (`MAP_POPULATE`), or if the mapping is gone.
    pub kind: Option<Kind>,
    /// How many.
    pub pages: u64,
}

impl FirstTouches {
    /// Where it stands among the first touches of a run.
    #[must_use]
    pub fn place(&self) -> (u32, usize) {
        let kind = |kind| Kind::ALL.iter().position(|it| *it == kind).unwrap_or(0);
        (self.process_id, self.kind.map_or(Kind::ALL.len(), kind))
    }
}
