//! Backend `tracepoint`: pairs page-fault and page-allocation tracepoints of one thread (x86-64).
//!
//! A write to a present page (error code, bits 0 and 1) opens a fault; a movable order-0
//! allocation inside it is the page of the copy. No allocation: the page was re-used.

use aya_ebpf::{EbpfContext as _, programs::RawTracePointContext};
use aya_log_ebpf::debug;
use cowtrace_common::{
    process::Source,
    thread::{FAULT_BEGUN, FAULT_COPIED},
};

use crate::fault::{self, Mode, TracedThread};

/// Page present and access a write: bits 0 and 1 of x86's page-fault error code.
const WRITE_TO_PRESENT: u64 = 0b11;
/// What every allocation for user memory asks for (`GFP_HIGHUSER_MOVABLE`): the bits all kernels
/// from 5.10 on agree in.
const GFP_USER_MOVABLE: u64 = 0x10_0cca;
/// `__GFP_ZERO`: the page is filled with zeros, not copied.
const GFP_ZERO: u64 = 0x100;

/// `exceptions:page_fault_user`, `exceptions:page_fault_kernel`: (address, regs, error code).
#[inline(always)]
pub fn page_fault(ctx: &RawTracePointContext, mode: Mode) -> i32 {
    let Some(thread) = TracedThread::find(ctx.pid()) else {
        return 0;
    };
    let error_code: u64 = ctx.arg(2);
    if error_code & WRITE_TO_PRESENT == WRITE_TO_PRESENT {
        fault::begun(thread, ctx.arg(0), ctx.arg(1), mode);
    } else {
        fault::ended(thread);
    }
    0
}

/// `kmem:mm_page_alloc`: (page, order, gfp flags, migrate type).
#[inline(always)]
pub fn page_alloc(ctx: &RawTracePointContext) -> i32 {
    let gfp: u64 = ctx.arg(2);
    if gfp & GFP_USER_MOVABLE != GFP_USER_MOVABLE || order(ctx) != 0 {
        return 0;
    }
    let Some(thread) = TracedThread::find(ctx.pid()) else {
        return 0;
    };
    if thread.get().state != FAULT_BEGUN {
        return 0;
    }
    if !fault::in_progress(thread) {
        fault::ended(thread);
        return 0;
    }
    let source = if gfp & GFP_ZERO == 0 {
        Source::Unknown
    } else {
        Source::Zero
    };
    fault::copied(thread, ctx.arg(0), source);
    let fault = thread.get();
    debug!(
        ctx,
        "copied: task {} process slot {} address {:x}", fault.tid, fault.process, fault.address
    );
    0
}

/// `kmem:mm_page_free`: (page, order). A fault that lost a race frees its page before it ends.
#[inline(always)]
pub fn page_free(ctx: &RawTracePointContext) -> i32 {
    let Some(thread) = TracedThread::find(ctx.pid()) else {
        return 0;
    };
    let fault = thread.get();
    let page: u64 = ctx.arg(0);
    if fault.state == FAULT_COPIED && fault.page == page && fault::in_progress(thread) {
        fault::taken_back(thread);
    }
    0
}

#[inline(always)]
fn order(ctx: &RawTracePointContext) -> u32 {
    // An `unsigned int` in a 64-bit register: the upper half is not defined.
    ctx.arg::<u64>(1) as u32
}
