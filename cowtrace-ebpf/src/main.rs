//! The kernel side of cowtrace: the entry points of its programs, one line each. Kernel probes run with
//! preemption off, so they need no second program.
//!
//! Needs Linux 5.10: raw tracepoints (4.17), ring buffer (5.8), mappable arrays (5.5).
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod atomic;
mod digest;
mod evidence;
mod fault;
mod hooks;
mod kernel;
mod maps;
mod process;
mod program;
mod range;
mod thread;
mod walk;

use aya_ebpf::{
    macros::{fentry, fexit, kprobe, kretprobe, raw_tracepoint},
    programs::{FEntryContext, FExitContext, ProbeContext, RawTracePointContext, RetProbeContext},
};

use crate::{
    hooks::{kprobe as probes, lifecycle, tracepoint, trampoline},
    kernel::page_tables,
    thread::Turn,
};

/// Hooks with two programs each, see [`Turn`]. The second is attached if the kernel preempts programs of
/// its kind.
///
/// A program that becomes large is otherwise left to the compiler to call as a function, and each run of the hook,
/// for every process of the machine, pays for one more call and return.
macro_rules! twins {
    ($(#[doc = $doc:literal] #[$($kind:tt)+] $first:ident, $second:ident:
        $context:ty => $result:ty = $handler:expr;)*) => {$(
        #[doc = $doc]
        #[$($kind)+]
        #[inline(always)]
        pub fn $first(ctx: $context) -> $result {
            $handler(&ctx, Turn::One)
        }

        #[doc = $doc]
        #[$($kind)+]
        #[inline(always)]
        pub fn $second(ctx: $context) -> $result {
            $handler(&ctx, Turn::Other)
        }
    )*};
}

twins! {
    /// A user-mode page fault begins (x86-64).
    #[raw_tracepoint(tracepoint = "page_fault_user")] page_fault_user, page_fault_user_again: RawTracePointContext => i32 = tracepoint::user_fault;
    /// A kernel-mode page fault begins (x86-64).
    #[raw_tracepoint(tracepoint = "page_fault_kernel")] page_fault_kernel, page_fault_kernel_again: RawTracePointContext => i32 = tracepoint::kernel_fault;
    /// A page is allocated.
    #[raw_tracepoint(tracepoint = "mm_page_alloc")] mm_page_alloc, mm_page_alloc_again: RawTracePointContext => i32 = tracepoint::page_alloc;
    /// A task forked.
    #[raw_tracepoint(tracepoint = "sched_process_fork")] sched_process_fork, sched_process_fork_again: RawTracePointContext => i32 = lifecycle::fork;
    /// A task started a new program.
    #[raw_tracepoint(tracepoint = "sched_process_exec")] sched_process_exec, sched_process_exec_again: RawTracePointContext => i32 = lifecycle::exec;
    /// A task exits.
    #[raw_tracepoint(tracepoint = "sched_process_exit")] sched_process_exit, sched_process_exit_again: RawTracePointContext => i32 = lifecycle::exit;
    /// Trampoline: a write to a protected page begins.
    #[fentry] fentry_write, fentry_write_again: FEntryContext => i32 = trampoline::write_begun;
    /// Trampoline: a write to a protected page ends.
    #[fexit] fexit_write, fexit_write_again: FExitContext => i32 = trampoline::write_ended;
    /// Trampoline: the last step of a fault on a file's page begins.
    #[fentry] fentry_finish, fentry_finish_again: FEntryContext => i32 = trampoline::finish_begun;
    /// Trampoline: the last step of a fault on a file's page ends.
    #[fexit] fexit_finish, fexit_finish_again: FExitContext => i32 = trampoline::finish_ended;
    /// Trampoline: a new anonymous page is mapped.
    #[fentry] fentry_mapped, fentry_mapped_again: FEntryContext => i32 = trampoline::page_mapped;
    /// Trampoline: a write to a protected page of hugetlbfs begins, with the fault in argument 0.
    #[fentry] fentry_huge_0, fentry_huge_0_again: FEntryContext => i32 = trampoline::huge_write_begun::<0>;
    /// Trampoline: the same, with the fault in argument 1.
    #[fentry] fentry_huge_1, fentry_huge_1_again: FEntryContext => i32 = trampoline::huge_write_begun::<1>;
    /// Trampoline: the same, with mapping and address as arguments.
    #[fentry] fentry_huge_args, fentry_huge_args_again: FEntryContext => i32 = trampoline::huge_write_begun_by_arguments;
    /// Trampoline: a write to a protected page of hugetlbfs ends.
    #[fexit] fexit_huge, fexit_huge_again: FExitContext => i32 = trampoline::huge_write_ended;
    /// Trampoline: a new page of hugetlbfs is mapped.
    #[fentry] fentry_huge_mapped, fentry_huge_mapped_again: FEntryContext => i32 = trampoline::huge_page_mapped;
}

/// A page is freed. Attached once a traced process has several threads.
#[raw_tracepoint(tracepoint = "mm_page_free")]
pub fn mm_page_free(ctx: RawTracePointContext) -> i32 {
    tracepoint::page_free(&ctx)
}

/// Kernel probe: a write to a protected page begins.
#[kprobe]
pub fn kprobe_write(ctx: ProbeContext) -> u32 {
    probes::write_begun(&ctx, Turn::One)
}

/// Kernel probe: a write to a protected page ends.
#[kretprobe]
pub fn kretprobe_write(ctx: RetProbeContext) -> u32 {
    probes::write_ended(&ctx, Turn::One)
}

/// Kernel probe: the last step of a fault on a file's page begins.
#[kprobe]
pub fn kprobe_finish(ctx: ProbeContext) -> u32 {
    probes::finish_begun(&ctx, Turn::One)
}

/// Kernel probe: the last step of a fault on a file's page ends.
#[kretprobe]
pub fn kretprobe_finish(ctx: RetProbeContext) -> u32 {
    probes::finish_ended(&ctx, Turn::One)
}

/// Kernel probe: a new anonymous page is mapped.
#[kprobe]
pub fn kprobe_mapped(ctx: ProbeContext) -> u32 {
    probes::page_mapped(&ctx, Turn::One)
}

/// Kernel probe: a write to a protected page of hugetlbfs begins, with the fault in argument 0.
#[kprobe]
pub fn kprobe_huge_0(ctx: ProbeContext) -> u32 {
    probes::huge_write_begun::<0>(&ctx, Turn::One)
}

/// Kernel probe: the same, with the fault in argument 1.
#[kprobe]
pub fn kprobe_huge_1(ctx: ProbeContext) -> u32 {
    probes::huge_write_begun::<1>(&ctx, Turn::One)
}

/// Kernel probe: the same, with mapping and address as arguments.
#[kprobe]
pub fn kprobe_huge_args(ctx: ProbeContext) -> u32 {
    probes::huge_write_begun_by_arguments(&ctx, Turn::One)
}

/// Kernel probe: a write to a protected page of hugetlbfs ends.
#[kretprobe]
pub fn kretprobe_huge(ctx: RetProbeContext) -> u32 {
    probes::huge_write_ended(&ctx, Turn::One)
}

/// Kernel probe: a new page of hugetlbfs is mapped.
#[kprobe]
pub fn kprobe_huge_mapped(ctx: ProbeContext) -> u32 {
    probes::huge_page_mapped(&ctx, Turn::One)
}

/// Searches for the kernel's mapping of physical memory. The user side runs it at the start; it is
/// attached to nothing.
#[raw_tracepoint(tracepoint = "find_direct_map")]
pub fn find_direct_map(ctx: RawTracePointContext) -> i32 {
    let mark = [ctx.arg(1), ctx.arg(2)];
    page_tables::search_direct_map_at(ctx.arg(0), mark, ctx.arg(3), ctx.arg(4));
    0
}

/// Does nothing. The benchmark measures its cost as the least that a hook can cost.
#[raw_tracepoint(tracepoint = "empty")]
pub fn empty(_ctx: RawTracePointContext) -> i32 {
    0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel allows the helpers used here only to programs under a GPL-compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
