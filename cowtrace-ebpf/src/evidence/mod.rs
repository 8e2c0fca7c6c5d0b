//! Evidence of who wrote: taken for copies only, sent as it is. Which word is a type, and what
//! the instruction is called, is for the user side to find out.

mod native;
mod python;
mod reading;
pub mod stacks;

use aya_ebpf::{Global, bindings::BPF_RB_NO_WAKEUP, helpers::bpf_probe_read_user};
use cowtrace_common::{
    evidence::{
        BATCH, BY_KERNEL, Batch, CALL_SHIFT, Context, Core, Cores, HAS_WORDS, ORDER_SHIFT,
        UNKNOWN_CALL, WORDS,
    },
    loss::Loss,
};

use crate::{kernel::page_tables, maps, program::KnownProgram, thread::TracedThread};
use stacks::StackNumbers;

/// Whether evidence is taken at all; at 0 the verifier removes it as dead code.
#[unsafe(no_mangle)]
static TAKE_EVIDENCE: Global<u32> = Global::new(0);

/// Whether evidence is asked for.
#[inline(always)]
pub fn is_taken() -> bool {
    TAKE_EVIDENCE.load() != 0
}

/// A write that copied a page.
pub struct Write {
    /// Slot of the process whose page it is.
    pub slot: u32,
    /// The address, exact.
    pub address: u64,
    /// The writer's user-mode instruction pointer, 0 if not known.
    pub instruction: u64,
    /// Pages that were copied: a power of two.
    pub pages: u32,
    /// Number of the system call in which it wrote, if it did.
    pub system_call: Option<u64>,
    /// Words around the address, if they could be read.
    pub words: Option<[u64; WORDS]>,
    /// The stacks it comes from.
    pub stacks: StackNumbers,
}

/// When words are read. The process's own addresses may be used only once the kernel has changed the
/// page's entry and flushed the translation of the old one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeCopy,
    AfterCopy,
}

/// Reads the words around an address of the current thread's process, if they could tell anything.
///
/// Never through the process's own translations before the copy: see [`page_tables`]. Nor may they be
/// used between the moment when the kernel looks at the page's entry in the page table and the copy's
/// commit: reading sets the entry's accessed bit, which fork clears for the child, and the kernel,
/// finding the entry changed, throws the copy away and begins the fault again.
#[inline(always)]
pub fn read_words(
    thread: TracedThread,
    program: KnownProgram,
    address: u64,
    moment: Moment,
) -> Option<[u64; WORDS]> {
    if program.without_words != 0 {
        return None;
    }
    let first = (address & !7) + 8;
    if page_tables::can_be_followed()
        && let Some(words) = page_tables::words(own_tables(thread)?, first)
    {
        return Some(words);
    }
    if moment == Moment::BeforeCopy {
        return None;
    }
    // SAFETY: the helper checks the address itself and fails with EFAULT on a bad one.
    unsafe { bpf_probe_read_user(first as *const [u64; WORDS]) }.ok()
}

/// The current thread's page tables: the same until it starts another program.
#[inline(always)]
fn own_tables(mut thread: TracedThread) -> Option<u64> {
    let known = thread.get().page_tables;
    if known != 0 {
        return Some(known);
    }
    let found = page_tables::of_current()?;
    thread.get_mut().page_tables = found;
    Some(found)
}

/// Takes the evidence of a copy.
#[inline(always)]
pub fn record(thread: TracedThread, write: Write) {
    let Some(batch) = batch(thread) else { return };
    let mut count = batch.cores.count as usize;
    // Not as soon as it is full: the last copy can still be taken back.
    if count >= BATCH {
        send(batch);
        count = 0;
    }
    let mut flags = 0;
    if write.pages > 1 {
        flags |= (31 - write.pages.leading_zeros()) << ORDER_SHIFT;
    }
    if let Some(call) = write.system_call {
        flags |= BY_KERNEL | (((call & UNKNOWN_CALL) as u32) << CALL_SHIFT);
    }
    if write.words.is_some() {
        flags |= HAS_WORDS;
    }
    let place = count & (BATCH - 1);
    batch.cores.records[place] = Core {
        address: write.address,
        instruction: write.instruction,
        slot: write.slot,
        flags,
    };
    if (flags & HAS_WORDS != 0)
        | (write.stacks.python_stack != 0)
        | (write.stacks.native_stack != 0)
    {
        batch.contexts[place] = Context {
            words: write.words.unwrap_or([0; WORDS]),
            python_stack: write.stacks.python_stack,
            native_stack: write.stacks.native_stack,
        };
        batch.cores.with_context |= 1 << place;
    }
    batch.cores.count = count as u32 + 1;
}

/// The thread's last copy was none.
#[inline(always)]
pub fn take_back(thread: TracedThread) {
    if !is_taken() {
        return;
    }
    let Some(batch) = batch(thread) else { return };
    let count = batch.cores.count.saturating_sub(1);
    batch.cores.count = count;
    batch.cores.with_context &= !(1 << (count & 31));
}

/// Sends what the thread has kept.
#[inline(always)]
pub fn send_rest(thread: TracedThread) {
    if !is_taken() {
        return;
    }
    let Some(batch) = batch(thread) else { return };
    if batch.cores.count != 0 {
        send(batch);
    }
}

#[inline(always)]
fn batch(thread: TracedThread) -> Option<&'static mut Batch> {
    // SAFETY: a pointer into a live map value, which only this thread's own hooks write.
    maps::batch(thread.slot).map(|batch| unsafe { &mut *batch })
}

/// Sends a batch and empties it. The user side looks by itself: waking it would cost more than the
/// copies.
#[inline(always)]
fn send(batch: &mut Batch) {
    let flags = u64::from(BPF_RB_NO_WAKEUP);
    let sent = if batch.cores.with_context == 0 {
        maps::EVIDENCE.output::<Cores>(&batch.cores, flags)
    } else {
        maps::EVIDENCE.output::<Batch>(&*batch, flags)
    };
    if sent.is_err() {
        maps::lose(Loss::WritersFull, batch.cores.count);
    }
    batch.cores.count = 0;
    batch.cores.with_context = 0;
}
