//! What a store did to the memory that it hit.

use super::{Operation, Store};

/// Addresses below are no pointers: the kernel maps nothing there (`mmap_min_addr`).
const LEAST_POINTER: u64 = 1 << 16;
/// Nor are those from here on (x86-64 with 4 levels of tables; where there are more, programs have to ask).
const NO_POINTER: u64 = 1 << 47;

/// What a store did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Verb {
    /// Not known.
    #[default]
    Unknown = 0,
    /// Added 1: a counter.
    Increment = 1,
    /// Subtracted 1: a counter.
    Decrement = 2,
    /// Changed one or two bits, or was made to change bits: flags.
    Bits = 3,
    /// Stored what was there already.
    Same = 4,
    /// Stored 0 over something else.
    Zero = 5,
    /// Stored an address over an address, or over 0.
    Pointer = 6,
    /// Stored more than a register: a vector, a copied or filled block.
    Block = 7,
    /// Put something on the stack.
    Push = 8,
    /// Stored another value.
    Value = 9,
}

impl Verb {
    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::Unknown,
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

    /// The verb with a number; `Unknown` if this version does not know it.
    #[must_use]
    pub const fn from_u32(number: u32) -> Self {
        if (number as usize) < Self::ALL.len() {
            Self::ALL[number as usize]
        } else {
            Self::Unknown
        }
    }

    /// What a store did, by the old value there and the content of its register. `accumulator` gives that of the
    /// processor's accumulator, which only few need.
    #[inline(always)]
    #[must_use]
    pub fn of(store: Store, old: u64, register: u64, accumulator: impl FnOnce() -> u64) -> Self {
        let mask = u64::MAX >> (64 - (8 << store.width()));
        let old = old & mask;
        let operand = store.operand(register) & mask;
        let new = match store.operation() {
            Operation::Unknown => return Self::Unknown,
            Operation::Block => return Self::Block,
            Operation::Push => return Self::Push,
            Operation::Bits => return Self::Bits,
            Operation::Set => operand,
            Operation::Add => old.wrapping_add(operand) & mask,
            Operation::Subtract => old.wrapping_sub(operand) & mask,
            Operation::Or => return Self::of_bits(old, old | operand),
            Operation::And => return Self::of_bits(old, old & operand),
            Operation::Clear => return Self::of_bits(old, old & !operand),
            Operation::Flip => return Self::of_bits(old, old ^ operand),
            Operation::CompareExchange => {
                if accumulator() & mask == old {
                    operand
                } else {
                    old
                }
            }
        };
        let verb = Self::of_values(old, new, mask);
        // A byte that was put together in a register: R marks a vector so, and a count by one looks the same.
        let is_flag = mask == 0xff && old ^ new == 1 && matches!(store.operation(), Operation::Set);
        if is_flag { Self::Bits } else { verb }
    }

    #[inline(always)]
    const fn of_bits(old: u64, new: u64) -> Self {
        if old == new { Self::Same } else { Self::Bits }
    }

    #[inline(always)]
    const fn of_values(old: u64, new: u64, mask: u64) -> Self {
        if new == old {
            return Self::Same;
        }
        let step = new.wrapping_sub(old) & mask;
        if step == 1 {
            return Self::Increment;
        }
        if step == mask {
            return Self::Decrement;
        }
        if new == 0 {
            return Self::Zero;
        }
        if mask == u64::MAX && is_pointer(new) && (old == 0 || is_pointer(old)) {
            return Self::Pointer;
        }
        // At most two bits: clearing the lowest twice leaves none.
        let changed = old ^ new;
        let but_one = changed & changed.wrapping_sub(1);
        if but_one & but_one.wrapping_sub(1) == 0 {
            return Self::Bits;
        }
        Self::Value
    }
}

/// The bits of the old value that a store changes; none also if that is not known. As [`Verb::of`].
#[inline(always)]
#[must_use]
pub fn changed_bits(
    store: Store,
    old: u64,
    register: u64,
    accumulator: impl FnOnce() -> u64,
) -> u64 {
    let mask = u64::MAX >> (64 - (8 << store.width()));
    let old = old & mask;
    let operand = store.operand(register) & mask;
    let new = match store.operation() {
        Operation::Set => operand,
        Operation::Add => old.wrapping_add(operand) & mask,
        Operation::Subtract => old.wrapping_sub(operand) & mask,
        Operation::Or => old | operand,
        Operation::And => old & operand,
        Operation::Clear => old & !operand,
        Operation::Flip => old ^ operand,
        Operation::CompareExchange if accumulator() & mask == old => operand,
        _ => old,
    };
    old ^ new
}

#[inline(always)]
const fn is_pointer(value: u64) -> bool {
    value >= LEAST_POINTER && value < NO_POINTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(width: u32, old: u64, new: u64) -> Verb {
        let store = Store::of_register(Operation::Set, width, 0);
        Verb::of(store, old, new, || unreachable!())
    }

    #[test]
    fn values_tell_what_was_done() {
        assert_eq!(set(3, 7, 8), Verb::Increment);
        assert_eq!(set(3, 8, 7), Verb::Decrement);
        assert_eq!(set(2, 0xffff_ffff, 0), Verb::Increment, "4 bytes wrap");
        assert_eq!(set(0, 0x1233, 0x5634), Verb::Increment, "one byte");
        assert_eq!(set(0, 0x1234, 0x5635), Verb::Bits, "or a flag in it");
        assert_eq!(set(0, 0x11, 0x10), Verb::Bits, "or no flag any more");
        let added = Store::of_number(Operation::Add, 0, 1);
        assert_eq!(Verb::of(added, 0x10, 0, || 0), Verb::Increment);
        assert_eq!(set(2, 0x1_0000_0005, 5), Verb::Same, "4 bytes of 8");
        assert_eq!(set(3, 9, 0), Verb::Zero);
        assert_eq!(set(3, 1, 0), Verb::Decrement, "as a counter that ends");
        assert_eq!(set(3, 0x5555_0000_1230, 0x7f00_1234_0000), Verb::Pointer);
        assert_eq!(set(3, 0, 0x7f00_1234_0000), Verb::Pointer);
        assert_eq!(set(2, 0x5500_1230, 0x7f00_1234), Verb::Value, "4 bytes");
        assert_eq!(set(3, 0x10, 0x30), Verb::Bits);
        assert_eq!(set(3, 0x11, 0x24), Verb::Value);
        assert_eq!(
            set(3, 77, 0x7f00_1234_0000),
            Verb::Value,
            "no address before"
        );
    }

    #[test]
    fn operations_apply_to_what_was_there() {
        let of = |operation, old, operand| {
            Verb::of(Store::of_register(operation, 3, 0), old, operand, || 5)
        };
        assert_eq!(of(Operation::Add, 41, 1), Verb::Increment);
        assert_eq!(of(Operation::Add, 41, u64::MAX), Verb::Decrement);
        assert_eq!(of(Operation::Subtract, 41, 1), Verb::Decrement);
        assert_eq!(of(Operation::Add, 41, 0), Verb::Same);
        assert_eq!(of(Operation::Or, 0, 0xff), Verb::Bits);
        assert_eq!(of(Operation::Or, 3, 1), Verb::Same);
        assert_eq!(of(Operation::And, 3, 3), Verb::Same);
        assert_eq!(of(Operation::And, 3, 1), Verb::Bits);
        assert_eq!(of(Operation::Clear, 3, 4), Verb::Same);
        assert_eq!(of(Operation::Clear, 3, 2), Verb::Bits);
        assert_eq!(of(Operation::Flip, 3, 0), Verb::Same);
        assert_eq!(of(Operation::CompareExchange, 5, 6), Verb::Increment);
        assert_eq!(of(Operation::CompareExchange, 7, 8), Verb::Same, "it lost");
        assert_eq!(of(Operation::Unknown, 7, 8), Verb::Unknown);
        let number = Store::of_number(Operation::Add, 3, -1);
        assert_eq!(Verb::of(number, 9, 0, || 0), Verb::Decrement);
        let second = Store::of_register(Operation::Set, 0, 0).of_second_byte();
        assert_eq!(Verb::of(second, 0x11, 0x1200, || 0), Verb::Increment);
    }

    #[test]
    fn what_changes_is_told_as_far_as_the_store_reaches() {
        let or = Store::of_number(Operation::Or, 2, 0x10_0000);
        assert_eq!(changed_bits(or, 0x7_0000_0005, 0, || 0), 0x10_0000);
        let set = Store::of_register(Operation::Set, 1, 0);
        assert_eq!(changed_bits(set, 0xf_0005, 0xf_0006, || 0), 3);
        let exchange = Store::of_register(Operation::CompareExchange, 3, 0);
        assert_eq!(changed_bits(exchange, 5, 6, || 5), 3);
        assert_eq!(changed_bits(exchange, 5, 6, || 7), 0, "it lost");
        let block = Store::plain(Operation::Block);
        assert_eq!(changed_bits(block, 7, 9, || 0), 0);
    }

    #[test]
    fn numbers_are_those_of_verbs() {
        for (number, verb) in Verb::ALL.into_iter().enumerate() {
            assert_eq!(verb as usize, number);
            assert_eq!(Verb::from_u32(verb as u32), verb);
        }
        assert_eq!(Verb::from_u32(15), Verb::Unknown);
    }
}
