//! Counting in the histogram: find the entry of a key, or give it one.

use aya_ebpf::Global;
use cowtrace_common::{
    loss::Loss,
    range::{BUCKET_ENTRIES, BUCKET_PROBES, RangeEntry, RangeKey, split_bit},
};

use crate::{atomic, maps};

/// Binary logarithm of the range's size in bytes.
#[unsafe(no_mangle)]
static RANGE_SHIFT: Global<u32> = Global::new(16);
/// Binary logarithm of the page's size in bytes.
#[unsafe(no_mangle)]
static PAGE_SHIFT: Global<u32> = Global::new(12);
/// Buckets of the histogram less one; their number is a power of two.
#[unsafe(no_mangle)]
static BUCKET_MASK: Global<u32> = Global::new(0);

/// What a write fault came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Copied,
    Reused,
}

/// The key of the whole range around an address: no lookup.
#[inline(always)]
pub fn whole_key(process: u32, source: u32, address: u64) -> RangeKey {
    RangeKey::new(process, source, address >> (RANGE_SHIFT.load() & 63), false)
}

/// The key under which an address is counted: `whole`, or its page's if the range is split.
#[inline(always)]
pub fn key(whole: RangeKey, address: u64) -> RangeKey {
    let (word, bit) = split_bit(whole.number());
    if maps::split_word(word) & (1 << bit) == 0 {
        return whole;
    }
    let page = address >> (PAGE_SHIFT.load() & 63);
    RangeKey::new(whole.slot(), whole.source_number(), page, true)
}

/// Adds to a key's count. False if it has no entry and none is free in its buckets.
#[inline(always)]
pub fn count(key: RangeKey, outcome: Outcome, amount: u32) -> bool {
    let Some(entry) = find(key) else {
        maps::lose(Loss::HistogramFull, amount);
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

#[inline(always)]
fn find(key: RangeKey) -> Option<*mut RangeEntry> {
    let mask = BUCKET_MASK.load();
    let (mut index, step) = key.buckets();
    for _ in 0..BUCKET_PROBES {
        index &= mask;
        let bucket = maps::bucket(index)?;
        for place in 0..BUCKET_ENTRIES {
            // SAFETY: `place` is within the bucket, a live map value.
            let entry = unsafe { &raw mut (*bucket).entries[place] };
            // SAFETY: as above. Volatile, since other CPUs and the user side write it.
            let found = unsafe { (&raw const (*entry).key).read_volatile() };
            if found == key.0 {
                return Some(entry);
            }
            if found == 0 && take(entry, key, index * BUCKET_ENTRIES as u32 + place as u32) {
                return Some(entry);
            }
        }
        index = index.wrapping_add(step);
    }
    None
}

/// Gives an empty entry a key; false if another CPU is just doing that or has done it.
///
/// The lock is a counter of those who want it, because compare-and-exchange needs Linux 5.12: who
/// adds itself and reads 1 is alone. Two who come at once may both read 2, and both go to another
/// entry. It is taken once in the life of an entry, not once a fault.
#[inline(always)]
fn take(entry: *mut RangeEntry, key: RangeKey, number: u32) -> bool {
    let Some(claims) = maps::claim_word(number) else {
        return false;
    };
    // SAFETY: the caller's pointer and a counter, both in live map values; who is alone is the
    // entry's one writer.
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
