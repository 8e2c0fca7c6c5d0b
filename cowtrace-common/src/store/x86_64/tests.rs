//! The decoder beside a disassembler.

extern crate std;

use std::vec::Vec;

use iced_x86::{Code as Named, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
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
