//! Counting in the histogram: finds the entry of a key, or gives the key a free one.

use aya_ebpf::Global;
use cowtrace_common::{
    loss::Loss,
    range::{BUCKET_ENTRIES, BUCKET_PROBES, FINE_ENTRIES, RangeEntry, RangeKey, split_bit},
};

use crate::{atomic, maps};

/// Binary logarithm of the range's size in bytes.
#[unsafe(no_mangle)]
static RANGE_SHIFT: Global<u32> = Global::new(16);
/// Binary logarithm of the page's size in bytes.
#[unsafe(no_mangle)]
static PAGE_SHIFT: Global<u32> = Global::new(12);
/// Number of buckets in the histogram, a power of two, minus 1.
#[unsafe(no_mangle)]
static BUCKET_MASK: Global<u32> = Global::new(0);

/// The outcome of a write fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Copied,
    Reused,
}

/// The key of the whole range around an address, without a look at the filter of split ranges.
#[inline(always)]
pub fn whole_key(process: u32, source: u32, address: u64) -> RangeKey {
    RangeKey::new(process, source, address >> (RANGE_SHIFT.load() & 63), false)
}

/// The key that an address counts under: `whole`, or the page's key if the range is split.
#[inline(always)]
pub fn range_key(whole: RangeKey, address: u64) -> RangeKey {
    let (word, bit) = split_bit(whole.number());
    if maps::split_word(word) & (1 << bit) == 0 {
        return whole;
    }
    let page = address >> (PAGE_SHIFT.load() & 63);
    RangeKey::new(whole.slot(), whole.source_number(), page, true)
}

/// Adds to a key's count, or to that of the coarse range around it if the key has no entry and its buckets have no
/// free one. False if the coarse range has none either.
#[inline(always)]
pub fn count_outcome(key: RangeKey, outcome: Outcome, amount: u32) -> bool {
    let entry = find_entry(key, 0, FINE_ENTRIES).or_else(|| {
        let coarse = key.coarse(RANGE_SHIFT.load(), PAGE_SHIFT.load());
        find_entry(coarse, FINE_ENTRIES, BUCKET_ENTRIES)
    });
    let Some(entry) = entry else {
        maps::count_loss(Loss::HistogramFull, amount);
        return false;
    };
    // SAFETY: `find` returns pointers into live map values.
    unsafe {
        match outcome {
            Outcome::Copied => atomic::add_u32(&raw mut (*entry).copied, amount),
            Outcome::Reused => atomic::add_u32(&raw mut (*entry).reused, amount),
        }
    }
    true
}

/// Adds first touches to a key. False as [`count_outcome`], which is no loss: only their place is unknown.
#[inline(always)]
pub fn count_touches(key: RangeKey, pages: u32) -> bool {
    let Some(entry) = find_entry(key, 0, FINE_ENTRIES) else {
        return false;
    };
    // SAFETY: `find_entry` returns pointers into live map values.
    unsafe { atomic::add_u32(&raw mut (*entry).copied, pages) };
    true
}

/// The entry of a key, among those of its buckets that are for its kind: from `first` on, before `end`.
#[inline(always)]
fn find_entry(key: RangeKey, first: usize, end: usize) -> Option<*mut RangeEntry> {
    let mask = BUCKET_MASK.load();
    let (mut index, step) = key.buckets();
    for _ in 0..BUCKET_PROBES {
        index &= mask;
        let bucket = maps::bucket_at(index)?;
        for place in first..end {
            // SAFETY: `place` is within the bucket, a live map value.
            let entry = unsafe { &raw mut (*bucket).entries[place] };
            // SAFETY: as above. Volatile, since other CPUs and the user side write the key.
            let found = unsafe { (&raw const (*entry).key).read_volatile() };
            if found == key.0 {
                return Some(entry);
            }
            if found == 0 && take_entry(entry, key, index * BUCKET_ENTRIES as u32 + place as u32) {
                return Some(entry);
            }
        }
        index = index.wrapping_add(step);
    }
    None
}

/// Gives a free entry a key. False if another CPU did so first or is doing so now.
///
/// The lock counts the CPUs that want it, because compare-and-exchange needs Linux 5.12: a CPU that adds
/// itself and reads 1 is alone. Two CPUs at once may both read 2; both then try another entry. The lock
/// is taken once in the life of an entry, not at each fault.
#[inline(always)]
fn take_entry(entry: *mut RangeEntry, key: RangeKey, number: u32) -> bool {
    let Some(claims) = maps::claim_word(number) else {
        return false;
    };
    // SAFETY: the caller's pointer and a counter, both in live map values; only the CPU that is alone
    // writes the entry.
    unsafe {
        atomic::add_u64(claims, 1);
        let word = &raw mut (*entry).key;
        let free = claims.read_volatile() == 1 && word.read_volatile() == 0;
        if free {
            word.write_volatile(key.0);
        }
        atomic::add_u64(claims, u64::MAX);
        free
    }
}
