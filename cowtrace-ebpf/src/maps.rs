//! Every map: its bound, who fills it, who drains it, what happens when it is full.
//!
//! The user side maps the arrays into its memory (`BPF_F_MMAPABLE`, Linux 5.5), so that reading an entry
//! needs no system call.

use core::ptr;

use aya_ebpf::{
    Global,
    bindings::{BPF_F_MMAPABLE, BPF_NOEXIST, BPF_RB_AVAIL_DATA},
    btf_maps::{self, ArrayOfMaps},
    helpers::generated::{bpf_get_smp_processor_id, bpf_ringbuf_query},
    macros::{btf_map, map},
    maps::{Array, HashMap, PerCpuArray, Queue, RingBuf},
};
use cowtrace_common::{
    direct_map::DirectMap,
    evidence::{Batch, BatchSlot},
    loss::{Loss, LossCounters},
    native::{NATIVE_STACKS as NATIVE_STACK_ENTRIES, NativeStack},
    process::{PROCESS_SLOTS, ProcessSlot},
    python::{INTERPRETERS, Interpreter, PYTHON_STACKS as PYTHON_STACK_ENTRIES, PythonStack},
    range::{RANGE_BUCKETS, RangeBucket, SPLIT_WORDS},
    store::{KNOWN_STORES_SHIFT, KnownStore},
    thread::{TASKS_PER_CHUNK, THREAD_SLOTS, TaskChunk, Thread, task_place},
};

use crate::{
    atomic,
    walk::{SEATS, StackWalk},
};

/// Binary logarithm of each ring's bytes.
#[unsafe(no_mangle)]
static RING_SHIFT: Global<u32> = Global::new(0);

/// Words of [`CLAIMS`], a power of two: 8 KiB.
const CLAIM_WORDS: u32 = 1_024;

/// Thread slots by task id. Bound: the machine's `pid_max` at load, 2 bytes for each id (64 KiB to
/// 8 MiB). Fork and the user side's scan fill it, exit empties it. A task whose id is past the end is
/// counted as [`Loss::TaskIdsFull`].
#[map]
static TASKS: Array<TaskChunk> = Array::with_max_entries(32_768 / TASKS_PER_CHUNK, BPF_F_MMAPABLE);

/// Traced threads by slot. If no slot is free, the task is not traced: [`Loss::ThreadsFull`].
#[map]
static THREADS: Array<Thread> = Array::with_max_entries(THREAD_SLOTS, BPF_F_MMAPABLE);

/// Free slots of [`THREADS`]. The user side fills it at load, exit adds slots, fork takes them.
#[map]
static FREE_THREADS: Queue<u32> = Queue::with_max_entries(THREAD_SLOTS, 0);

/// Exact totals by process slot. If no slot is free, processes share the overflow slot:
/// [`Loss::ProcessesFull`].
#[map]
static PROCESSES: Array<ProcessSlot> = Array::with_max_entries(PROCESS_SLOTS, BPF_F_MMAPABLE);

/// Free slots of [`PROCESSES`]. The user side fills it at load and adds a slot when it has read an exited
/// process's totals; fork and exec take them.
#[map]
static FREE_PROCESSES: Queue<u32> = Queue::with_max_entries(PROCESS_SLOTS, 0);

/// The histogram, a flat hash table (see `range.rs`). The user side clears the entries of exited
/// processes. If a key's buckets are full, its counts are only in the process's totals:
/// [`Loss::HistogramFull`].
#[map]
static RANGES: Array<RangeBucket> = Array::with_max_entries(RANGE_BUCKETS, BPF_F_MMAPABLE);

/// Locks on the entries of [`RANGES`] for giving them keys: each word counts the CPUs that want the lock,
/// and a CPU that finds itself alone has it. Bound: far more words than CPUs. If two entries share a word,
/// at worst a key goes to another entry.
#[map]
static CLAIMS: Array<u64> = Array::with_max_entries(CLAIM_WORDS, 0);

/// Filter of the ranges that are counted page by page, 32 KiB. The user side sets its bits.
#[map]
static SPLITS: Array<u64> = Array::with_max_entries(SPLIT_WORDS, BPF_F_MMAPABLE);

/// The kernel's mapping of physical memory: one element, set by the search at the start. All 0 if the
/// search found nothing or did not run.
#[map]
static DIRECT_MAP: Array<DirectMap> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Loss counters, one element for each possible processor: what is lost under load is lost on all of them
/// at once. The user side sets their number at load, and adds them up.
#[map]
static LOSS: Array<LossCounters> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// One word, 1 once copies that lose a race for a page are left out: the backend counts copies where they
/// are committed, or the hook on page frees is attached.
#[map]
static RACES_SETTLED: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Life-cycle events for the user side. If it is full, an event is dropped and counted as
/// [`Loss::LifecycleDropped`]; the user side then finds the process in the tables.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// Interpreters by number, 3 KiB. The user side adds each that it finds in a process.
#[map]
static PYTHONS: Array<Interpreter> = Array::with_max_entries(INTERPRETERS, BPF_F_MMAPABLE);

/// Python stacks by number, 4.5 MiB. Hooks add each new stack, the user side reads them, nobody removes
/// them. If it is full, a new stack is unknown: [`Loss::StacksFull`].
#[map]
static PYTHON_STACKS: HashMap<u64, PythonStack> =
    HashMap::with_max_entries(PYTHON_STACK_ENTRIES, 0);

/// Native stacks by number, like [`PYTHON_STACKS`]: [`Loss::NativeStacksFull`]. The user side shrinks it
/// to one element for traces without native stacks.
#[map]
static NATIVE_STACKS: HashMap<u64, NativeStack> =
    HashMap::with_max_entries(NATIVE_STACK_ENTRIES, 0);

/// Walks of stacks under way, 21 KiB for each CPU.
#[map]
static WALKS: PerCpuArray<StackWalk> = PerCpuArray::with_max_entries(SEATS, 0);

/// Rings of batches of evidence of who wrote, and of who touched new memory: one for each processor, so
/// that processors do not wait for one another. The user side sets their number at load, puts the rings
/// in and reads them. If one is full, a batch is dropped and counted as [`Loss::WritersFull`], its first
/// touches as [`Loss::TouchesFull`].
#[btf_map]
static EVIDENCE: ArrayOfMaps<EvidenceRing, 1> = ArrayOfMaps::new();

/// A processor's ring. This size only tells the kernel what kind of map the array takes; it is a page
/// where pages are largest.
type EvidenceRing = btf_maps::RingBuf<u64, { 64 * 1024 }>;

/// Evidence that is not sent yet, by thread slot, 9 MiB. A batch is
/// sent when it is full and another record comes, when the thread exits or starts a program; the user
/// side takes the rest at the end. A free slot's batch is empty.
#[map]
static BATCHES: Array<BatchSlot> = Array::with_max_entries(THREAD_SLOTS, BPF_F_MMAPABLE);

/// Instructions that stored to copied pages, decoded, 64 KiB: a cache that the hooks fill. What finds its place taken
/// takes it over.
#[map]
static STORES: Array<KnownStore> = Array::with_max_entries(1 << KNOWN_STORES_SHIFT, 0);

/// The slot of a task, 0 if the task is not traced.
#[inline(always)]
pub fn task_slot(tid: u32) -> u32 {
    let (chunk, place) = task_place(tid);
    match TASKS.get(chunk) {
        Some(slots) => u32::from(slots[place]),
        None => 0,
    }
}

/// Gives a task a slot, or 0 to end its tracing. False if the task id is past the table's end.
#[inline(always)]
pub fn set_task_slot(tid: u32, slot: u32) -> bool {
    let (chunk, place) = task_place(tid);
    let Some(slots) = TASKS.get_ptr_mut(chunk) else {
        return false;
    };
    // SAFETY: a pointer into a live map value; a 2-byte store at the task's own place.
    unsafe { (*slots)[place] = slot as u16 };
    true
}

/// The thread in a slot; `None` for slot 0.
#[inline(always)]
pub fn thread_in_slot(slot: u32) -> Option<*mut Thread> {
    if slot == 0 {
        return None;
    }
    THREADS.get_ptr_mut(slot)
}

/// The evidence that the thread in a slot has not sent yet.
#[inline(always)]
pub fn batch_in_slot(slot: u32) -> Option<*mut Batch> {
    // The batch comes first in its place.
    BATCHES.get_ptr_mut(slot).map(<*mut BatchSlot>::cast)
}

/// The process in a slot.
#[inline(always)]
pub fn process_in_slot(slot: u32) -> Option<*mut ProcessSlot> {
    PROCESSES.get_ptr_mut(slot)
}

/// The interpreter with a number.
#[inline(always)]
pub fn interpreter_by_number(number: u32) -> Option<&'static Interpreter> {
    PYTHONS.get(number)
}

/// The walk of a program on this CPU.
#[inline(always)]
pub fn walk_of_program(seat: u32) -> Option<*mut StackWalk> {
    WALKS.get_ptr_mut(seat)
}

/// Stores a stack under its number. False if it is new and the table is full.
#[inline(always)]
pub fn keep_python_stack(number: u64, stack: &PythonStack) -> bool {
    keep_stack(&PYTHON_STACKS, number, stack)
}

/// Like [`keep_python_stack`].
#[inline(always)]
pub fn keep_native_stack(number: u64, stack: &NativeStack) -> bool {
    keep_stack(&NATIVE_STACKS, number, stack)
}

#[inline(always)]
fn keep_stack<T>(stacks: &HashMap<u64, T>, number: u64, stack: &T) -> bool {
    if stacks.get_ptr(&number).is_some() {
        return true;
    }
    // Two CPUs may find the same new stack at once: the second one's is stored already.
    const EXISTS: i32 = -17;
    match stacks.insert(number, stack, u64::from(BPF_NOEXIST)) {
        Ok(()) | Err(EXISTS) => true,
        Err(_) => false,
    }
}

/// The bucket at an index of the histogram.
#[inline(always)]
pub fn bucket_at(index: u32) -> Option<*mut RangeBucket> {
    RANGES.get_ptr_mut(index)
}

/// A word of the filter of split ranges.
#[inline(always)]
pub fn split_word(index: u32) -> u64 {
    SPLITS.get(index).copied().unwrap_or(0)
}

/// A place in the cache of decoded instructions.
#[inline(always)]
pub fn known_store(place: u32) -> Option<*mut KnownStore> {
    STORES.get_ptr_mut(place)
}

/// The kernel's mapping of physical memory.
#[inline(always)]
pub fn direct_map() -> Option<&'static DirectMap> {
    DIRECT_MAP.get(0)
}

/// Stores the kernel's mapping of physical memory.
#[inline(always)]
pub fn set_direct_map(found: DirectMap) {
    if let Some(place) = DIRECT_MAP.get_ptr_mut(0) {
        // SAFETY: a pointer into a live map value; only one search runs, before any process is traced.
        unsafe { *place = found };
    }
}

/// Whether copies that lost a race for a page are left out.
#[inline(always)]
pub fn races_are_settled() -> bool {
    RACES_SETTLED.get(0).is_some_and(|word| *word != 0)
}

/// Takes a free thread slot.
#[inline(always)]
pub fn take_thread_slot() -> Option<u32> {
    FREE_THREADS.pop().ok().flatten()
}

/// Returns a thread slot to the free ones.
#[inline(always)]
pub fn free_thread_slot(slot: u32) {
    // Cannot fail: the queue has room for every slot.
    let _ = FREE_THREADS.push(slot, 0);
}

/// Takes a free process slot.
#[inline(always)]
pub fn take_process_slot() -> Option<u32> {
    FREE_PROCESSES.pop().ok().flatten()
}

/// The lock for giving a histogram entry its key.
#[inline(always)]
pub fn claim_word(entry: u32) -> Option<*mut u64> {
    CLAIMS.get_ptr_mut(entry & (CLAIM_WORDS - 1))
}

/// Number of the processor that runs this program. It stays the same until the program ends.
#[inline(always)]
fn processor() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_smp_processor_id() }
}

/// Counts losses.
#[inline(always)]
pub fn count_loss(cause: Loss, amount: u32) {
    if let Some(counters) = LOSS.get_ptr_mut(processor()) {
        // SAFETY: a pointer into a live map value; a program that interrupts this one may add to it too.
        unsafe { atomic::add_u64(&raw mut (*counters).0[cause as usize], u64::from(amount)) };
    }
}

/// Puts a batch of evidence, or its first part, into this processor's ring. False if it has no room.
#[inline(always)]
pub fn send_evidence<T>(part: &T, flags: u64) -> bool {
    let Some(ring) = EVIDENCE.get(processor()) else {
        return false;
    };
    ring.output_untyped::<T>(part, flags).is_ok()
}

/// How full this processor's ring of evidence is, in sixteenths.
#[inline(always)]
pub fn evidence_fill() -> u32 {
    let Some(ring) = EVIDENCE.get(processor()) else {
        return 0;
    };
    let ring = ptr::from_ref(ring).cast_mut().cast();
    // SAFETY: the pointer is that of a live ring.
    let waiting = unsafe { bpf_ringbuf_query(ring, u64::from(BPF_RB_AVAIL_DATA)) };
    // A power of two, so that no division is needed.
    (waiting >> (RING_SHIFT.load() - 4)) as u32
}
