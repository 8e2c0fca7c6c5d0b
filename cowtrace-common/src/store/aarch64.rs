//! Store instructions of arm64 (Arm ARM, C4.1): one word each.

use super::{Operation, Store};

/// What an instruction stores; [`Operation::Unknown`] if that is not known.
#[inline(always)]
#[must_use]
pub const fn decode(word: u32) -> Store {
    let width = bits(word, 30, 2);
    let of_first = Store::of_register(Operation::Set, width, bits(word, 0, 5));
    let is_vector = bits(word, 26, 1) != 0;
    match bits(word, 24, 6) {
        // STP, STNP, structures of vectors.
        0b10_1000 | 0b10_1001 | 0b10_1100 | 0b10_1101 | 0b00_1100 | 0b00_1101 => {
            Store::plain(Operation::Block)
        }
        // STXR, STLR, CAS.
        0b00_1000 => exclusive(word, of_first),
        0b11_1000 if bits(word, 21, 1) != 0 && bits(word, 10, 2) == 0 => atomic(word, width),
        // STR with an offset in the instruction or in a register, with an increment, STUR.
        0b11_1000 | 0b11_1001 => of_first,
        // STLUR.
        0b01_1001 if bits(word, 10, 2) == 0 => of_first,
        _ if is_vector => Store::plain(Operation::Block),
        // DC ZVA and others.
        _ => Store::plain(Operation::Unknown),
    }
}

/// Bits of a word from a place on.
#[inline(always)]
const fn bits(word: u32, place: u32, number: u32) -> u32 {
    (word >> place) & ((1 << number) - 1)
}

/// Exclusive stores, ordered stores, compare and swap.
#[inline(always)]
const fn exclusive(word: u32, of_first: Store) -> Store {
    let (is_ordered, is_pair) = (bits(word, 23, 1) != 0, bits(word, 21, 1) != 0);
    match (is_ordered, is_pair) {
        // CAS: what it compares with is in another register.
        (true, true) => Store::plain(Operation::Unknown),
        (false, true) => Store::plain(Operation::Block),
        _ => of_first,
    }
}

/// LDADD and its like: the operand is the register in bits 16 to 20.
#[inline(always)]
const fn atomic(word: u32, width: u32) -> Store {
    let operation = match (bits(word, 15, 1), bits(word, 12, 3)) {
        (0, 0) => Operation::Add,
        (0, 1) => Operation::Clear,
        (0, 2) => Operation::Flip,
        (0, 3) => Operation::Or,
        // SWP.
        (1, 0) => Operation::Set,
        _ => return Store::plain(Operation::Unknown),
    };
    Store::of_register(operation, width, bits(word, 16, 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words as an assembler makes them.
    #[test]
    fn what_compilers_write_is_understood() {
        let set = |width, register| Store::of_register(Operation::Set, width, register);
        let block = Store::plain(Operation::Block);
        for (word, expected) in [
            // str x1, [x0] · str w2, [x0, #8] · strb w3, [x1] · strh w4, [x1, #2]
            (0xf900_0001, set(3, 1)),
            (0xb900_0802, set(2, 2)),
            (0x3900_0023, set(0, 3)),
            (0x7900_0424, set(1, 4)),
            // stur x1, [x0, #-8] · str x1, [x0], #8 · str x1, [x0, #8]! · str x1, [x0, x2]
            (0xf81f_8001, set(3, 1)),
            (0xf800_8401, set(3, 1)),
            (0xf800_8c01, set(3, 1)),
            (0xf822_6801, set(3, 1)),
            // str xzr, [x0] · stp x1, x2, [x0] · str q0, [x0] · st1 {v0.16b}, [x0]
            (0xf900_001f, set(3, 31)),
            (0xa900_0801, block),
            (0x3d80_0000, block),
            (0x4c00_7000, block),
            // stlr x1, [x0] · stxr w2, x1, [x0] · cas x1, x2, [x0]
            (0xc89f_fc01, set(3, 1)),
            (0xc802_7c01, set(3, 1)),
            (0xc8a1_7c02, Store::default()),
            // ldadd x1, x2, [x0] · stset w1, [x0] · swp x1, x2, [x0] · ldclr x1, x2, [x0]
            (0xf821_0002, Store::of_register(Operation::Add, 3, 1)),
            (0xb821_301f, Store::of_register(Operation::Or, 2, 1)),
            (0xf821_8002, set(3, 1)),
            (0xf821_1002, Store::of_register(Operation::Clear, 3, 1)),
        ] {
            assert_eq!(decode(word), expected, "{word:08x}");
        }
    }
}
