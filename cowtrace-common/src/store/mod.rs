//! What a store was: by the instruction that faulted, the registers and the memory before it. The write has not
//! happened yet when a fault is handled, so all of it is there to be looked at, in any language and without symbols.

mod aarch64;
mod verb;
mod x86_64;

pub use aarch64::decode as decode_aarch64;
pub use verb::{Verb, changed_bits};
pub use x86_64::decode as decode_x86_64;

/// Bytes of code that are looked at: an instruction has 15 at most (x86-64).
pub const CODE_BYTES: usize = 16;

/// Binary logarithm of the number of instructions that the kernel side keeps decoded.
pub const KNOWN_STORES_SHIFT: u32 = 12;

/// An instruction that was decoded: an element of the kernel side's cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct KnownStore {
    /// Its address.
    pub instruction: u64,
    /// Its [`Store`], with a mark of instruction and program in [`SPARE_BITS`].
    pub store: u64,
}

/// How the value that is written follows from the one that was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// Not known from the instruction, registers and old value.
    #[default]
    Unknown = 0,
    /// The operand.
    Set = 1,
    /// The old value and the operand, added.
    Add = 2,
    /// The old value less the operand.
    Subtract = 3,
    /// Bits of the operand set, cleared or flipped. Always a matter of bits.
    Or = 4,
    /// See [`Operation::Or`].
    And = 5,
    /// See [`Operation::Or`].
    Flip = 6,
    /// The operand if the old value is that of the accumulator, else the old value (x86-64).
    CompareExchange = 7,
    /// Single bits, which the instruction numbers.
    Bits = 8,
    /// More than a register: a vector, a copied or filled block.
    Block = 9,
    /// The stack grows: a call, or a saved register.
    Push = 10,
    /// The old value with the operand's bits cleared.
    Clear = 11,
}

impl Operation {
    const ALL: [Self; 12] = [
        Self::Unknown,
        Self::Set,
        Self::Add,
        Self::Subtract,
        Self::Or,
        Self::And,
        Self::Flip,
        Self::CompareExchange,
        Self::Bits,
        Self::Block,
        Self::Push,
        Self::Clear,
    ];
}

/// A store instruction in a word, as both sides of a cache hand it on.
///
/// Bits 0 to 3: the operation. 4 and 5: binary logarithm of the operand's width in bytes. 6 to 10: the register that
/// has the operand, in the processor's numbers. 11: the operand is that register's second byte (`AH` and so on).
/// 12: the operand is the number in the upper half, sign-extended, and no register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Store(pub u64);

const WIDTH_SHIFT: u32 = 4;
const REGISTER_SHIFT: u32 = 6;
const SECOND_BYTE: u64 = 1 << 11;
const IS_NUMBER: u64 = 1 << 12;
const NUMBER_SHIFT: u32 = 32;
/// Bits that a cache may use for itself: 13 to 31.
pub const SPARE_BITS: u64 = ((1 << NUMBER_SHIFT) - 1) & !((IS_NUMBER << 1) - 1);

impl Store {
    /// A store whose operand does not matter.
    #[inline(always)]
    #[must_use]
    pub const fn plain(operation: Operation) -> Self {
        Self(operation as u64)
    }

    /// A store of a register of `1 << width` bytes.
    #[inline(always)]
    #[must_use]
    pub const fn of_register(operation: Operation, width: u32, register: u32) -> Self {
        Self(
            operation as u64
                | ((width as u64 & 3) << WIDTH_SHIFT)
                | ((register as u64 & 31) << REGISTER_SHIFT),
        )
    }

    /// A store of a number.
    #[inline(always)]
    #[must_use]
    pub const fn of_number(operation: Operation, width: u32, number: i32) -> Self {
        Self(
            Self::of_register(operation, width, 0).0
                | IS_NUMBER
                | ((number.cast_unsigned() as u64) << NUMBER_SHIFT),
        )
    }

    #[inline(always)]
    const fn of_second_byte(self) -> Self {
        Self(self.0 | SECOND_BYTE)
    }

    /// The operation.
    #[inline(always)]
    #[must_use]
    pub fn operation(self) -> Operation {
        let number = (self.0 & 15) as usize;
        if number < Operation::ALL.len() {
            Operation::ALL[number]
        } else {
            Operation::Unknown
        }
    }

    #[inline(always)]
    const fn is(self, operation: Operation) -> bool {
        self.0 & 15 == operation as u64
    }

    /// Binary logarithm of the operand's width in bytes.
    #[inline(always)]
    #[must_use]
    pub const fn width(self) -> u32 {
        ((self.0 >> WIDTH_SHIFT) & 3) as u32
    }

    /// The register that has the operand; `None` if it is a number, or does not matter.
    #[inline(always)]
    #[must_use]
    pub const fn register(self) -> Option<u32> {
        let needs_none = self.is(Operation::Unknown)
            || self.is(Operation::Bits)
            || self.is(Operation::Block)
            || self.is(Operation::Push);
        if needs_none || self.0 & IS_NUMBER != 0 {
            return None;
        }
        Some(((self.0 >> REGISTER_SHIFT) & 31) as u32)
    }

    /// The operand, by the content of its register.
    #[inline(always)]
    fn operand(self, register: u64) -> u64 {
        if self.0 & IS_NUMBER != 0 {
            return i64::from(((self.0 >> NUMBER_SHIFT) as u32).cast_signed()).cast_unsigned();
        }
        if self.0 & SECOND_BYTE != 0 {
            return register >> 8;
        }
        register
    }
}
