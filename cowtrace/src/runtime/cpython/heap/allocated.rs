//! What is known of an allocation of a process's memory.

/// What is known of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    /// It begins at the address; the number is its length in bytes.
    Bytes(u64),
    /// The address is inside of a small block, or of a part of the memory that has none.
    Inside,
    /// Nothing that is recognised.
    Unknown,
}
