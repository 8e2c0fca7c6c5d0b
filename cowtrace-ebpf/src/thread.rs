//! A traced thread: the slot that holds its state, and which of a hook's two programs runs for it.

use aya_ebpf::Global;
use cowtrace_common::thread::{HookEvent, Thread};

use crate::maps;

/// Whether any hook may have its second program attached, see [`Turn`]; at 0 the verifier removes what
/// takes turns as dead code.
#[unsafe(no_mangle)]
static HAS_SECOND: Global<u32> = Global::new(1);

/// A traced thread, from the slot table.
#[derive(Clone, Copy)]
pub struct TracedThread {
    state: *mut Thread,
    /// The slot it is in.
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
        maps::thread(slot).map(|state| Self { state, slot })
    }

    /// Whether this event of the thread is still to be handled: a program has nothing to do when
    /// the other one has run.
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

    /// The thread with this task id, if it is traced and this event of it is still to be handled.
    #[inline(always)]
    pub fn find_for(tid: u32, event: HookEvent, turn: Turn) -> Option<Self> {
        let mut thread = Self::find(tid)?;
        thread.is_to_handle(event, turn).then_some(thread)
    }

    /// Shared view of the thread's state.
    #[inline(always)]
    pub fn get(&self) -> &Thread {
        // SAFETY: a pointer into a live map value, which only this thread's own hooks write.
        unsafe { &*self.state }
    }

    /// The thread's state.
    #[inline(always)]
    pub fn get_mut(&mut self) -> &mut Thread {
        // SAFETY: as in `get`; hooks of one thread run one after the other.
        unsafe { &mut *self.state }
    }
}

/// Which of a hook's two programs runs.
///
/// The kernel does not run a program on a CPU where another task was preempted inside it, for as
/// long as that task waits: a whole time slice of other tasks' faults can be missing. Where the
/// kernel preempts programs, each hook has a second one of its own, which does what the first
/// could not. Neither is always the first: trampolines run the one that was attached last.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Turn {
    One = 1,
    Other = 2,
}
