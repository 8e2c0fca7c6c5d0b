//! Evidence of who wrote, for copies and for a sample of first touches. The user side finds out which word is a type and which
//! function the instruction belongs to.

mod native;
mod python;
mod reading;
pub mod sampling;
pub mod stacks;
pub mod store;
pub mod touches;
mod words;

use aya_ebpf::{Global, bindings::BPF_RB_NO_WAKEUP};
use cowtrace_common::{
    evidence::{
        BATCH, BY_KERNEL, Batch, CALL_SHIFT, Context, Core, Cores, HAS_VALUES, HAS_WORDS, IS_TOUCH,
        ORDER_SHIFT, UNKNOWN_CALL,
    },
    loss::Loss,
};

use crate::{maps, thread::TracedThread};
use stacks::StackNumbers;
pub use words::{Moment, Words, read_words};

/// 1 if this trace takes evidence. At 0 the verifier removes the code that does.
#[unsafe(no_mangle)]
static TAKE_EVIDENCE: Global<u32> = Global::new(0);

/// Whether this trace takes evidence.
#[inline(always)]
pub fn is_taken() -> bool {
    TAKE_EVIDENCE.load() != 0
}

/// A write that copied a page, or touched a new one.
pub struct Write {
    /// Slot of the process that the page belongs to.
    pub slot: u32,
    /// The exact address.
    pub address: u64,
    /// The writer's user-mode instruction pointer, 0 if unknown.
    pub instruction: u64,
    /// Number of copied pages, or of new ones that it stands for: a power of two.
    pub pages: u32,
    /// Number of the system call that wrote; `None` if user-mode code wrote.
    pub system_call: Option<u64>,
    /// Words near the address.
    pub words: Words,
    /// What it does, as [`store::verb_of`] gives it.
    pub verb: u32,
    /// The bits that it changes, if they are sent.
    pub changed: u64,
    /// The writer's stacks.
    pub stacks: StackNumbers,
}

/// Adds the evidence of a copy that was drawn to the thread's batch.
#[inline(always)]
pub fn record_copy(mut thread: TracedThread, write: Write) {
    let state = thread.get_mut();
    let mut passed_over = 0;
    // Copies in another process's memory stand for no copies in this one.
    if write.slot == state.process {
        passed_over = state.passed_over;
        state.passed_over = 0;
    }
    add_record(thread, write, 0, passed_over);
    if thread.get().sampling != 0 {
        sampling::adapt(thread);
    }
}

/// Adds a record with some of its flags to the thread's batch.
#[inline(always)]
fn add_record(thread: TracedThread, write: Write, kind: u32, passed_over: u32) {
    let Some(batch) = batch_of(thread) else {
        return;
    };
    let mut flags = kind | write.verb;
    if write.pages > 1 {
        flags |= (31 - write.pages.leading_zeros()) << ORDER_SHIFT;
    }
    if let Some(call) = write.system_call {
        flags |= BY_KERNEL | (((call & UNKNOWN_CALL) as u32) << CALL_SHIFT);
    }
    if write.words.are_read {
        flags |= HAS_WORDS;
    }
    if write.words.are_values {
        flags |= HAS_VALUES;
    }
    let mut count = batch.cores.count as usize;
    // Not as soon as the batch is full: the last copy can still be taken back.
    if count >= BATCH {
        send_batch(batch);
        sampling::adapt(thread);
        count = 0;
    }
    let place = count & (BATCH - 1);
    batch.cores.records[place] = Core {
        address: write.address,
        instruction: write.instruction,
        slot_and_passed_over: Core::with_passed_over(write.slot, passed_over),
        flags,
    };
    if (flags & (HAS_WORDS | HAS_VALUES) != 0)
        | (write.stacks.python_stack != 0)
        | (write.stacks.native_stack != 0)
    {
        let [one, two, three] = write.words.words;
        batch.contexts[place] = Context {
            // Nothing else is there where they are sent.
            words: [one, two, three | write.changed],
            python_stack: write.stacks.python_stack,
            native_stack: write.stacks.native_stack,
        };
        batch.cores.with_context |= 1 << place;
    }
    batch.cores.count = count as u32 + 1;
}

/// Takes back the thread's last copy.
#[inline(always)]
pub fn take_copy_back(mut thread: TracedThread) {
    if !is_taken() {
        return;
    }
    let state = thread.get_mut();
    if state.is_drawn == 0 {
        state.passed_over = state.passed_over.saturating_sub(1);
    } else if let Some(record) = take_back(thread)
        && record.slot() == thread.get().process
    {
        thread.get_mut().passed_over += record.passed_over();
    }
}

/// Takes back the thread's last record.
#[inline(always)]
fn take_back(thread: TracedThread) -> Option<Core> {
    let batch = batch_of(thread)?;
    let count = batch.cores.count.saturating_sub(1);
    batch.cores.count = count;
    batch.cores.with_context &= !(1 << (count & 31));
    Some(batch.cores.records[count as usize & (BATCH - 1)])
}

/// Sends the evidence that the thread has not sent yet.
#[inline(always)]
pub fn send_rest(thread: TracedThread) {
    if !is_taken() {
        return;
    }
    let Some(batch) = batch_of(thread) else {
        return;
    };
    if batch.cores.count != 0 {
        send_batch(batch);
    }
}

#[inline(always)]
fn batch_of(thread: TracedThread) -> Option<&'static mut Batch> {
    // SAFETY: a pointer into a live map value that only this thread's own hooks write.
    maps::batch_in_slot(thread.slot).map(|batch| unsafe { &mut *batch })
}

/// Sends a batch and empties it. The user side reads at its own pace: waking it would cost more than the
/// copies.
#[inline(always)]
fn send_batch(batch: &mut Batch) {
    let flags = u64::from(BPF_RB_NO_WAKEUP);
    let sent = if batch.cores.with_context == 0 {
        maps::send_evidence::<Cores>(&batch.cores, flags)
    } else {
        maps::send_evidence::<Batch>(&*batch, flags)
    };
    if !sent {
        count_unsent(&batch.cores);
    }
    batch.cores.count = 0;
    batch.cores.with_context = 0;
}

/// Counts the records of a batch that found no room: copies and first touches are different losses.
#[inline(always)]
fn count_unsent(cores: &Cores) {
    let (mut copies, mut touches) = (0, 0);
    let count = (cores.count as usize).min(BATCH);
    // Not unrolled, which would take more of the stack than there is.
    let mut place = 0;
    while place < count {
        let record = &cores.records[place & (BATCH - 1)];
        let is_touch = (record.flags / IS_TOUCH) & 1;
        touches += is_touch;
        copies += 1 - is_touch + record.passed_over();
        place += 1;
    }
    maps::count_loss(Loss::WritersFull, copies);
    maps::count_loss(Loss::TouchesFull, touches);
}
