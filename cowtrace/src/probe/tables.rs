//! The kernel side's tables: gives out slots, reads counters, clears entries. Knows their layout, but not
//! what a run is.

use std::{
    io,
    mem::offset_of,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use aya::{
    Ebpf,
    maps::{Map, MapData, Queue},
};
use cowtrace_common::{
    evidence::{Batch, BatchSlot, WANTS_WORDS},
    loss::{LOSSES, LossCounters},
    object::map,
    process::{FIRST_FREE_SLOT, OVERFLOW_SLOT, PROCESS_SLOTS, ProcessSlot},
    range::{
        BUCKET_ENTRIES, FIRST_TOUCH, RANGE_BUCKETS, RangeBucket, RangeEntry, RangeKey, SPLIT_WORDS,
        coarse_shift, split_bit,
    },
    thread::{FAULT_NONE, TASKS_PER_CHUNK, THREAD_SLOTS, TaskChunk, Thread, task_place},
};

use super::{
    counts::{RangeCount, SlotState, Totals},
    error::ProbeError,
    shared::SharedArray,
};

/// Sizes of the tables.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Task ids are below this number.
    pub task_ids: u32,
    /// Most threads, and twice the processes, within the tables' sizes.
    pub slots: u32,
    /// Numbers of processors are below this one.
    pub processors: u32,
    /// Binary logarithm of a range's bytes.
    pub range_shift: u32,
    /// The same of a page's.
    pub page_shift: u32,
}

/// The shared tables of a loaded kernel side.
pub struct Tables {
    tasks: SharedArray,
    pub(super) threads: SharedArray,
    /// `None` after they are drained.
    pub(super) batches: Option<SharedArray>,
    pub(super) processes: SharedArray,
    ranges: SharedArray,
    splits: SharedArray,
    loss: SharedArray,
    races_settled: SharedArray,
    free_threads: Queue<MapData, u32>,
    free_processes: Queue<MapData, u32>,
    pub(super) range_shift: u32,
    pub(super) page_shift: u32,
}

impl Tables {
    /// Takes the tables from the loaded object and fills the queues of free slots.
    pub fn take(ebpf: &mut Ebpf, sizes: Sizes) -> Result<Self, ProbeError> {
        let chunks = sizes.task_ids.div_ceil(TASKS_PER_CHUNK);
        let mut tables = Self {
            tasks: map_array(ebpf, map::TASKS, chunks, size_of::<TaskChunk>())?,
            threads: map_array(ebpf, map::THREADS, THREAD_SLOTS, size_of::<Thread>())?,
            batches: Some(map_array(
                ebpf,
                map::BATCHES,
                THREAD_SLOTS,
                size_of::<BatchSlot>(),
            )?),
            processes: map_array(
                ebpf,
                map::PROCESSES,
                PROCESS_SLOTS,
                size_of::<ProcessSlot>(),
            )?,
            ranges: map_array(ebpf, map::RANGES, RANGE_BUCKETS, size_of::<RangeBucket>())?,
            splits: map_array(ebpf, map::SPLITS, SPLIT_WORDS, size_of::<u64>())?,
            loss: map_array(ebpf, map::LOSS, sizes.processors, size_of::<LossCounters>())?,
            races_settled: map_array(ebpf, map::RACES_SETTLED, 1, size_of::<u64>())?,
            free_threads: take_queue(ebpf, map::FREE_THREADS)?,
            free_processes: take_queue(ebpf, map::FREE_PROCESSES)?,
            range_shift: sizes.range_shift,
            page_shift: sizes.page_shift,
        };
        for slot in 1..THREAD_SLOTS.min(1 + sizes.slots) {
            tables
                .free_threads
                .push(slot, 0)
                .map_err(ProbeError::map(map::FREE_THREADS))?;
        }
        for slot in FIRST_FREE_SLOT..PROCESS_SLOTS.min(FIRST_FREE_SLOT + sizes.slots / 2) {
            tables
                .free_processes
                .push(slot, 0)
                .map_err(ProbeError::map(map::FREE_PROCESSES))?;
        }
        Ok(tables)
    }

    /// Opens a slot, without tasks yet, for a process that is older than the trace; `None` if no slot is
    /// free.
    pub fn open_process(&mut self, pid: u32, parent: u32, now_ns: u64) -> Option<u32> {
        let slot = self.free_processes.pop(0).ok()?;
        let process = slot as usize;
        self.clear_counters(process);
        self.processes
            .u64(process, offset_of!(ProcessSlot, born_ns))
            .store(now_ns, Relaxed);
        let set = |offset, value| self.processes.u32(process, offset).store(value, Relaxed);
        set(offset_of!(ProcessSlot, tgid), pid);
        set(offset_of!(ProcessSlot, parent), parent);
        // Only forks share a program for sure; no other process has the slot.
        set(offset_of!(ProcessSlot, image), slot);
        self.set_interpreter(slot, 0);
        self.set_wants(slot, WANTS_WORDS);
        self.processes
            .u32(process, offset_of!(ProcessSlot, tasks))
            .store(0, Release);
        Some(slot)
    }

    fn clear_counters(&self, process: usize) {
        for offset in (0..offset_of!(ProcessSlot, born_ns)).step_by(8) {
            self.processes.u64(process, offset).store(0, Relaxed);
        }
    }

    /// Sets the interpreter that a slot's process runs.
    pub fn set_interpreter(&self, slot: u32, number: u32) {
        self.processes
            .u32(slot as usize, offset_of!(ProcessSlot, interpreter))
            .store(number, Release);
    }

    /// Sets what the evidence of a slot's process has: [`WANTS_WORDS`] and so on.
    pub fn set_wants(&self, slot: u32, wants: u32) {
        self.processes
            .u32(slot as usize, offset_of!(ProcessSlot, wants))
            .store(wants, Release);
    }

    /// Whether a task is traced.
    #[must_use]
    pub fn is_traced(&self, tid: u32) -> bool {
        self.task(tid).is_some_and(|task| task.load(Acquire) != 0)
    }

    /// The process slot of a traced task.
    #[must_use]
    pub fn process_of(&self, tid: u32) -> Option<u32> {
        let slot = self.task(tid)?.load(Acquire);
        (slot != 0).then(|| {
            self.threads
                .u32(usize::from(slot), offset_of!(Thread, process))
                .load(Relaxed)
        })
    }

    /// Begins to trace a task as part of a process. False if the thread table is full, or if the kernel
    /// side already traces it.
    pub fn trace_task(&mut self, tid: u32, process: u32) -> bool {
        let Ok(slot) = self.free_threads.pop(0) else {
            return false;
        };
        let thread = slot as usize;
        self.threads
            .u32(thread, offset_of!(Thread, state))
            .store(FAULT_NONE, Relaxed);
        self.threads
            .u32(thread, offset_of!(Thread, process))
            .store(process, Relaxed);
        self.threads
            .u32(thread, offset_of!(Thread, tid))
            .store(tid, Relaxed);
        self.threads
            .u32(thread, offset_of!(Thread, tally_copied))
            .store(0, Relaxed);
        self.threads
            .u32(thread, offset_of!(Thread, touched))
            .store(0, Relaxed);
        for two in [offset_of!(Thread, visitor), offset_of!(Thread, sampling)] {
            self.threads.u16(thread, two).store(0, Relaxed);
        }
        self.threads
            .u32(thread, offset_of!(Thread, passed_over))
            .store(0, Relaxed);
        self.threads
            .u64(thread, offset_of!(Thread, user_registers))
            .store(0, Relaxed);
        for found in [
            offset_of!(Thread, python_thread),
            offset_of!(Thread, thread_pointer),
            offset_of!(Thread, page_tables),
            offset_of!(Thread, own_mm),
        ] {
            self.threads.u64(thread, found).store(0, Relaxed);
        }
        let tasks = self
            .processes
            .u32(process as usize, offset_of!(ProcessSlot, tasks));
        tasks.fetch_add(1, Relaxed);
        let traced = self.task(tid).is_some_and(|task| {
            let slot = u16::try_from(slot).unwrap_or(0);
            task.compare_exchange(0, slot, Release, Relaxed).is_ok()
        });
        if !traced {
            tasks.fetch_sub(1, Relaxed);
            let _ = self.free_threads.push(slot, 0);
        }
        traced
    }

    /// Ends the tracing of a task whose exit the kernel side did not see.
    pub fn forget_task(&mut self, tid: u32) {
        let Some(task) = self.task(tid) else { return };
        let slot = task.swap(0, Release);
        if slot == 0 {
            return;
        }
        let process = self
            .threads
            .u32(usize::from(slot), offset_of!(Thread, process))
            .load(Relaxed);
        self.processes
            .u32(process as usize, offset_of!(ProcessSlot, tasks))
            .fetch_sub(1, Relaxed);
        if let Some(batches) = &self.batches {
            batches
                .u32(usize::from(slot), offset_of!(Batch, cores.count))
                .store(0, Relaxed);
        }
        let _ = self.free_threads.push(u32::from(slot), 0);
    }

    /// State of a slot.
    #[must_use]
    pub fn slot(&self, slot: u32) -> SlotState {
        let process = slot as usize;
        SlotState {
            born_ns: self
                .processes
                .u64(process, offset_of!(ProcessSlot, born_ns))
                .load(Acquire),
            pid: self
                .processes
                .u32(process, offset_of!(ProcessSlot, tgid))
                .load(Relaxed),
            parent: self
                .processes
                .u32(process, offset_of!(ProcessSlot, parent))
                .load(Relaxed),
            tasks: self
                .processes
                .u32(process, offset_of!(ProcessSlot, tasks))
                .load(Relaxed),
        }
    }

    /// Totals of a slot.
    #[must_use]
    pub fn totals(&self, slot: u32) -> Totals {
        let process = slot as usize;
        let read = |offset| self.processes.u64(process, offset).load(Relaxed);
        Totals {
            copied: std::array::from_fn(|source| {
                read(offset_of!(ProcessSlot, copied) + source * 8)
            }),
            reused: read(offset_of!(ProcessSlot, reused)),
            unranged_copied: read(offset_of!(ProcessSlot, unranged_copied)),
            unranged_reused: read(offset_of!(ProcessSlot, unranged_reused)),
            touched: read(offset_of!(ProcessSlot, touched)),
            unranged_touched: read(offset_of!(ProcessSlot, unranged_touched)),
        }
    }

    /// Every count of the histogram, with its slot. Add up ranges that come more than once.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, RangeCount)> + '_ {
        self.entries()
            .filter_map(|(bucket, place)| self.entry(bucket, place))
    }

    /// Clears the histogram entries of slots that no task uses any more, and frees the slots: nobody takes them for those
    /// of processes whose events were lost.
    pub fn release(&mut self, slots: &[u32]) {
        for (bucket, place) in self.entries() {
            let key = RangeKey(self.ranges.u64(bucket, place).load(Relaxed));
            if key.0 != 0 && slots.contains(&key.slot()) {
                self.ranges
                    .u64(bucket, place + offset_of!(RangeEntry, copied))
                    .store(0, Relaxed);
                self.ranges.u64(bucket, place).store(0, Release);
            }
        }
        for &slot in slots {
            let born_ns = offset_of!(ProcessSlot, born_ns);
            self.processes.u64(slot as usize, born_ns).store(0, Relaxed);
            let _ = self.free_processes.push(slot, 0);
        }
    }

    /// What a key's two counts mean.
    pub(super) fn range_of(&self, key: RangeKey, copied: u64, reused: u64) -> RangeCount {
        let shift = if key.is_coarse() {
            coarse_shift(self.range_shift)
        } else if key.is_split() {
            self.page_shift
        } else {
            self.range_shift
        };
        let is_touch = key.source_number() == FIRST_TOUCH;
        RangeCount {
            start: key.number() << shift,
            bytes: 1 << shift,
            source: key.source(),
            copied: if is_touch { 0 } else { copied },
            reused,
            touched: if is_touch { copied } else { 0 },
        }
    }

    /// From now on counts the range around an address page by page, unless the address is the start of
    /// a range.
    pub fn split_at_boundary(&self, address: u64) {
        let number = address >> self.range_shift;
        if number << self.range_shift == address {
            return;
        }
        let (word, bit) = split_bit(number);
        self.splits
            .u64(word as usize, 0)
            .fetch_or(1 << bit, Relaxed);
    }

    /// Marks that copies which lose a race for a page are left out from now on.
    pub fn settle_races(&self) {
        self.races_settled.u64(0, 0).store(1, Release);
    }

    /// Loss counters of all processors, in the order of [`cowtrace_common::loss::Loss`].
    #[must_use]
    pub fn loss(&self) -> [u64; LOSSES] {
        let of_all = |cause| {
            (0..self.loss.len())
                .map(|processor| self.loss.u64(processor, cause * 8).load(Relaxed))
                .sum()
        };
        std::array::from_fn(of_all)
    }

    /// Slots in which to search for processes whose events were lost.
    pub fn process_slots() -> impl Iterator<Item = u32> {
        OVERFLOW_SLOT..PROCESS_SLOTS
    }

    fn task(&self, tid: u32) -> Option<&std::sync::atomic::AtomicU16> {
        let (chunk, place) = task_place(tid);
        ((chunk as usize) < self.tasks.len()).then(|| self.tasks.u16(chunk as usize, place * 2))
    }

    /// Every entry: its bucket, and its offset in the bucket, bytes.
    fn entries(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let buckets = self.ranges.len();
        (0..buckets).flat_map(|bucket| {
            (0..BUCKET_ENTRIES).map(move |place| (bucket, place * size_of::<RangeEntry>()))
        })
    }

    fn entry(&self, bucket: usize, place: usize) -> Option<(u32, RangeCount)> {
        let key = RangeKey(self.ranges.u64(bucket, place).load(Acquire));
        if key.0 == 0 {
            return None;
        }
        let count = |offset| u64::from(self.ranges.u32(bucket, place + offset).load(Relaxed));
        let copied = count(offset_of!(RangeEntry, copied));
        let reused = count(offset_of!(RangeEntry, reused));
        Some((key.slot(), self.range_of(key, copied, reused)))
    }
}

fn map_array(
    ebpf: &Ebpf,
    name: &'static str,
    elements: u32,
    element_bytes: usize,
) -> Result<SharedArray, ProbeError> {
    let Some(Map::Array(data)) = ebpf.map(name) else {
        return Err(ProbeError::NoMap(name));
    };
    SharedArray::map(data.fd(), elements, element_bytes)
        .map_err(|error: io::Error| ProbeError::Mapping { name, error })
}

fn take_queue(ebpf: &mut Ebpf, name: &'static str) -> Result<Queue<MapData, u32>, ProbeError> {
    let map = ebpf.take_map(name).ok_or(ProbeError::NoMap(name))?;
    Queue::try_from(map).map_err(ProbeError::map(name))
}
