//! Saved registers, and how the thread entered the kernel.

use aya_ebpf::Global;

use super::{
    cast,
    reading::{read_member, read_word},
};
use crate::digest::add_to_digest;

/// Offset of the instruction pointer in `struct pt_regs`, bytes.
#[unsafe(no_mangle)]
static REGS_IP: Global<u32> = Global::new(0);
/// Offset of the system call's number in `struct pt_regs`, bytes.
#[unsafe(no_mangle)]
static REGS_CALL: Global<u32> = Global::new(0);
/// Offset of the stack pointer in `struct pt_regs`, bytes.
#[unsafe(no_mangle)]
static REGS_SP: Global<u32> = Global::new(0);
/// Offset of the frame pointer in `struct pt_regs`, bytes.
#[unsafe(no_mangle)]
static REGS_FP: Global<u32> = Global::new(0);
/// Offset of the link register in `struct pt_regs`, bytes; 0 if return addresses are on the stack.
#[unsafe(no_mangle)]
static REGS_LINK: Global<u32> = Global::new(0);
/// Offset of `orig_ax` in `struct pt_regs` (x86-64), bytes.
#[unsafe(no_mangle)]
static REGS_ORIG_AX: Global<u32> = Global::new(0);

/// Words of `struct pt_regs` (x86-64).
const REGISTERS: usize = 21;
/// What an exception saves as `orig_ax`, where a system call saves its number
/// (arch/x86/entry/entry_64.S).
const ORIG_AX_OF_EXCEPTION: u64 = u64::MAX;

/// Saved registers (`struct pt_regs`) by their kernel address.
#[derive(Clone, Copy)]
pub struct SavedRegisters(pub u64);

impl SavedRegisters {
    /// Instruction pointer.
    #[inline(always)]
    pub fn instruction(self) -> Result<u64, i32> {
        read_member(self.0, REGS_IP.load())
    }

    /// Number of the system call.
    #[inline(always)]
    pub fn system_call(self) -> Result<u64, i32> {
        read_member(self.0, REGS_CALL.load())
    }

    /// Stack pointer.
    #[inline(always)]
    pub fn stack_pointer(self) -> Result<u64, i32> {
        self.word(REGS_SP.load())
    }

    /// Frame pointer.
    #[inline(always)]
    pub fn frame_pointer(self) -> Result<u64, i32> {
        self.word(REGS_FP.load())
    }

    /// Link register; `None` if return addresses are on the stack.
    #[inline(always)]
    pub fn link(self) -> Option<Result<u64, i32>> {
        let offset = REGS_LINK.load();
        (offset != 0).then(|| read_member(self.0, offset))
    }

    /// A general register by the processor's number; 0 if it cannot be read.
    #[inline(always)]
    pub fn general(self, number: u32) -> u64 {
        match offset_of_general(number) {
            Some(offset) => read_word(self.0, offset).unwrap_or(0),
            None => 0,
        }
    }

    #[inline(always)]
    fn word(self, offset: u32) -> Result<u64, i32> {
        match cast::two_registers(self.0, offset) {
            Some([word, _]) => Ok(word),
            None => read_member(self.0, offset),
        }
    }

    /// How the thread entered the kernel (x86-64).
    #[inline(always)]
    pub fn entry(self) -> Result<KernelEntry, i32> {
        let offset = REGS_ORIG_AX.load();
        let [orig_ax, instruction] = match cast::two_registers(self.0, offset) {
            Some(words) => words,
            None => read_member(self.0, offset)?,
        };
        Ok(KernelEntry {
            orig_ax,
            instruction,
        })
    }

    /// Instruction pointer, if reading it needs no helper (x86-64).
    #[inline(always)]
    pub fn instruction_at_once(self) -> Option<u64> {
        cast::two_registers(self.0, REGS_ORIG_AX.load()).map(|[_, instruction]| instruction)
    }

    /// A digest of all registers, never 0.
    ///
    /// Kernel-mode registers lie in the middle of the stack, and parts of them stay there after the
    /// fault. By chance two words may survive later calls; all of them do not.
    #[inline(always)]
    pub fn digest(self) -> Result<u64, i32> {
        let words: [u64; REGISTERS] = read_member(self.0, 0)?;
        let mut digest = 0u64;
        for word in words {
            digest = add_to_digest(digest, word);
        }
        Ok(digest | 1)
    }
}

/// Words before each general register in `struct pt_regs`, a byte each, in the processor's order: `ax`, `cx`, `dx`,
/// `bx`, `sp`, `bp`, `si`, `di`, `r8` to `r15` (arch/x86/include/uapi/asm/ptrace.h: a layout that never changes).
#[cfg(not(bpf_target_arch = "aarch64"))]
const GENERAL: [u64; 2] = [0x0e0d_0413_050c_0b0a, 0x0001_0203_0607_0809];

/// Offset of a general register in `struct pt_regs`, bytes.
#[cfg(not(bpf_target_arch = "aarch64"))]
#[inline(always)]
fn offset_of_general(number: u32) -> Option<u32> {
    let words = GENERAL[(number as usize >> 3) & 1] >> (8 * (number & 7));
    Some(8 * (words as u32 & 0x1f))
}

/// Offset of a general register in `struct pt_regs`, bytes (arch/arm64/include/uapi/asm/ptrace.h). Register 31 is always
/// 0 and is not saved.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
fn offset_of_general(number: u32) -> Option<u32> {
    (number < 31).then_some(8 * (number & 31))
}

/// How a thread entered the kernel, from its saved registers (x86-64): two adjacent words.
#[derive(Clone, Copy, Default)]
pub struct KernelEntry {
    orig_ax: u64,
    /// Instruction pointer.
    pub instruction: u64,
}

impl KernelEntry {
    /// Whether by an exception and not by a system call.
    ///
    /// User-mode registers are always saved at the same place of a task's stack, so this distinguishes
    /// an open fault from a system call after it.
    #[inline(always)]
    pub fn is_from_exception(self) -> bool {
        self.orig_ax == ORIG_AX_OF_EXCEPTION
    }

    /// Number of the system call.
    #[inline(always)]
    pub fn system_call(self) -> u64 {
        self.orig_ax
    }
}
