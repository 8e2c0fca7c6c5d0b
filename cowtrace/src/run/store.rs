//! What a write was: by the instruction that made it, and where a runtime is understood, by what it hit.

use serde::{Deserialize, Serialize};

/// What a write did to the memory that it hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// Added 1.
    Increment,
    /// Subtracted 1.
    Decrement,
    /// Changed one or two bits, or was made to change bits.
    Bits,
    /// Stored what was there already.
    Same,
    /// Stored 0 over something else.
    Zero,
    /// Stored an address over an address, or over 0.
    Pointer,
    /// Stored more than a register: a vector, a copied or filled block.
    Block,
    /// Put something on the stack.
    Push,
    /// Stored another value.
    Value,
    /// Ruby: noted how many collections an object survived.
    Age,
    /// Ruby: the collector freed or moved what was in a slot, or linked it with other free ones.
    Swept,
    /// Ruby: bitmaps and free lists in the description of a page of slots.
    Marks,
    /// Ruby: put an object into a slot that was free.
    Object,
    /// Ruby: noted whether a string is ASCII, or valid in its encoding.
    Coderange,
    /// Ruby: noted that a hash is iterated.
    Iteration,
    /// Ruby: noted that an object has an `object_id`.
    Identity,
    /// Ruby: froze an object.
    Frozen,
    /// Ruby: changed what is in an object, such as an instance variable.
    Content,
    /// Ruby: kept what a call found in compiled code, a method or a class.
    Cache,
}

impl Store {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Increment,
        Self::Decrement,
        Self::Bits,
        Self::Same,
        Self::Zero,
        Self::Pointer,
        Self::Block,
        Self::Push,
        Self::Value,
        Self::Age,
        Self::Swept,
        Self::Marks,
        Self::Object,
        Self::Coderange,
        Self::Iteration,
        Self::Identity,
        Self::Frozen,
        Self::Content,
        Self::Cache,
    ];

    /// Whether only Ruby's writes are called this.
    #[must_use]
    pub const fn is_rubys(self) -> bool {
        matches!(
            self,
            Self::Age
                | Self::Swept
                | Self::Object
                | Self::Coderange
                | Self::Iteration
                | Self::Identity
                | Self::Frozen
                | Self::Content
                | Self::Cache
        )
    }

    /// As it stands in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Increment => "increment",
            Self::Decrement => "decrement",
            Self::Bits => "bits",
            Self::Same => "same",
            Self::Zero => "zero",
            Self::Pointer => "pointer",
            Self::Block => "block",
            Self::Push => "push",
            Self::Value => "value",
            Self::Age => "age",
            Self::Swept => "swept",
            Self::Marks => "marks",
            Self::Object => "object",
            Self::Coderange => "coderange",
            Self::Iteration => "iteration",
            Self::Identity => "identity",
            Self::Frozen => "frozen",
            Self::Content => "content",
            Self::Cache => "cache",
        }
    }
}
