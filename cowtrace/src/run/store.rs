//! What a write was, by the instruction that made it.

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
}

impl Store {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Increment,
        Self::Decrement,
        Self::Bits,
        Self::Same,
        Self::Zero,
        Self::Pointer,
        Self::Block,
        Self::Push,
        Self::Value,
    ];

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
        }
    }
}
