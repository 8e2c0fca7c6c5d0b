//! Store instructions of x86-64 (Intel SDM, volume 2). Only what stores to memory matters: the fault has shown that
//! the instruction does.

use super::{Operation, Store};

/// Most prefixes of an instruction but REX.
const MOST_PREFIXES: u32 = 6;
const REX_WIDE: u8 = 8;
const REX_REGISTER: u8 = 4;
const ACCUMULATOR: u32 = 0;
/// Registers from here on are `AH`, `CH`, `DH` and `BH` in instructions of single bytes without REX.
const FIRST_SECOND_BYTE: u32 = 4;

/// An instruction's bytes that were not read yet. Taken one after the other: kernels before 5.12 let no program read
/// its stack at a place that varies.
#[derive(Clone, Copy)]
struct Code {
    low: u64,
    high: u64,
}

impl Code {
    #[inline(always)]
    const fn peek(self) -> u8 {
        self.low as u8
    }

    /// Takes up to 7 bytes.
    #[inline(always)]
    const fn skip(&mut self, bytes: u32) {
        let bits = 8 * (bytes & 7);
        if bits != 0 {
            self.low = (self.low >> bits) | (self.high << (64 - bits));
            self.high >>= bits;
        }
    }

    #[inline(always)]
    const fn take(&mut self) -> u8 {
        let byte = self.peek();
        self.skip(1);
        byte
    }
}

/// What stands before the opcode.
#[derive(Clone, Copy)]
struct Prefixes {
    /// Operands have 2 bytes.
    is_short: bool,
    /// Repeated.
    is_repeated: bool,
    /// REX; 0 if there is none.
    rex: u8,
}

impl Prefixes {
    #[inline(always)]
    const fn width(self) -> u32 {
        if self.rex & REX_WIDE != 0 {
            3
        } else if self.is_short {
            1
        } else {
            2
        }
    }
}

/// What an instruction's bytes store, the first 8 in `low`; [`Operation::Unknown`] if that is not known.
#[inline(always)]
#[must_use]
pub fn decode(low: u64, high: u64) -> Store {
    let mut code = Code { low, high };
    let prefixes = take_prefixes(&mut code);
    match code.take() {
        0x0f => decode_second(code, prefixes),
        // VEX and EVEX: of what they encode, vectors are stored.
        0xc4 | 0xc5 | 0x62 => Store::plain(Operation::Block),
        opcode => decode_first(opcode, code, prefixes),
    }
}

#[inline(always)]
fn take_prefixes(code: &mut Code) -> Prefixes {
    let mut found = Prefixes {
        is_short: false,
        is_repeated: false,
        rex: 0,
    };
    for _ in 0..MOST_PREFIXES {
        match code.peek() {
            0x66 => found.is_short = true,
            0xf2 | 0xf3 => found.is_repeated = true,
            // LOCK, segments, addresses of 4 bytes.
            0xf0 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 | 0x67 => {}
            _ => break,
        }
        code.skip(1);
    }
    if code.peek() & 0xf0 == 0x40 {
        found.rex = code.take();
    }
    found
}

/// Opcodes of one byte.
#[inline(always)]
fn decode_first(opcode: u8, mut code: Code, prefixes: Prefixes) -> Store {
    let width = if opcode & 1 == 0 { 0 } else { prefixes.width() };
    match opcode {
        0x00 | 0x01 => of_operand(Operation::Add, width, code.peek(), prefixes),
        0x08 | 0x09 => of_operand(Operation::Or, width, code.peek(), prefixes),
        0x20 | 0x21 => of_operand(Operation::And, width, code.peek(), prefixes),
        0x28 | 0x29 => of_operand(Operation::Subtract, width, code.peek(), prefixes),
        0x30 | 0x31 => of_operand(Operation::Flip, width, code.peek(), prefixes),
        // XCHG, MOV.
        0x86..=0x89 => of_operand(Operation::Set, width, code.peek(), prefixes),
        0x80 | 0x81 | 0x83 => {
            let operation = match (code.peek() >> 3) & 7 {
                0 => Operation::Add,
                1 => Operation::Or,
                4 => Operation::And,
                5 => Operation::Subtract,
                6 => Operation::Flip,
                // With the carry flag, or no store.
                _ => return Store::default(),
            };
            let has_byte = opcode != 0x81;
            of_number(operation, width, &mut code, has_byte)
        }
        0xc6 | 0xc7 => of_number(Operation::Set, width, &mut code, opcode == 0xc6),
        0xfe | 0xff => match (code.peek() >> 3) & 7 {
            0 => Store::of_number(Operation::Add, width, 1),
            1 => Store::of_number(Operation::Subtract, width, 1),
            2 | 3 | 6 => Store::plain(Operation::Push),
            _ => Store::default(),
        },
        // MOV to an address in the instruction.
        0xa2 | 0xa3 => Store::of_register(Operation::Set, width, ACCUMULATOR),
        // STOS.
        0xaa | 0xab if !prefixes.is_repeated => {
            Store::of_register(Operation::Set, width, ACCUMULATOR)
        }
        // MOVS, STOS, INS.
        0xa4 | 0xa5 | 0xaa | 0xab | 0x6c | 0x6d => Store::plain(Operation::Block),
        // PUSH, CALL, PUSHF, ENTER.
        0x50..=0x57 | 0x68 | 0x6a | 0xe8 | 0x9c | 0xc8 => Store::plain(Operation::Push),
        // With the carry flag, shifts, NOT, NEG, POP, segment registers, x87.
        _ => Store::default(),
    }
}

/// Opcodes of two bytes, of which the first was taken.
#[inline(always)]
fn decode_second(mut code: Code, prefixes: Prefixes) -> Store {
    let opcode = code.take();
    let width = if opcode & 1 == 0 { 0 } else { prefixes.width() };
    match opcode {
        0xc0 | 0xc1 => of_operand(Operation::Add, width, code.peek(), prefixes),
        0xb0 | 0xb1 => of_operand(Operation::CompareExchange, width, code.peek(), prefixes),
        // MOVNTI.
        0xc3 => of_operand(Operation::Set, prefixes.width(), code.peek(), prefixes),
        // BTS, BTR, BTC.
        0xab | 0xb3 | 0xbb | 0xba => Store::plain(Operation::Bits),
        // Vectors, CMPXCHG8B and 16B, FXSAVE and its like.
        0x11 | 0x13 | 0x17 | 0x29 | 0x2b | 0x7e | 0x7f | 0xd6 | 0xe7 | 0xc7 | 0xae => {
            Store::plain(Operation::Block)
        }
        // SETcc, MOVBE, double shifts.
        _ => Store::default(),
    }
}

/// A store of the register that the byte after the opcode names.
#[inline(always)]
fn of_operand(operation: Operation, width: u32, modrm: u8, prefixes: Prefixes) -> Store {
    let low = u32::from((modrm >> 3) & 7);
    if width == 0 && prefixes.rex == 0 && low >= FIRST_SECOND_BYTE {
        return Store::of_register(operation, width, low - FIRST_SECOND_BYTE).of_second_byte();
    }
    let high = u32::from(prefixes.rex & REX_REGISTER) << 1;
    Store::of_register(operation, width, low | high)
}

/// A store of the number that ends the instruction: one byte, or two or four by the operand's width.
#[inline(always)]
fn of_number(operation: Operation, width: u32, code: &mut Code, has_byte: bool) -> Store {
    let modrm = code.take();
    let (kind, base) = (modrm >> 6, modrm & 7);
    let mut displacement = match kind {
        1 => 1,
        2 => 4,
        _ => 0,
    };
    if base == 4 {
        let sib = code.take();
        if kind == 0 && sib & 7 == 5 {
            displacement = 4;
        }
    } else if base == 5 && kind == 0 {
        displacement = 4;
    }
    code.skip(displacement);
    let number = (code.low as u32).cast_signed();
    // The rest is what follows: shifted out, and the sign in.
    let number = if has_byte {
        number << 24 >> 24
    } else if width == 1 {
        number << 16 >> 16
    } else {
        number
    };
    Store::of_number(operation, width, number)
}

#[cfg(test)]
mod tests;
