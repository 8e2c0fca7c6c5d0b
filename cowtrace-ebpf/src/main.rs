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
    macros::{fentry, fexit, kprobe, kretprobe, raw_tracepoint},
    programs::{FEntryContext, FExitContext, ProbeContext, RawTracePointContext, RetProbeContext},
};

use crate::hooks::{
    kprobe as probes, lifecycle,
    tracepoint::{self, Mode},
    trampoline,
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

/// Trampoline: a write to a protected page begins.
#[fentry]
pub fn fentry_write(ctx: FEntryContext) -> i32 {
    trampoline::write_begun(&ctx)
}

/// Trampoline: a write to a protected page ends.
#[fexit]
pub fn fexit_write(ctx: FExitContext) -> i32 {
    trampoline::write_ended(&ctx)
}

/// Trampoline: a fault on a file's page is finished.
#[fentry]
pub fn fentry_finish(ctx: FEntryContext) -> i32 {
    trampoline::finish_begun(&ctx)
}

/// Trampoline: a fault on a file's page was finished.
#[fexit]
pub fn fexit_finish(ctx: FExitContext) -> i32 {
    trampoline::finish_ended(&ctx)
}

/// Trampoline: a new anonymous page is mapped.
#[fentry]
pub fn fentry_mapped(ctx: FEntryContext) -> i32 {
    trampoline::page_mapped(&ctx)
}

/// Trampoline: a write to a protected page of hugetlbfs begins, fault in argument 0.
#[fentry]
pub fn fentry_huge_0(ctx: FEntryContext) -> i32 {
    trampoline::huge_write_begun::<0>(&ctx)
}

/// Trampoline: a write to a protected page of hugetlbfs begins, fault in argument 1.
#[fentry]
pub fn fentry_huge_1(ctx: FEntryContext) -> i32 {
    trampoline::huge_write_begun::<1>(&ctx)
}

/// Trampoline: a write to a protected page of hugetlbfs begins, mapping and address as arguments.
#[fentry]
pub fn fentry_huge_args(ctx: FEntryContext) -> i32 {
    trampoline::huge_write_begun_by_arguments(&ctx)
}

/// Trampoline: a write to a protected page of hugetlbfs ends.
#[fexit]
pub fn fexit_huge(ctx: FExitContext) -> i32 {
    trampoline::huge_write_ended(&ctx)
}

/// Trampoline: a new page of hugetlbfs is mapped.
#[fentry]
pub fn fentry_huge_mapped(ctx: FEntryContext) -> i32 {
    trampoline::huge_page_mapped(&ctx)
}

/// Kernel probe: a write to a protected page begins.
#[kprobe]
pub fn kprobe_write(ctx: ProbeContext) -> u32 {
    probes::write_begun(&ctx)
}

/// Kernel probe: a write to a protected page ends.
#[kretprobe]
pub fn kretprobe_write(ctx: RetProbeContext) -> u32 {
    probes::write_ended(&ctx)
}

/// Kernel probe: a fault on a file's page is finished.
#[kprobe]
pub fn kprobe_finish(ctx: ProbeContext) -> u32 {
    probes::finish_begun(&ctx)
}

/// Kernel probe: a fault on a file's page was finished.
#[kretprobe]
pub fn kretprobe_finish(ctx: RetProbeContext) -> u32 {
    probes::finish_ended(&ctx)
}

/// Kernel probe: a new anonymous page is mapped.
#[kprobe]
pub fn kprobe_mapped(ctx: ProbeContext) -> u32 {
    probes::page_mapped(&ctx)
}

/// Kernel probe: a write to a protected page of hugetlbfs begins, fault in argument 0.
#[kprobe]
pub fn kprobe_huge_0(ctx: ProbeContext) -> u32 {
    probes::huge_write_begun::<0>(&ctx)
}

/// Kernel probe: a write to a protected page of hugetlbfs begins, fault in argument 1.
#[kprobe]
pub fn kprobe_huge_1(ctx: ProbeContext) -> u32 {
    probes::huge_write_begun::<1>(&ctx)
}

/// Kernel probe: a write to a protected page of hugetlbfs begins, mapping and address as arguments.
#[kprobe]
pub fn kprobe_huge_args(ctx: ProbeContext) -> u32 {
    probes::huge_write_begun_by_arguments(&ctx)
}

/// Kernel probe: a write to a protected page of hugetlbfs ends.
#[kretprobe]
pub fn kretprobe_huge(ctx: RetProbeContext) -> u32 {
    probes::huge_write_ended(&ctx)
}

/// Kernel probe: a new page of hugetlbfs is mapped.
#[kprobe]
pub fn kprobe_huge_mapped(ctx: ProbeContext) -> u32 {
    probes::huge_page_mapped(&ctx)
}

/// What a hook costs that does nothing: the floor the benchmark measures the others against.
#[raw_tracepoint(tracepoint = "empty")]
pub fn empty(_ctx: RawTracePointContext) -> i32 {
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
