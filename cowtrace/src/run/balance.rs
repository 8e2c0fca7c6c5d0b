//! What processes still share with the process that they inherited from, and what not.

use serde::{Deserialize, Serialize};

/// How well a balance is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceIs {
    /// Every page was looked at.
    Exact,
    /// Some of the pages were, drawn at random.
    Sampled,
    /// The kernel shows no frames: by which pages only one process has mapped.
    Coarse,
    /// One of the two has ended, or may not be looked at.
    #[default]
    Unknown,
}

impl BalanceIs {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Sampled, Self::Coarse, Self::Unknown];

    /// As it stands in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Sampled => "sampled",
            Self::Coarse => "coarse",
            Self::Unknown => "unknown",
        }
    }
}

/// The anonymous memory of a process beside its donor's, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageBalance {
    /// How well the figures are known.
    pub is: BalanceIs,
    /// Both have it, in the same frame.
    pub shared_pages: u64,
    /// Both have it, in different frames, or the donor's is in swap.
    pub unshared_pages: u64,
    /// The donor does not have it.
    pub new_pages: u64,
    /// Only the donor has it.
    pub gone_pages: u64,
    /// In swap, shared or not.
    pub swapped_pages: u64,
    /// Each figure is within so many pages of the truth in 19 of 20 samples; 0 if every page was looked
    /// at.
    pub error_pages: u64,
}

/// The balance of a process at a moment of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Which process.
    pub process_id: u32,
    /// When it was read, ns since the start of the run.
    pub at_ns: u64,
    /// Pages that had been copied for it in the trace by then.
    pub copied_pages: u64,
    /// Its memory.
    pub pages: PageBalance,
}

impl Balance {
    /// Pages that it had unshared before the trace. At most: where both grew at the same address since the
    /// fork, that counts as unshared too.
    #[must_use]
    pub const fn unshared_before(&self) -> u64 {
        self.pages.unshared_pages.saturating_sub(self.copied_pages)
    }
}
