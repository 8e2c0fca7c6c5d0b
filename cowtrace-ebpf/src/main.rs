//! The kernel side of cowtrace: program entry points, one line each.
//!
//! Needs Linux 5.10: raw tracepoints (4.17), ring buffer (5.8), mappable arrays (5.5).
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod atomic;
mod fault;
mod hooks;
mod kernel;
mod maps;
mod process;
mod range;

use aya_ebpf::{
    macros::{fentry, kprobe, raw_tracepoint},
    programs::{FEntryContext, ProbeContext, RawTracePointContext},
};

use crate::{
    fault::Mode,
    hooks::{lifecycle, tracepoint},
};

/// A user-mode page fault begins (x86-64).
#[raw_tracepoint(tracepoint = "page_fault_user")]
pub fn page_fault_user(ctx: RawTracePointContext) -> i32 {
    tracepoint::page_fault(&ctx, Mode::User)
}

/// A kernel-mode page fault begins (x86-64).
#[raw_tracepoint(tracepoint = "page_fault_kernel")]
pub fn page_fault_kernel(ctx: RawTracePointContext) -> i32 {
    tracepoint::page_fault(&ctx, Mode::Kernel)
}

/// A page is allocated.
#[raw_tracepoint(tracepoint = "mm_page_alloc")]
pub fn mm_page_alloc(ctx: RawTracePointContext) -> i32 {
    tracepoint::page_alloc(&ctx)
}

/// A page is freed. Attached only while a traced process has several threads.
#[raw_tracepoint(tracepoint = "mm_page_free")]
pub fn mm_page_free(ctx: RawTracePointContext) -> i32 {
    tracepoint::page_free(&ctx)
}

/// A task forked.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn sched_process_fork(ctx: RawTracePointContext) -> i32 {
    lifecycle::fork(&ctx)
}

/// A task started a new program.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn sched_process_exec(ctx: RawTracePointContext) -> i32 {
    lifecycle::exec(&ctx)
}

/// A task exits.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn sched_process_exit(ctx: RawTracePointContext) -> i32 {
    lifecycle::exit(&ctx)
}

/// What a hook costs that does nothing: the floor the benchmark measures the others against.
#[raw_tracepoint(tracepoint = "empty")]
pub fn empty(_ctx: RawTracePointContext) -> i32 {
    0
}

/// Tries whether kernel probes can be had.
#[kprobe]
pub fn empty_kprobe(_ctx: ProbeContext) -> u32 {
    0
}

/// Tries whether trampolines can be had.
#[fentry(function = "do_wp_page")]
pub fn empty_fentry(_ctx: FEntryContext) -> i32 {
    0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The helpers used here are open to programs under a GPL-compatible licence only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
