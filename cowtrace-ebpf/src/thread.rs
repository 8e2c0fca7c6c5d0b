//! A traced thread: the slot that has its state, and which of a hook's two programs handles its events.

use aya_ebpf::Global;
use cowtrace_common::thread::{HookEvent, Thread};

use crate::maps;

/// 1 if any hook may have its second program attached, see [`Turn`]. At 0 the verifier removes the code
/// for taking turns.
#[unsafe(no_mangle)]
static HAS_SECOND: Global<u32> = Global::new(1);

/// A traced thread.
#[derive(Clone, Copy)]
pub struct TracedThread {
    state: *mut Thread,
    /// Number of its slot.
    pub slot: u32,
}

impl TracedThread {
    /// The thread with this task id, if it is traced.
    #[inline(always)]
    pub fn find(tid: u32) -> Option<Self> {
        Self::in_slot(maps::task_slot(tid))
    }

    /// The thread in a slot.
    #[inline(always)]
    pub fn in_slot(slot: u32) -> Option<Self> {
        maps::thread_in_slot(slot).map(|state| Self { state, slot })
    }

    /// Whether this program must handle the event: it must not if the hook's other program did.
    #[inline(always)]
    pub fn is_to_handle(&mut self, event: HookEvent, turn: Turn) -> bool {
        if HAS_SECOND.load() == 0 {
            return true;
        }
        let ran = &mut self.get_mut().ran[event as usize];
        let other = Turn::One as u8 + Turn::Other as u8 - turn as u8;
        if *ran == other {
            *ran = 0;
            return false;
        }
        *ran = turn as u8;
        true
    }

    /// The thread with this task id, if it is traced and this program must handle the event.
    #[inline(always)]
    pub fn find_for(tid: u32, event: HookEvent, turn: Turn) -> Option<Self> {
        let mut thread = Self::find(tid)?;
        thread.is_to_handle(event, turn).then_some(thread)
    }

    /// The thread's state, to read.
    #[inline(always)]
    pub fn get(&self) -> &Thread {
        // SAFETY: a pointer into a live map value that only this thread's own hooks write.
        unsafe { &*self.state }
    }

    /// The thread's state, to change.
    #[inline(always)]
    pub fn get_mut(&mut self) -> &mut Thread {
        // SAFETY: as in `get`; the hooks of one thread run one after another.
        unsafe { &mut *self.state }
    }
}

/// Which of a hook's two programs runs.
///
/// If a task is preempted inside a program, the kernel skips that program for every other task on the
/// CPU until the first task continues: all faults of a time slice can be lost. So if the kernel preempts
/// programs, each hook has a second program, which handles the events that the kernel skipped the first
/// one for. The order in which the two run is not fixed: trampolines first run the one attached last.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Turn {
    One = 1,
    Other = 2,
}
