//! Every map: its bound, who fills it, who drains it, what happens when it is full.
//!
//! The arrays are mappable (`BPF_F_MMAPABLE`, Linux 5.5): the user side reads them like memory,
//! without a system call an entry.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_NOEXIST},
    macros::map,
    maps::{Array, HashMap, PerCpuArray, Queue, RingBuf},
};
use cowtrace_common::{
    direct_map::DirectMap,
    evidence::{Batch, EVIDENCE_BYTES},
    loss::{LOSSES, Loss},
    native::{NATIVE_STACKS as NATIVE_STACK_ENTRIES, NativeStack},
    process::{PROCESS_SLOTS, ProcessSlot},
    python::{INTERPRETERS, Interpreter, PYTHON_STACKS as PYTHON_STACK_ENTRIES, PythonStack},
    range::{RANGE_BUCKETS, RangeBucket, SPLIT_WORDS},
    thread::{TASKS_PER_CHUNK, THREAD_SLOTS, TaskChunk, Thread, task_place},
};

use crate::{
    atomic,
    walk::{SEATS, StackWalk},
};

/// Words of [`CLAIMS`], a power of two: 8 KiB.
const CLAIM_WORDS: u32 = 1_024;

/// Thread slot by task id. Bound: the machine's `pid_max` at load, 2 bytes an id (64 KiB to
/// 8 MiB). Filled by fork and by the user side's scan, emptied by exit. An id past the end is
/// counted as [`Loss::TaskIdsFull`].
#[map]
static TASKS: Array<TaskChunk> = Array::with_max_entries(32_768 / TASKS_PER_CHUNK, BPF_F_MMAPABLE);

/// Traced threads by slot. When no slot is free the task is not traced: [`Loss::ThreadsFull`].
#[map]
static THREADS: Array<Thread> = Array::with_max_entries(THREAD_SLOTS, BPF_F_MMAPABLE);

/// Free slots of [`THREADS`]: filled by the user side at load and by exit, drained by fork.
#[map]
static FREE_THREADS: Queue<u32> = Queue::with_max_entries(THREAD_SLOTS, 0);

/// Exact totals by process slot. When no slot is free, processes share the overflow slot:
/// [`Loss::ProcessesFull`].
#[map]
static PROCESSES: Array<ProcessSlot> = Array::with_max_entries(PROCESS_SLOTS, BPF_F_MMAPABLE);

/// Free slots of [`PROCESSES`]: filled by the user side, at load and once it has read what an
/// exited process counted; drained by fork and exec.
#[map]
static FREE_PROCESSES: Queue<u32> = Queue::with_max_entries(PROCESS_SLOTS, 0);

/// The histogram, a flat hash table ([`crate::range`]). The user side clears the entries of
/// exited processes. A count that finds no room in its buckets stays in the process's totals:
/// [`Loss::HistogramFull`].
#[map]
static RANGES: Array<RangeBucket> = Array::with_max_entries(RANGE_BUCKETS, BPF_F_MMAPABLE);

/// How many CPUs want to give a key to an entry of [`RANGES`] right now, by a hash of the entry: the
/// one that finds itself alone has the lock. Bound: far more than CPUs; two entries that share a
/// word only send a count to another entry.
#[map]
static CLAIMS: Array<u64> = Array::with_max_entries(CLAIM_WORDS, 0);

/// Bits of the ranges that are counted page by page, 32 KiB, set by the user side.
#[map]
static SPLITS: Array<u64> = Array::with_max_entries(SPLIT_WORDS, BPF_F_MMAPABLE);

/// Where the kernel has physical memory mapped: one element, set by the search at the start. All 0
/// where it was not found or not looked for.
#[map]
static DIRECT_MAP: Array<DirectMap> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Loss counters by [`Loss`].
#[map]
static LOSS: Array<u64> = Array::with_max_entries(LOSSES as u32, BPF_F_MMAPABLE);

/// One word, 1 once no thread that loses a race for a page is counted: the backend counts where
/// copies are committed, or the user side has page frees followed.
#[map]
static RACES_SETTLED: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Life-cycle events for the user side. An event that finds it full is dropped and counted as
/// [`Loss::LifecycleDropped`]; the user side then finds the process by looking at the tables.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// Interpreters by number, set by the user side when it finds one in a process. 3 KiB.
#[map]
static PYTHONS: Array<Interpreter> = Array::with_max_entries(INTERPRETERS, BPF_F_MMAPABLE);

/// Python stacks by number, 4.5 MiB: filled with each stack that is new, read by the user side, never
/// emptied. A stack that finds it full is unknown: [`Loss::StacksFull`].
#[map]
static PYTHON_STACKS: HashMap<u64, PythonStack> =
    HashMap::with_max_entries(PYTHON_STACK_ENTRIES, 0);

/// Native stacks by number, as [`PYTHON_STACKS`]: [`Loss::NativeStacksFull`]. The user side makes it
/// small where they are not asked for.
#[map]
static NATIVE_STACKS: HashMap<u64, NativeStack> =
    HashMap::with_max_entries(NATIVE_STACK_ENTRIES, 0);

/// Where stacks are put together, 17 KiB a CPU.
#[map]
static WALKS: PerCpuArray<StackWalk> = PerCpuArray::with_max_entries(SEATS, 0);

/// Evidence of who wrote, by batches, for each CPU room for the copies it can make while the user
/// side does not look ([`EVIDENCE_BYTES`], set at load). A batch that finds it full is dropped and
/// counted as [`Loss::WritersFull`].
///
/// [`EVIDENCE_BYTES`]: cowtrace_common::evidence::EVIDENCE_BYTES
#[map]
pub static EVIDENCE: RingBuf = RingBuf::with_byte_size(EVIDENCE_BYTES, 0);

/// Evidence that is not sent yet, by thread slot, 7 MiB: sent when there is more, when the thread
/// exits or starts a program, and taken by the user side at the end. A free slot's is empty.
#[map]
static BATCHES: Array<Batch> = Array::with_max_entries(THREAD_SLOTS, BPF_F_MMAPABLE);

/// The slot of a task, 0 for one that is not traced.
#[inline(always)]
pub fn task_slot(tid: u32) -> u32 {
    let (chunk, place) = task_place(tid);
    match TASKS.get(chunk) {
        Some(slots) => u32::from(slots[place]),
        None => 0,
    }
}

/// Gives a task a slot, or 0 to stop tracing it. False if the id is past the table's end.
#[inline(always)]
pub fn set_task_slot(tid: u32, slot: u32) -> bool {
    let (chunk, place) = task_place(tid);
    let Some(slots) = TASKS.get_ptr_mut(chunk) else {
        return false;
    };
    // SAFETY: a pointer into a live map value; a 2-byte store of the task's own place.
    unsafe { (*slots)[place] = slot as u16 };
    true
}

/// The thread in a slot; `None` for slot 0.
#[inline(always)]
pub fn thread(slot: u32) -> Option<*mut Thread> {
    if slot == 0 {
        return None;
    }
    THREADS.get_ptr_mut(slot)
}

/// The evidence that a thread's slot has not sent.
#[inline(always)]
pub fn batch(slot: u32) -> Option<*mut Batch> {
    BATCHES.get_ptr_mut(slot)
}

/// The process in a slot.
#[inline(always)]
pub fn process(slot: u32) -> Option<*mut ProcessSlot> {
    PROCESSES.get_ptr_mut(slot)
}

/// The interpreter with a number.
#[inline(always)]
pub fn interpreter(number: u32) -> Option<&'static Interpreter> {
    PYTHONS.get(number)
}

/// A place to put stacks together in.
#[inline(always)]
pub fn walk(seat: u32) -> Option<*mut StackWalk> {
    WALKS.get_ptr_mut(seat)
}

/// Keeps a stack under its number, if there is room or it is there already.
#[inline(always)]
pub fn keep_python_stack(number: u64, stack: &PythonStack) -> bool {
    keep(&PYTHON_STACKS, number, stack)
}

/// As [`keep_python_stack`].
#[inline(always)]
pub fn keep_native_stack(number: u64, stack: &NativeStack) -> bool {
    keep(&NATIVE_STACKS, number, stack)
}

#[inline(always)]
fn keep<T>(stacks: &HashMap<u64, T>, number: u64, stack: &T) -> bool {
    if stacks.get_ptr(&number).is_some() {
        return true;
    }
    // Two CPUs may find the same stack new: both have it.
    const EXISTS: i32 = -17;
    match stacks.insert(number, stack, u64::from(BPF_NOEXIST)) {
        Ok(()) | Err(EXISTS) => true,
        Err(_) => false,
    }
}

/// The bucket at an index of the histogram.
#[inline(always)]
pub fn bucket(index: u32) -> Option<*mut RangeBucket> {
    RANGES.get_ptr_mut(index)
}

/// The word of the split map at an index.
#[inline(always)]
pub fn split_word(index: u32) -> u64 {
    SPLITS.get(index).copied().unwrap_or(0)
}

/// Where the kernel has physical memory mapped.
#[inline(always)]
pub fn direct_map() -> Option<&'static DirectMap> {
    DIRECT_MAP.get(0)
}

/// Keeps that.
#[inline(always)]
pub fn set_direct_map(found: DirectMap) {
    if let Some(place) = DIRECT_MAP.get_ptr_mut(0) {
        // SAFETY: a pointer into a live map value; one search runs, before a process is traced.
        unsafe { *place = found };
    }
}

/// Whether copies that lost a race are left out.
#[inline(always)]
pub fn races_are_settled() -> bool {
    RACES_SETTLED.get(0).is_some_and(|word| *word != 0)
}

/// Takes a free thread slot.
#[inline(always)]
pub fn take_thread_slot() -> Option<u32> {
    FREE_THREADS.pop().ok().flatten()
}

/// Gives a thread slot back.
#[inline(always)]
pub fn free_thread_slot(slot: u32) {
    // Cannot fail: the queue has room for every slot there is.
    let _ = FREE_THREADS.push(slot, 0);
}

/// Takes a free process slot.
#[inline(always)]
pub fn take_process_slot() -> Option<u32> {
    FREE_PROCESSES.pop().ok().flatten()
}

/// The lock under which an entry of the histogram is given a key.
#[inline(always)]
pub fn claim_word(entry: u32) -> Option<*mut u64> {
    CLAIMS.get_ptr_mut(entry & (CLAIM_WORDS - 1))
}

/// Counts losses.
#[inline(always)]
pub fn lose(cause: Loss, amount: u32) {
    if let Some(counter) = LOSS.get_ptr_mut(cause as u32) {
        // SAFETY: a pointer into a live map value.
        unsafe { atomic::add_u64(counter, u64::from(amount)) };
    }
}
