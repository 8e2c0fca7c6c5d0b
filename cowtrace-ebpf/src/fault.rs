//! The life of one write fault: begun, then copied or not, then ended. Knows no hook.
//!
//! Each traced thread has one fault at a time and a slot of its own, so that nothing here is
//! shared but the counters.

use cowtrace_common::{
    loss::Loss,
    process::{SOURCES, Source},
    range::RangeKey,
    thread::{FAULT_BEGUN, FAULT_COPIED, FAULT_NONE, Thread},
};

use crate::{
    atomic,
    kernel::Registers,
    maps,
    range::{self, Outcome},
};

/// A traced thread, from the slot table.
#[derive(Clone, Copy)]
pub struct TracedThread(*mut Thread);

impl TracedThread {
    /// The thread with this task id, if it is traced.
    #[inline(always)]
    pub fn find(tid: u32) -> Option<Self> {
        maps::thread(maps::task_slot(tid)).map(Self)
    }

    /// The thread in a slot.
    #[inline(always)]
    pub fn in_slot(slot: u32) -> Option<Self> {
        maps::thread(slot).map(Self)
    }

    /// Shared view of the thread's state.
    #[inline(always)]
    pub fn get(&self) -> &Thread {
        // SAFETY: a pointer into a live map value, which only this thread's own hooks write.
        unsafe { &*self.0 }
    }

    /// The thread's state.
    #[inline(always)]
    pub fn get_mut(&mut self) -> &mut Thread {
        // SAFETY: as in `get`; hooks of one thread run one after the other.
        unsafe { &mut *self.0 }
    }
}

/// Which mode the processor was in when the fault happened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    User,
    Kernel,
}

/// A write to a present, protected page faulted.
#[inline(always)]
pub fn begun(mut thread: TracedThread, address: u64, registers: u64, mode: Mode) {
    ended(thread);
    let digest = match mode {
        Mode::User => Ok(0),
        Mode::Kernel => Registers(registers).digest(),
    };
    let Ok(digest) = digest else {
        maps::lose(Loss::PendingDropped, 1);
        return;
    };
    let fault = thread.get_mut();
    fault.address = address;
    fault.registers = registers;
    fault.digest = digest;
    fault.state = FAULT_BEGUN;
}

/// Whatever fault the thread had is over: one that copied nothing re-used its page.
#[inline(always)]
pub fn ended(mut thread: TracedThread) {
    let fault = thread.get_mut();
    let state = fault.state;
    if state == FAULT_NONE {
        return;
    }
    fault.state = FAULT_NONE;
    if state == FAULT_BEGUN {
        reused(fault.process, fault.address);
    }
}

/// Whether the thread is still inside its fault, and not in something that came after it.
#[inline(always)]
pub fn in_progress(thread: TracedThread) -> bool {
    let fault = thread.get();
    let saved = Registers(fault.registers);
    if fault.digest == 0 {
        saved.are_an_exceptions()
    } else {
        saved.digest() == Ok(fault.digest)
    }
}

/// The thread's fault copied a page: `page` is its kernel address.
#[inline(always)]
pub fn copied(mut thread: TracedThread, page: u64, source: Source) {
    let fault = thread.get_mut();
    fault.state = FAULT_COPIED;
    fault.page = page;
    fault.source = source as u32;
    let whole = range::whole_key(fault.process, fault.source, fault.address);
    if whole.0 == fault.batch_key {
        fault.batch_copied += 1;
        return;
    }
    flush(thread);
    let fault = thread.get_mut();
    fault.batch_key = range::key(whole, fault.address).0;
    fault.batch_copied = 1;
}

/// The copy was thrown away: another thread had been faster. The fault then used no memory.
#[inline(always)]
pub fn taken_back(mut thread: TracedThread) {
    let fault = thread.get_mut();
    fault.state = FAULT_NONE;
    // The copy is the last that was counted, so it is still in the batch.
    fault.batch_copied = fault.batch_copied.wrapping_sub(1);
    reused(fault.process, fault.address);
}

/// Adds the thread's batch of copies to the histogram and to its process.
#[inline(always)]
pub fn flush(mut thread: TracedThread) {
    let batch = thread.get_mut();
    let copied = batch.batch_copied;
    if copied == 0 {
        return;
    }
    batch.batch_copied = 0;
    let key = RangeKey(batch.batch_key);
    let Some(process) = maps::process(batch.process) else {
        return;
    };
    let ranged = range::count(key, Outcome::Copied, copied);
    // SAFETY: a pointer into a live map value, the index kept within the array.
    unsafe {
        if (*process).tasks > 1 && !maps::watches_frees() {
            maps::lose(Loss::RacesUnwatched, copied);
        }
        let source = (key.source_number() as usize).min(SOURCES - 1);
        atomic::add_u64(&raw mut (*process).copied[source], u64::from(copied));
        if !ranged {
            atomic::add_u64(&raw mut (*process).unranged_copied, u64::from(copied));
        }
    }
}

#[inline(always)]
fn reused(slot: u32, address: u64) {
    let Some(process) = maps::process(slot) else {
        return;
    };
    let whole = range::whole_key(slot, Source::Unknown as u32, address);
    let ranged = range::count(range::key(whole, address), Outcome::Reused, 1);
    // SAFETY: a pointer into a live map value.
    unsafe {
        atomic::add_u64(&raw mut (*process).reused, 1);
        if !ranged {
            atomic::add_u64(&raw mut (*process).unranged_reused, 1);
        }
    }
}
