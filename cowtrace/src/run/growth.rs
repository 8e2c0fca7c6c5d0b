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
    /// Who touched new memory first, most pages first; empty if the trace did not collect writers.
    #[serde(default)]
    pub growers: Vec<Grower>,
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

    /// Anonymous pages that a process had when it was first traced; `None` if that is not known.
    #[must_use]
    pub fn held_before_of(&self, process_id: u32) -> Option<u64> {
        let place = self
            .held_before
            .binary_search_by_key(&process_id, |it| it.process_id);
        Some(self.held_before.get(place.ok()?)?.pages)
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

/// What touched new memory of a process for the first time, by a sample: one page in
/// [`Grower::PAGES_PER_SAMPLE`]. It made the heap grow, and need not be what keeps the memory: what is kept may
/// lie in holes that others left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grower {
    /// Whose memory it is.
    pub process_id: u32,
    /// Kind of the mapping, as of [`FirstTouches::kind`].
    pub kind: Option<Kind>,
    /// The function that touched it, or that made the system call. From outside.
    pub function: Option<String>,
    /// File name of the program or library it is in. From outside.
    pub module: Option<String>,
    /// Number of the system call, if the kernel touched it for the program.
    pub system_call: Option<u32>,
    /// The Python stack that it was touched from, in [`super::WhoWrote::python_stacks`]; none if it is not
    /// known.
    pub python_stack: Option<u32>,
    /// The native stack, in [`super::WhoWrote::native_stacks`]; none if it was not collected or is not known.
    pub native_stack: Option<u32>,
    /// First touches in the sample.
    pub sampled_touches: u64,
    /// Pages that they stand for.
    pub pages: u64,
}

impl Grower {
    /// Pages that a sampled one stands for. A huge page is always in the sample, for itself.
    pub const PAGES_PER_SAMPLE: u64 = cowtrace_common::evidence::TOUCHES_PER_SAMPLE as u64;
}

impl FirstTouches {
    /// Where it stands among the first touches of a run.
    #[must_use]
    pub fn place(&self) -> (u32, usize) {
        let kind = |kind| Kind::ALL.iter().position(|it| *it == kind).unwrap_or(0);
        (self.process_id, self.kind.map_or(Kind::ALL.len(), kind))
    }
}
