//! Evidence of who touched new memory: for one page in [`TOUCHES_PER_SAMPLE`].
//!
//! Of each block of that many pages one is drawn. So no pattern of the program's falls in with the sampling,
//! every page has the same chance, and a burst is sampled in proportion.

use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use cowtrace_common::evidence::{IS_TOUCH, TOUCHES_PER_SAMPLE};

use super::{Words, Write, add_record, batch_of, stacks};
use crate::{
    kernel::KernelTask,
    program::KnownProgram,
    thread::{TracedThread, Turn},
    walk::Hook,
};

/// What stands in the place of a system call's number if the thread is in an exception: -1, of which 32 bits
/// are the same on all architectures.
const NO_CALL: u32 = u32::MAX;

/// Whether evidence is to be taken of a first touch of `pages` pages. Counts them.
#[inline(always)]
pub fn is_due(mut thread: TracedThread, pages: u32) -> bool {
    // Stands for itself.
    if pages >= TOUCHES_PER_SAMPLE {
        return true;
    }
    let state = thread.get_mut();
    if state.touch_wait > pages {
        state.touch_wait -= pages;
        return false;
    }
    is_drawn(thread, pages)
}

/// The page to wait for may be among these.
#[inline(always)]
fn is_drawn(mut thread: TracedThread, pages: u32) -> bool {
    let state = thread.get_mut();
    if state.touch_wait == 0 {
        state.touch_place = draw_place();
        state.touch_wait = state.touch_place + 1;
        if state.touch_wait > pages {
            state.touch_wait -= pages;
            return false;
        }
    }
    let place = draw_place();
    let further = TOUCHES_PER_SAMPLE - state.touch_place + place;
    let passed = pages.wrapping_sub(state.touch_wait);
    state.touch_wait = further.saturating_sub(passed).max(1);
    state.touch_place = place;
    true
}

/// Draws one page of the next block.
#[inline(always)]
fn draw_place() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_prandom_u32() as u32 & (TOUCHES_PER_SAMPLE - 1) }
}

/// Records who touched new memory of the current thread's process. `address` is 0 if unknown.
#[inline(always)]
pub fn record_touch(mut thread: TracedThread, turn: Turn, address: u64, pages: u32) {
    let Ok(registers) = KernelTask::current().user_registers() else {
        return;
    };
    let charged = thread.get().process;
    let program = KnownProgram::of(charged);
    let call = registers.system_call().ok();
    // A page fault by the walk's own reads is none of the process.
    thread.get_mut().is_reading = 1;
    let stacks = stacks::of_writer(thread, program, Hook::Touch, turn, || Ok(registers));
    thread.get_mut().is_reading = 0;
    let write = Write {
        slot: charged,
        address,
        instruction: registers.instruction().unwrap_or(0),
        pages: pages.max(TOUCHES_PER_SAMPLE),
        system_call: call.filter(|&call| call as u32 != NO_CALL),
        words: Words::default(),
        verb: 0,
        changed: 0,
        stacks,
    };
    add_record(thread, write, IS_TOUCH, 0);
}

/// Takes back the thread's last first touch, if there is a record of it.
#[inline(always)]
pub fn take_back(thread: TracedThread, address: u64) {
    let Some(batch) = batch_of(thread) else {
        return;
    };
    let last = batch.cores.count.wrapping_sub(1);
    let Some(record) = batch.cores.records.get(last as usize) else {
        return;
    };
    if record.flags & IS_TOUCH != 0 && record.address == address {
        super::take_back(thread);
    }
}
