//! The figures of a balance.

use serde::{Deserialize, Serialize};

/// How well a balance is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceIs {
    /// Every page was looked at.
    Exact,
    /// Some of the pages were, drawn at random.
    Sampled,
    /// Without frames: see this module.
    Coarse,
    /// One of the two has ended, or may not be looked at.
    #[default]
    Unknown,
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

/// The memory of a donor and of the processes that inherited from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyBalance {
    /// Of each inheritor, as they were given.
    pub inheritors: Vec<PageBalance>,
    /// Frames that the donor and the inheritors have in all; none if frames are not told. Of more than
    /// 256 inheritors, a frame that only some of them share may count twice; of one that ends meanwhile, what was
    /// counted until then remains.
    pub distinct_pages: Option<u64>,
    /// Of these, frames at addresses where the donor has another: what unsharing costs. Two workers that
    /// share what the donor alone rewrote count once.
    pub extra_pages: Option<u64>,
    /// Both are within so many pages of the truth in 19 of 20 samples.
    pub error_pages: u64,
}
