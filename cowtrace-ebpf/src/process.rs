//! Which processes are traced: the descendants of traced ones, from fork to exit, across exec.
//!
//! A process here is an address space: it lives while tasks use it. A `vfork` child shares its parent's
//! until it starts a program, so its copies count for the parent.

use aya_ebpf::helpers::{bpf_get_current_comm, bpf_ktime_get_ns, generated::bpf_get_prandom_u32};
use cowtrace_common::{
    event::{ENDED_BY_EXEC, ENDED_OUT_OF_MEMORY, Event, EventKind},
    loss::Loss,
    process::{OVERFLOW_SLOT, ProcessSlot, SOURCES},
    thread::{FAULT_NONE, HookEvent, Thread},
};

use crate::{
    atomic, fault,
    kernel::KernelTask,
    maps,
    program::KnownProgram,
    thread::{TracedThread, Turn},
};

/// How the last task left an address space: see [`Event::wait_status`] and [`Event::ended`].
#[derive(Clone, Copy, Default)]
struct Ended {
    wait_status: u32,
    flags: u32,
}

impl Ended {
    /// Of the current task, which exits.
    #[inline(always)]
    fn of_current() -> Self {
        let task = KernelTask::current();
        let is_out_of_memory = task.is_out_of_memory().unwrap_or(false);
        Self {
            wait_status: task.wait_status().unwrap_or(0),
            flags: if is_out_of_memory {
                ENDED_OUT_OF_MEMORY
            } else {
                0
            },
        }
    }
}

/// Follows a fork by the task `tid`. Returns the child's process slot, 0 if the child is not traced.
#[inline(always)]
pub fn try_fork(tid: u32, turn: Turn, parent: KernelTask, child: KernelTask) -> Result<u32, i32> {
    let Some(forker) = TracedThread::find_for(tid, HookEvent::Life, turn) else {
        return Ok(0);
    };
    let parent_slot = forker.get().process;
    let child_tid = child.tid()?;
    let child_tgid = child.tgid()?;
    let shares_memory = child.mm()? == parent.mm()?;
    let Some(thread_slot) = maps::take_thread_slot() else {
        maps::count_loss(Loss::ThreadsFull, 1);
        return Ok(0);
    };
    let process_slot = if shares_memory {
        add_task(parent_slot);
        if child_tgid == parent.tgid()? {
            send_event(
                EventKind::Thread,
                parent_slot,
                0,
                child_tgid,
                Ended::default(),
            );
        }
        parent_slot
    } else {
        let slot = open_process(child_tgid, parent_slot, KnownProgram::of(parent_slot));
        send_event(
            EventKind::Fork,
            slot,
            parent_slot,
            child_tgid,
            Ended::default(),
        );
        slot
    };
    trace_task(child_tid, thread_slot, process_slot);
    Ok(process_slot)
}

/// Follows a task into a new program. Returns the new image's process slot, 0 if the task is not traced.
#[inline(always)]
pub fn follow_exec(tid: u32, turn: Turn, tgid: u32, tid_before: u32) -> u32 {
    let thread_slot = maps::task_slot(tid_before);
    let Some(mut thread) = TracedThread::in_slot(thread_slot) else {
        return 0;
    };
    if !thread.is_to_handle(HookEvent::Life, turn) {
        return 0;
    }
    fault::leave_fault(thread);
    if tid != tid_before {
        maps::set_task_slot(tid_before, 0);
        maps::set_task_slot(tid, thread_slot);
        thread.get_mut().tid = tid;
    }
    let left = thread.get().process;
    // These are addresses of the program before.
    let fresh = thread.get_mut();
    fresh.python_thread = 0;
    fresh.thread_pointer = 0;
    fresh.page_tables = 0;
    fresh.own_mm = 0;
    let program = KnownProgram {
        // SAFETY: a helper without arguments.
        image: unsafe { bpf_get_prandom_u32() },
        ..KnownProgram::default()
    };
    let slot = open_process(tgid, left, program);
    thread.get_mut().process = slot;
    thread.get_mut().passed_over = 0;
    send_event(EventKind::Exec, slot, left, tgid, Ended::default());
    remove_task(left, tgid, || Ended {
        wait_status: 0,
        flags: ENDED_BY_EXEC,
    });
    slot
}

/// Ends the tracing of a task that exits.
#[inline(always)]
pub fn end_task(tid: u32, tgid: u32) {
    let thread_slot = maps::task_slot(tid);
    let Some(thread) = TracedThread::in_slot(thread_slot) else {
        return;
    };
    fault::leave_fault(thread);
    maps::set_task_slot(tid, 0);
    remove_task(thread.get().process, tgid, Ended::of_current);
    maps::free_thread_slot(thread_slot);
}

#[inline(always)]
fn trace_task(tid: u32, thread_slot: u32, process_slot: u32) {
    let Some(mut thread) = TracedThread::in_slot(thread_slot) else {
        return;
    };
    *thread.get_mut() = Thread {
        state: FAULT_NONE,
        process: process_slot,
        tid,
        ..Thread::default()
    };
    // Last, since from here on the task's faults are counted.
    if !maps::set_task_slot(tid, thread_slot) {
        maps::count_loss(Loss::TaskIdsFull, 1);
        remove_task(process_slot, tid, Ended::default);
        maps::free_thread_slot(thread_slot);
    }
}

/// Opens a slot for a process image with one task.
#[inline(always)]
fn open_process(tgid: u32, parent: u32, program: KnownProgram) -> u32 {
    let Some(slot) = maps::take_process_slot() else {
        maps::count_loss(Loss::ProcessesFull, 1);
        add_task(OVERFLOW_SLOT);
        return OVERFLOW_SLOT;
    };
    if let Some(process) = maps::process_in_slot(slot) {
        // SAFETY: a pointer into a live map value that no task uses yet.
        unsafe {
            *process = ProcessSlot {
                copied: [0; SOURCES],
                born_ns: bpf_ktime_get_ns(),
                tasks: 1,
                tgid,
                parent,
                interpreter: program.interpreter,
                wants: program.wants,
                image: program.image,
                ..ProcessSlot::default()
            };
        }
    }
    slot
}

#[inline(always)]
fn add_task(slot: u32) {
    if let Some(process) = maps::process_in_slot(slot) {
        // SAFETY: a pointer into a live map value.
        unsafe { atomic::add_u32(&raw mut (*process).tasks, 1) };
    }
}

/// Removes a task from a process, and sends an event if it was the last one. Two tasks that leave at once
/// may both send it; the user side ignores the second.
#[inline(always)]
fn remove_task(slot: u32, tgid: u32, ended: impl Fn() -> Ended) {
    let Some(process) = maps::process_in_slot(slot) else {
        return;
    };
    // SAFETY: a pointer into a live map value.
    let left = unsafe {
        let tasks = &raw mut (*process).tasks;
        atomic::add_u32(tasks, u32::MAX);
        tasks.read_volatile()
    };
    if left == 0 {
        send_event(EventKind::Exit, slot, 0, tgid, ended());
    }
}

/// Tells the user side of a process. Those in the overflow slot have no counts of their own, and none of them may have
/// the others'.
#[inline(always)]
fn send_event(kind: EventKind, slot: u32, other_slot: u32, tgid: u32, ended: Ended) {
    if slot == OVERFLOW_SLOT {
        return;
    }
    let Some(mut entry) = maps::EVENTS.reserve::<Event>(0) else {
        maps::count_loss(Loss::LifecycleDropped, 1);
        return;
    };
    let born_ns = match maps::process_in_slot(slot) {
        // SAFETY: a pointer into a live map value.
        Some(process) => unsafe { (*process).born_ns },
        None => 0,
    };
    entry.write(Event {
        // SAFETY: a helper without arguments.
        at_ns: unsafe { bpf_ktime_get_ns() },
        born_ns,
        kind: kind as u32,
        slot,
        other_slot,
        tgid,
        wait_status: ended.wait_status,
        ended: ended.flags,
        comm: bpf_get_current_comm().unwrap_or_default(),
    });
    entry.submit(0);
}
