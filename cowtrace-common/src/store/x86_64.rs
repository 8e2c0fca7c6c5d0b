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
mod tests {
    extern crate std;

    use std::vec::Vec;

    use iced_x86::{
        Code as Named, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register,
    };
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8]) -> Store {
        let mut all = [0x90; 16];
        all[..bytes.len()].copy_from_slice(bytes);
        let word = |at: usize| u64::from_le_bytes(all[at..at + 8].try_into().unwrap());
        decode(word(0), word(8))
    }

    #[test]
    fn what_compilers_write_is_understood() {
        // add qword [rax], 1 · add qword [rbx+8], -1 · inc dword [rdi] · lock dec qword [r8+rax*2+0x10]
        for (bytes, expected) in [
            (
                &[0x48, 0x83, 0x00, 0x01][..],
                Store::of_number(Operation::Add, 3, 1),
            ),
            (
                &[0x48, 0x83, 0x43, 0x08, 0xff],
                Store::of_number(Operation::Add, 3, -1),
            ),
            (&[0xff, 0x07], Store::of_number(Operation::Add, 2, 1)),
            (
                &[0xf0, 0x49, 0xff, 0x4c, 0x40, 0x10],
                Store::of_number(Operation::Subtract, 3, 1),
            ),
            // mov [rdi], eax · mov [r9+0x20], r12 · mov qword [rsp+8], 0
            (&[0x89, 0x07], Store::of_register(Operation::Set, 2, 0)),
            (
                &[0x4d, 0x89, 0x61, 0x20],
                Store::of_register(Operation::Set, 3, 12),
            ),
            (
                &[0x48, 0xc7, 0x44, 0x24, 0x08, 0, 0, 0, 0],
                Store::of_number(Operation::Set, 3, 0),
            ),
            // mov byte [rip+0x100], 5 · mov word [rax], 0x1234
            (
                &[0xc6, 0x05, 0, 1, 0, 0, 5],
                Store::of_number(Operation::Set, 0, 5),
            ),
            (
                &[0x66, 0xc7, 0x00, 0x34, 0x12],
                Store::of_number(Operation::Set, 1, 0x1234),
            ),
            // mov [rax], ah · mov [rax], spl
            (
                &[0x88, 0x20],
                Store::of_register(Operation::Set, 0, 0).of_second_byte(),
            ),
            (
                &[0x40, 0x88, 0x20],
                Store::of_register(Operation::Set, 0, 4),
            ),
            // movups [rdi], xmm0 · vmovdqu [rdi], ymm0 · rep stosq · rep movsb · stosq
            (&[0x0f, 0x11, 0x07], Store::plain(Operation::Block)),
            (&[0xc5, 0xfe, 0x7f, 0x07], Store::plain(Operation::Block)),
            (&[0xf3, 0x48, 0xab], Store::plain(Operation::Block)),
            (&[0xf3, 0xa4], Store::plain(Operation::Block)),
            (&[0x48, 0xab], Store::of_register(Operation::Set, 3, 0)),
            // push rbx · call · lock xadd [rdi], eax · lock cmpxchg [rdi], rsi
            (&[0x53], Store::plain(Operation::Push)),
            (&[0xe8, 0, 0, 0, 0], Store::plain(Operation::Push)),
            (
                &[0xf0, 0x0f, 0xc1, 0x07],
                Store::of_register(Operation::Add, 2, 0),
            ),
            (
                &[0xf0, 0x48, 0x0f, 0xb1, 0x37],
                Store::of_register(Operation::CompareExchange, 3, 6),
            ),
            // or byte [rax+3], 0x10 · adc [rax], ecx · setne [rax]
            (
                &[0x80, 0x48, 0x03, 0x10],
                Store::of_number(Operation::Or, 0, 0x10),
            ),
            (&[0x11, 0x08], Store::default()),
            (&[0x0f, 0x95, 0x00], Store::default()),
        ] {
            assert_eq!(decoded(bytes), expected, "{bytes:x?}");
        }
    }

    /// The number of a general register, and whether it is a second byte.
    fn number_of(register: Register) -> Option<(u32, bool)> {
        use Register::{AH, BH, CH, DH};
        let second = [AH, CH, DH, BH].iter().position(|it| *it == register);
        if let Some(number) = second {
            return Some((u32::try_from(number).unwrap(), true));
        }
        let number = register
            .is_gpr()
            .then(|| register.full_register() as usize)?;
        Some((
            u32::try_from(number - Register::RAX as usize).unwrap(),
            false,
        ))
    }

    /// What a disassembler says that an instruction stores; `None` if this has no opinion.
    fn by_disassembler(instruction: &Instruction) -> Option<Store> {
        let operation = match instruction.mnemonic() {
            Mnemonic::Mov | Mnemonic::Movnti | Mnemonic::Xchg => Operation::Set,
            Mnemonic::Add | Mnemonic::Xadd | Mnemonic::Inc => Operation::Add,
            Mnemonic::Sub | Mnemonic::Dec => Operation::Subtract,
            Mnemonic::Or => Operation::Or,
            Mnemonic::And => Operation::And,
            Mnemonic::Xor => Operation::Flip,
            Mnemonic::Cmpxchg => Operation::CompareExchange,
            _ => return None,
        };
        if instruction.op0_kind() != OpKind::Memory {
            return None;
        }
        let width = u32::try_from(instruction.memory_size().size())
            .unwrap()
            .ilog2();
        if instruction.op_count() == 1 {
            return Some(Store::of_number(operation, width, 1));
        }
        if instruction.op1_kind() == OpKind::Register {
            let (number, is_second) = number_of(instruction.op1_register())?;
            let store = Store::of_register(operation, width, number);
            return Some(if is_second {
                store.of_second_byte()
            } else {
                store
            });
        }
        let number = instruction.immediate(1);
        // As many bytes as the operand has, sign-extended.
        let bits = 64 - (8 << width);
        let number = number.cast_signed() << bits >> bits;
        Some(Store::of_number(operation, width, number as i32))
    }

    fn instruction_of(bytes: &[u8]) -> Instruction {
        Decoder::new(64, bytes, DecoderOptions::NONE).decode()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, max_global_rejects: 1 << 20, ..ProptestConfig::default() })]
        #[test]
        fn a_disassembler_agrees(
            prefix in proptest::sample::select(&[0x90_u8, 0x66, 0xf0, 0x64, 0x67][..]),
            rex in proptest::sample::select((0x3f_u8..=0x4f).collect::<Vec<_>>()),
            is_second in any::<bool>(),
            opcode in any::<u8>(),
            rest in any::<[u8; 10]>(),
        ) {
            let mut bytes = Vec::new();
            bytes.extend((prefix != 0x90).then_some(prefix));
            bytes.extend((rex >= 0x40).then_some(rex));
            bytes.extend(is_second.then_some(0x0f));
            bytes.push(opcode);
            bytes.extend(rest);
            let instruction = instruction_of(&bytes);
            // Compilers write one REX, and nothing between it and the opcode.
            let is_prefix = matches!(
                opcode,
                0x40..=0x4f | 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3
            );
            prop_assume!(instruction.code() != Named::INVALID && (is_second || !is_prefix));
            let ours = decoded(&bytes);
            if let Some(expected) = by_disassembler(&instruction) {
                prop_assert_eq!(ours, expected, "{} {:x?}", instruction, bytes);
            } else {
                let is_plain = matches!(
                    ours.operation(),
                    Operation::Unknown | Operation::Block | Operation::Push | Operation::Bits
                );
                // What stores nothing never faults for a store.
                let stores = instruction.op0_kind() == OpKind::Memory;
                let is_string = matches!(
                    instruction.mnemonic(),
                    Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq
                );
                prop_assert!(is_plain || !stores || is_string, "{} {:x?}", instruction, bytes);
            }
        }

        #[test]
        fn no_bytes_break_it(low in any::<u64>(), high in any::<u64>()) {
            let store = decode(low, high);
            prop_assert_eq!(store.0 & super::super::SPARE_BITS, 0);
        }
    }
}
