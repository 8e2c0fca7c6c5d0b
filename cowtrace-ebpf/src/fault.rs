//! The life of a write fault: it begins, copies or not, and ends. Knows no hook.
//!
//! Each traced thread has its own slot and at most one open fault, so threads share only the counters.

use aya_ebpf::Global;
use cowtrace_common::{
    loss::Loss,
    process::{SOURCES, Source},
    range::{FIRST_TOUCH, RangeKey},
    thread::{FAULT_BEGUN, FAULT_COPIED, FAULT_NONE},
};

use crate::{
    atomic,
    evidence::{self, touches},
    maps,
    range::{self, Outcome},
    thread::TracedThread,
};

/// 1 if this trace counts first touches of new memory beside copies. At 0 the verifier removes the code that
/// does: the benchmark measures what it costs.
#[unsafe(no_mangle)]
static COUNT_TOUCHES: Global<u32> = Global::new(1);

/// Whether this trace counts first touches of new memory.
#[inline(always)]
pub fn counts_touches() -> bool {
    COUNT_TOUCHES.load() != 0
}

/// What a hook knows about a write fault when it begins.
pub struct Begun {
    /// `FAULT_BEGUN` or `FAULT_FIRST`.
    pub state: u32,
    /// Address that the fault writes to, or its page's.
    pub address: u64,
    /// The exact address that the fault writes to.
    pub exact: u64,
    /// See [`Thread::flags`].
    pub flags: u32,
    /// See [`Thread::anchor`].
    pub anchor: u64,
    /// See [`Thread::witness`].
    pub witness: u64,
    /// Slot of the process whose address space the fault changes.
    pub charged: u32,
}

/// A write fault begins. Ends the thread's previous fault.
#[inline(always)]
pub fn begin_fault(mut thread: TracedThread, begun: Begun) {
    end_fault(thread);
    let fault = thread.get_mut();
    fault.address = begun.address;
    fault.exact = begun.exact;
    fault.flags = begun.flags;
    fault.anchor = begun.anchor;
    fault.witness = begun.witness;
    fault.charged = begun.charged;
    fault.state = begun.state;
}

/// The thread's fault, if any, has ended. If it copied nothing, it reused its page.
#[inline(always)]
pub fn end_fault(mut thread: TracedThread) {
    let fault = thread.get_mut();
    let state = fault.state;
    if state == FAULT_NONE {
        return;
    }
    fault.state = FAULT_NONE;
    if state == FAULT_BEGUN {
        count_reuse(fault.charged, fault.address);
    }
}

/// The thread's fault, if any, has ended without an outcome: it failed, or it will begin again.
#[inline(always)]
pub fn abandon_fault(mut thread: TracedThread) {
    thread.get_mut().state = FAULT_NONE;
}

/// The thread's fault copied `pages` pages, from its address on.
#[inline(always)]
pub fn count_copy(mut thread: TracedThread, source: Source, pages: u32) {
    let fault = thread.get_mut();
    fault.state = FAULT_COPIED;
    fault.pages = pages;
    let whole = range::whole_key(fault.charged, source as u32, fault.address);
    if whole.0 == fault.tally_key {
        fault.tally_copied += pages;
        return;
    }
    add_tally(thread);
    let fault = thread.get_mut();
    fault.tally_key = range::range_key(whole, fault.address).0;
    fault.tally_copied = pages;
}

/// The thread touched `pages` pages of new memory, from an address on; 0 for an unknown one.
#[inline(always)]
pub fn count_touch(mut thread: TracedThread, charged: u32, address: u64, pages: u32) {
    let whole = range::whole_key(charged, FIRST_TOUCH, address);
    let tally = thread.get_mut();
    if whole.0 == tally.touch_key {
        tally.touched += pages;
        return;
    }
    add_touches(thread);
    let tally = thread.get_mut();
    tally.touch_key = range::range_key(whole, address).0;
    tally.touched = pages;
}

/// The kernel threw the page of the thread's first touch away because another thread was faster.
#[inline(always)]
pub fn touch_taken_back(mut thread: TracedThread) {
    let fault = thread.get_mut();
    fault.state = FAULT_NONE;
    // The touch is the last that was counted, so it is still in the tally.
    fault.touched = fault.touched.wrapping_sub(fault.pages);
    let address = fault.address;
    if evidence::is_taken() {
        touches::take_back(thread, address);
    }
}

/// The kernel threw the thread's copy away because another thread was faster. The fault used no memory.
#[inline(always)]
pub fn taken_back(mut thread: TracedThread) {
    let fault = thread.get_mut();
    fault.state = FAULT_NONE;
    // The copy is the last that was counted, so it is still in the tally.
    fault.tally_copied = fault.tally_copied.wrapping_sub(1);
    evidence::take_copy_back(thread);
    let fault = thread.get();
    count_reuse(fault.charged, fault.address);
}

/// The thread exits, starts a program, or ends its visit: counts its tally and sends its evidence.
#[inline(always)]
pub fn leave_fault(thread: TracedThread) {
    end_fault(thread);
    add_tally(thread);
    add_touches(thread);
    evidence::send_rest(thread);
}

/// Adds the thread's tally of first touches to the histogram and to its process.
#[inline(always)]
fn add_touches(mut thread: TracedThread) {
    let tally = thread.get_mut();
    let touched = tally.touched;
    if touched == 0 {
        return;
    }
    tally.touched = 0;
    let key = RangeKey(tally.touch_key);
    let Some(process) = maps::process_in_slot(key.slot()) else {
        return;
    };
    let ranged = range::count_touches(key, touched);
    // SAFETY: a pointer into a live map value.
    unsafe {
        atomic::add_u64(&raw mut (*process).touched, u64::from(touched));
        if !ranged {
            atomic::add_u64(&raw mut (*process).unranged_touched, u64::from(touched));
        }
    }
}

/// Adds the thread's tally of copies to the histogram and to its process.
#[inline(always)]
fn add_tally(mut thread: TracedThread) {
    let tally = thread.get_mut();
    let copied = tally.tally_copied;
    if copied == 0 {
        return;
    }
    tally.tally_copied = 0;
    let key = RangeKey(tally.tally_key);
    let Some(process) = maps::process_in_slot(key.slot()) else {
        return;
    };
    let ranged = range::count_outcome(key, Outcome::Copied, copied);
    // SAFETY: a pointer into a live map value, and an index within the array.
    unsafe {
        if (*process).tasks > 1 && !maps::races_are_settled() {
            maps::count_loss(Loss::RacesUnwatched, copied);
        }
        let source = (key.source_number() as usize).min(SOURCES - 1);
        atomic::add_u64(&raw mut (*process).copied[source], u64::from(copied));
        if !ranged {
            atomic::add_u64(&raw mut (*process).unranged_copied, u64::from(copied));
        }
    }
}

#[inline(always)]
fn count_reuse(slot: u32, address: u64) {
    let Some(process) = maps::process_in_slot(slot) else {
        return;
    };
    let whole = range::whole_key(slot, Source::Unknown as u32, address);
    let ranged = range::count_outcome(range::range_key(whole, address), Outcome::Reused, 1);
    // SAFETY: a pointer into a live map value.
    unsafe {
        atomic::add_u64(&raw mut (*process).reused, 1);
        if !ranged {
            atomic::add_u64(&raw mut (*process).unranged_reused, 1);
        }
    }
}
