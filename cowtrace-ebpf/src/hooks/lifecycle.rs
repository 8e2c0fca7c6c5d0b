//! Fork, exec and exit, from the scheduler's tracepoints.

use aya_ebpf::{EbpfContext as _, programs::RawTracePointContext};
use aya_log_ebpf::info;

use crate::{kernel::KernelTask, process, thread::Turn};

/// `sched:sched_process_fork`: (parent task, child task). Runs for threads too, before the child first
/// runs.
#[inline(always)]
pub fn fork(ctx: &RawTracePointContext, turn: Turn) -> i32 {
    match process::try_fork(
        ctx.pid(),
        turn,
        KernelTask(ctx.arg(0)),
        KernelTask(ctx.arg(1)),
    ) {
        Ok(slot) if slot != 0 => info!(ctx, "fork: task {} got process slot {}", ctx.pid(), slot),
        Ok(_) => {}
        Err(error) => info!(ctx, "fork: task {} cannot be read: {}", ctx.pid(), error),
    }
    0
}

/// `sched:sched_process_exec`: (task, previous task id, binary). A thread that starts a program takes over
/// its process's id, so its previous id may differ.
#[inline(always)]
pub fn exec(ctx: &RawTracePointContext, turn: Turn) -> i32 {
    let slot = process::follow_exec(ctx.pid(), turn, ctx.tgid(), ctx.arg::<u64>(1) as u32);
    if slot != 0 {
        info!(ctx, "exec: task {} got process slot {}", ctx.pid(), slot);
    }
    0
}

/// `sched:sched_process_exit`: (task). The task is the current one. After one program handled its exit,
/// the other does not find it.
#[inline(always)]
pub fn exit(ctx: &RawTracePointContext, _turn: Turn) -> i32 {
    process::end_task(ctx.pid(), ctx.tgid());
    0
}
