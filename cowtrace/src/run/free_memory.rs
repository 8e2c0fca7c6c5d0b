//! Copied memory that was free in the process that passed it on: its allocator kept it for later. Workers
//! allocate there, and so copy the pages.

use serde::{Deserialize, Serialize};

/// Whose free memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Allocator {
    /// `CPython`'s, of objects up to 512 bytes.
    Pymalloc,
    /// The C library's (glibc).
    Malloc,
    /// That of free-threaded `CPython`.
    Mimalloc,
}

impl Allocator {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pymalloc, Self::Malloc, Self::Mimalloc];

    /// As it stands in JSON and in recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pymalloc => "pymalloc",
            Self::Malloc => "malloc",
            Self::Mimalloc => "mimalloc",
        }
    }
}

/// Copies of pages whose first written address was free memory of an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeMemory {
    /// Whose.
    pub allocator: Allocator,
    /// Pages that were copied because of a write there.
    pub copied_pages: u64,
    /// Bytes of these pages that blocks in use take in the process that passed them on, once for each
    /// copy.
    pub in_use_bytes: u64,
    /// Bytes of these pages that are free there, once for each page.
    pub free_bytes: u64,
}
