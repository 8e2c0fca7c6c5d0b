//! The figures of a family.

use serde::{Deserialize, Serialize};

use crate::run::PageBalance;

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
