//! What threads have counted and not handed over when the hooks are detached: tallies, open faults,
//! unsent evidence.

use std::{mem::offset_of, sync::atomic::Ordering::Relaxed};

use cowtrace_common::{
    evidence::{Batch, Evidence},
    process::{ProcessSlot, Source},
    range::RangeKey,
    thread::{FAULT_BEGUN, FAULT_NONE, Thread},
};

use super::{counts::RangeCount, evidence, tables::Tables};

impl Tables {
    /// Counts the threads' tallies, and their open faults as reuses. Call it after the hooks are
    /// detached. Returns the counts by slot.
    #[must_use]
    pub fn drain_threads(&self) -> Vec<(u32, RangeCount)> {
        let drain = |thread| {
            [
                self.drain_tally(thread),
                self.drain_touches(thread),
                self.close_open_fault(thread),
            ]
        };
        (1..self.threads.len()).flat_map(drain).flatten().collect()
    }

    fn drain_tally(&self, thread: usize) -> Option<(u32, RangeCount)> {
        let copied = self
            .threads
            .u32(thread, offset_of!(Thread, tally_copied))
            .swap(0, Relaxed);
        let key = RangeKey(
            self.threads
                .u64(thread, offset_of!(Thread, tally_key))
                .load(Relaxed),
        );
        if copied == 0 {
            return None;
        }
        let counter = offset_of!(ProcessSlot, copied) + key.source_number() as usize * 8;
        self.processes
            .u64(key.slot() as usize, counter)
            .fetch_add(u64::from(copied), Relaxed);
        Some((key.slot(), self.range_of(key, u64::from(copied), 0)))
    }

    fn drain_touches(&self, thread: usize) -> Option<(u32, RangeCount)> {
        let touched = self.threads.u32(thread, offset_of!(Thread, touched));
        let touched = u64::from(touched.swap(0, Relaxed));
        let key = self.threads.u64(thread, offset_of!(Thread, touch_key));
        let key = RangeKey(key.load(Relaxed));
        if touched == 0 {
            return None;
        }
        self.processes
            .u64(key.slot() as usize, offset_of!(ProcessSlot, touched))
            .fetch_add(touched, Relaxed);
        Some((key.slot(), self.range_of(key, touched, 0)))
    }

    fn close_open_fault(&self, thread: usize) -> Option<(u32, RangeCount)> {
        let state = self.threads.u32(thread, offset_of!(Thread, state));
        if state.swap(FAULT_NONE, Relaxed) != FAULT_BEGUN {
            return None;
        }
        let process = self
            .threads
            .u32(thread, offset_of!(Thread, charged))
            .load(Relaxed);
        let address = self
            .threads
            .u64(thread, offset_of!(Thread, address))
            .load(Relaxed);
        self.processes
            .u64(process as usize, offset_of!(ProcessSlot, reused))
            .fetch_add(1, Relaxed);
        let key = RangeKey::new(
            process,
            Source::Unknown as u32,
            address >> self.page_shift,
            true,
        );
        Some((process, self.range_of(key, 0, 1)))
    }

    /// Takes the evidence that threads have not sent, and frees its memory, since the run will soon need
    /// as much. Call it after the hooks are detached.
    #[must_use]
    pub fn drain_evidence(&mut self) -> Vec<Evidence> {
        let mut drained = Vec::new();
        let Some(batches) = self.batches.take() else {
            return drained;
        };
        for thread in 1..batches.len() {
            let task = self.threads.u32(thread, offset_of!(Thread, tid));
            if task.load(Relaxed) == 0 {
                continue;
            }
            let word = |index: usize| batches.u64(thread, index * 8).load(Relaxed);
            let words: [u64; size_of::<Batch>() / 8] = std::array::from_fn(word);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            evidence::decode_batch(&bytes, |record| drained.push(record));
        }
        drained
    }
}
