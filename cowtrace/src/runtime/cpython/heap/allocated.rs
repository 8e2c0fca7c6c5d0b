//! What is known about an allocation in a process's memory.

/// What is known about an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    /// It begins at the address; the number is its length in bytes.
    Bytes(u64),
    /// The address is inside a small block, or in a part of the memory without blocks.
    Inside,
    /// Unknown.
    Unknown,
}
