//! Calls known to the exact instruction, whatever the compiler does elsewhere: frames with frame
//! pointers and a leaf without, in assembly.

use std::arch::naked_asm;

use anyhow::Result;
use serde_json::Value;

use crate::{
    child::{Child, writer},
    memory::{Memory, changed_by},
};

/// How often `frames_deeper` calls itself in the case `frames`.
const SHALLOW: usize = 3;
/// The same in `frames-deep`: more calls than a recorded stack holds.
const DEEP: usize = 100;

/// Writes all pages in `frames_leaf`. `frames_outer` calls `frames_deeper`, which calls itself
/// `depth` times and then the leaf.
pub(crate) fn write_all(memory: Memory, depth: usize) {
    frames_outer(memory.address(0).cast(), memory.pages(), depth);
}

pub(crate) fn shallow(memory: &Memory) -> Result<Vec<Value>> {
    in_a_child(memory, SHALLOW)
}

pub(crate) fn deep(memory: &Memory) -> Result<Vec<Value>> {
    in_a_child(memory, DEEP)
}

fn in_a_child(memory: &Memory, depth: usize) -> Result<Vec<Value>> {
    let mut child = Child::fork(|| {
        changed_by(*memory, || {
            write_all(*memory, depth);
            Ok(())
        })
    })?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    child.release()?;
    Ok(vec![told])
}

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn frames_outer(start: *mut u8, pages: usize, depth: usize) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "call {deeper}",
        "pop rbp",
        ".cfi_restore rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        deeper = sym frames_deeper,
    )
}

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn frames_deeper(start: *mut u8, pages: usize, depth: usize) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "test rdx, rdx",
        "jz 2f",
        "dec rdx",
        "call {deeper}",
        "jmp 3f",
        "2:",
        "call {leaf}",
        "3:",
        "pop rbp",
        ".cfi_restore rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        deeper = sym frames_deeper,
        leaf = sym frames_leaf,
    )
}

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn frames_leaf(start: *mut u8, pages: usize, depth: usize) {
    naked_asm!(
        ".cfi_startproc",
        "2:",
        "mov byte ptr [rdi], 1",
        "add rdi, 4096",
        "dec rsi",
        "jnz 2b",
        "ret",
        ".cfi_endproc",
    )
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn frames_outer(start: *mut u8, pages: usize, depth: usize) {
    naked_asm!(
        ".cfi_startproc",
        "stp x29, x30, [sp, -16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "mov x29, sp",
        "bl {deeper}",
        "ldp x29, x30, [sp], 16",
        ".cfi_restore x29",
        ".cfi_restore x30",
        ".cfi_def_cfa_offset 0",
        "ret",
        ".cfi_endproc",
        deeper = sym frames_deeper,
    )
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn frames_deeper(start: *mut u8, pages: usize, depth: usize) {
    naked_asm!(
        ".cfi_startproc",
        "stp x29, x30, [sp, -16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "mov x29, sp",
        "cbz x2, 2f",
        "sub x2, x2, 1",
        "bl {deeper}",
        "b 3f",
        "2:",
        "bl {leaf}",
        "3:",
        "ldp x29, x30, [sp], 16",
        ".cfi_restore x29",
        ".cfi_restore x30",
        ".cfi_def_cfa_offset 0",
        "ret",
        ".cfi_endproc",
        deeper = sym frames_deeper,
        leaf = sym frames_leaf,
    )
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn frames_leaf(start: *mut u8, pages: usize, depth: usize) {
    naked_asm!(
        ".cfi_startproc",
        "2:",
        "mov w3, 1",
        "strb w3, [x0]",
        "add x0, x0, 4096",
        "subs x1, x1, 1",
        "b.ne 2b",
        "ret",
        ".cfi_endproc",
    )
}
