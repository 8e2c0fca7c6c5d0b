//! The histogram: counts per process, source and range of addresses, in one flat hash table.
//!
//! A range is a power-of-two slice of the address space. The kernel side finds its entry by open
//! addressing over buckets of one cache line; the user side reads the same memory through a shared
//! mapping. When a process has exited, the user side clears its entries. A key may therefore be in two
//! entries: readers add them up.
//!
//! The last entry of each bucket is kept for coarse ranges: what finds no other room counts there, so that its
//! mapping stays known when there are too many ranges.

use crate::process::{SOURCES, Source};

/// Entries of a bucket: 64 bytes, one cache line.
pub const BUCKET_ENTRIES: usize = 4;

/// Entries of a bucket for ranges; what follows is for coarse ones.
pub const FINE_ENTRIES: usize = 3;

/// Buckets that a key can be in. With three entries each, a table that is three quarters full has room
/// for all but 1 key in 1,000.
pub const BUCKET_PROBES: u32 = 8;

/// Binary logarithm of the bytes of a coarse range, 256 MiB; at least a range.
pub const COARSE_SHIFT: u32 = 28;

/// Buckets by default: 4 MiB, 196,608 ranges and 65,536 coarse ones.
pub const RANGE_BUCKETS: u32 = 65_536;

/// Stands in a key in place of the source: the pages were touched for the first time, and nothing was copied.
pub const FIRST_TOUCH: u32 = 6;
/// Stands in a key in place of the source: the range is coarse, and the source is above its number.
const COARSE: u32 = 7;

/// Words of the filter of split ranges, see [`split_bit`].
pub const SPLIT_WORDS: u32 = 4_096;

const SPLIT_FLAG: u64 = 1 << 63;
const SLOT_SHIFT: u32 = 47;
const SLOT_MASK: u64 = 0xffff;
const SOURCE_SHIFT: u32 = 44;
const SOURCE_MASK: u64 = 0x7;
const NUMBER_MASK: u64 = (1 << SOURCE_SHIFT) - 1;
/// Where the source of a coarse range is. Below is room for its number: an address has 57 bits at most.
const COARSE_SOURCE_SHIFT: u32 = 40;
const COARSE_NUMBER_MASK: u64 = (1 << COARSE_SOURCE_SHIFT) - 1;

/// Process, source and range in one word, so that one comparison finds an entry. Bits 0 to 43: the
/// range's number, its address divided by its size. Bits 44 to 46: the source. Bits 47 to 62: the
/// process slot. Bit 63 is set for a split range: its numbers count single pages.
///
/// Never 0, since no process has slot 0: 0 marks an empty entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct RangeKey(pub u64);

impl RangeKey {
    /// Packs a key. `number` is the address divided by the range's size, or by the page's if `split`.
    #[inline(always)]
    #[must_use]
    pub const fn new(slot: u32, source: u32, number: u64, split: bool) -> Self {
        let flag = if split { SPLIT_FLAG } else { 0 };
        Self(
            flag | ((slot as u64 & SLOT_MASK) << SLOT_SHIFT)
                | ((source as u64 & SOURCE_MASK) << SOURCE_SHIFT)
                | (number & NUMBER_MASK),
        )
    }

    /// The key of the coarse range that contains this key's range, for the binary logarithms of the sizes of a range
    /// and of a page.
    #[inline(always)]
    #[must_use]
    pub const fn coarse(self, range_shift: u32, page_shift: u32) -> Self {
        let own = if self.is_split() {
            page_shift
        } else {
            range_shift
        };
        let number = self.number() >> (coarse_shift(range_shift).wrapping_sub(own) & 63);
        let source = (self.source_number() as u64) << COARSE_SOURCE_SHIFT;
        let number = source | (number & COARSE_NUMBER_MASK);
        Self::new(self.slot(), COARSE, number, false)
    }

    /// Whether the key is for a coarse range.
    #[inline(always)]
    #[must_use]
    pub const fn is_coarse(self) -> bool {
        self.field_of_source() == COARSE
    }

    #[inline(always)]
    const fn field_of_source(self) -> u32 {
        ((self.0 >> SOURCE_SHIFT) & SOURCE_MASK) as u32
    }

    /// The source's number.
    #[inline(always)]
    #[must_use]
    pub const fn source_number(self) -> u32 {
        match self.field_of_source() {
            COARSE => ((self.0 & NUMBER_MASK) >> COARSE_SOURCE_SHIFT) as u32,
            source => source,
        }
    }

    /// The process's slot.
    #[inline(always)]
    #[must_use]
    pub const fn slot(self) -> u32 {
        ((self.0 >> SLOT_SHIFT) & SLOT_MASK) as u32
    }

    /// The source of the copies.
    #[must_use]
    pub const fn source(self) -> Source {
        Source::from_u32(self.source_number())
    }

    /// The range's number: the address divided by the range's size, or by the page's if split, or by the coarse
    /// range's.
    #[inline(always)]
    #[must_use]
    pub const fn number(self) -> u64 {
        let mask = if self.is_coarse() {
            COARSE_NUMBER_MASK
        } else {
            NUMBER_MASK
        };
        self.0 & mask
    }

    /// Whether the key is for a single page of a split range.
    #[must_use]
    pub const fn is_split(self) -> bool {
        self.0 & SPLIT_FLAG != 0
    }

    /// Spreads the key over 64 bits.
    ///
    /// Keys differ in few bits at both ends of the word, and a multiplication carries differences only
    /// upwards. So this is the finalizer of splitmix64 (Steele, Lea, Flood, 2014).
    #[inline(always)]
    #[must_use]
    pub const fn hash(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// The first bucket of the key and the step to the next, both modulo the number of buckets. The step
    /// is odd, so it visits every bucket of a power-of-two table.
    #[inline(always)]
    #[must_use]
    pub const fn buckets(self) -> (u32, u32) {
        let hash = self.hash();
        ((hash >> 32) as u32, hash as u32 | 1)
    }
}

/// The word of the filter of split ranges, and the bit in it, for a range's number.
///
/// A range that contains a boundary between mappings is counted page by page, so that each copy goes to
/// the right mapping. The filter uses a hash: a bit that was set for another range costs some entries,
/// but never makes a count wrong.
#[inline(always)]
#[must_use]
pub const fn split_bit(number: u64) -> (u32, u32) {
    let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    ((hash >> 6) as u32 & (SPLIT_WORDS - 1), (hash & 63) as u32)
}

/// Binary logarithm of the size of a coarse range, for that of a range.
#[inline(always)]
#[must_use]
pub const fn coarse_shift(range_shift: u32) -> u32 {
    if range_shift > COARSE_SHIFT {
        range_shift
    } else {
        COARSE_SHIFT
    }
}

/// Counts of one range of one process.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RangeEntry {
    /// [`RangeKey`], 0 while the entry is empty.
    pub key: u64,
    /// Pages copied, or touched for the first time if the key says [`FIRST_TOUCH`]. More than the range
    /// has if pages were copied again after another fork, or given back and touched again.
    pub copied: u32,
    /// Write faults that copied nothing.
    pub reused: u32,
}

/// One cache line of entries.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct RangeBucket {
    /// The entries, filled from the first on; those from [`FINE_ENTRIES`] on with coarse ranges.
    pub entries: [RangeEntry; BUCKET_ENTRIES],
}

const _: () = assert!(size_of::<RangeEntry>() == 16);
const _: () = assert!(size_of::<RangeBucket>() == 64);
const _: () = assert!(FIRST_TOUCH as usize >= SOURCES && FIRST_TOUCH < COARSE);
const _: () = assert!(COARSE as u64 <= SOURCE_MASK && FINE_ENTRIES < BUCKET_ENTRIES);
const _: () = assert!(COARSE_SOURCE_SHIFT + 3 <= SOURCE_SHIFT);
const _: () = assert!(SPLIT_WORDS.is_power_of_two() && RANGE_BUCKETS.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_back_what_was_packed() {
        let key = RangeKey::new(0xabcd, Source::Zero as u32, 0x7fff_ffff_ffff >> 12, true);
        assert_eq!(key.slot(), 0xabcd);
        assert_eq!(key.source(), Source::Zero);
        assert_eq!(key.number(), 0x7fff_ffff_ffff >> 12);
        assert!(key.is_split());
    }

    #[test]
    fn five_level_addresses_fit() {
        let last_user_page = ((1u64 << 56) - 1) >> 12;
        let key = RangeKey::new(2, 0, last_user_page, false);
        assert_eq!(key.number(), last_user_page);
        assert_eq!(key.slot(), 2);
        assert!(!key.is_split());
    }

    #[test]
    fn a_coarse_range_contains_its_ranges() {
        let address = 0x7fff_1234_5678_u64;
        let coarse = address >> COARSE_SHIFT;
        for key in [
            RangeKey::new(0xabcd, Source::File as u32, address >> 16, false),
            RangeKey::new(0xabcd, Source::File as u32, address >> 12, true),
        ] {
            let key = key.coarse(16, 12);
            assert!(key.is_coarse() && !key.is_split());
            assert_eq!((key.slot(), key.number()), (0xabcd, coarse));
            assert_eq!(key.source(), Source::File);
        }
        let last = RangeKey::new(2, Source::Hugetlb as u32, ((1 << 57) - 1) >> 12, false);
        assert_eq!(last.coarse(12, 12).source(), Source::Hugetlb);
        let large = RangeKey::new(2, Source::Anon as u32, address >> 30, false);
        assert_eq!(large.coarse(30, 12).number(), address >> 30);
    }

    /// Fills a table as the kernel side does; how many keys found no room.
    fn homeless(buckets: u32, keys: impl Iterator<Item = RangeKey>) -> usize {
        let mut filled = [0u8; 4096];
        let mut homeless = 0;
        for key in keys {
            let (mut index, step) = key.buckets();
            let mut found = false;
            for _ in 0..BUCKET_PROBES {
                let bucket = &mut filled[(index & (buckets - 1)) as usize];
                if usize::from(*bucket) < FINE_ENTRIES {
                    *bucket += 1;
                    found = true;
                    break;
                }
                index = index.wrapping_add(step);
            }
            homeless += usize::from(!found);
        }
        homeless
    }

    #[test]
    fn a_table_filled_to_three_quarters_has_room_for_nearly_all() {
        let places = 4096 * FINE_ENTRIES as u64;
        // One process with many neighbouring ranges, and many processes with the same few.
        let one =
            (0..places * 3 / 4).map(|number| RangeKey::new(2, 0, 0x7f00_0000 + number, false));
        let many = (0..places * 3 / 4)
            .map(|number| RangeKey::new((number / 16) as u32, 0, 0x5555_5000 + number % 16, true));
        let bound = (places / 1_000) as usize;
        assert!(homeless(4096, one) <= bound);
        assert!(homeless(4096, many) <= bound);
    }

    #[test]
    fn split_bits_stay_in_the_map() {
        for number in (0..1u64 << 44).step_by(1 << 33) {
            let (word, bit) = split_bit(number);
            assert!(word < SPLIT_WORDS && bit < 64);
        }
    }
}
