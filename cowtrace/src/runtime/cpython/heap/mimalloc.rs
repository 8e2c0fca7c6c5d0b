//! Blocks of mimalloc, from which free-threaded builds of CPython allocate objects and tables. The
//! table of pages at the start of each segment gives their sizes (`mi_segment_t`, `mi_page_t` in
//! Include/internal/mimalloc/mimalloc/types.h of 3.13), but not which blocks of a page are in use.

use super::{allocated::Allocation, memory::Memory};

/// Segments are multiples of this in size and address, bytes.
const SEGMENT: u64 = 32 << 20;
/// Size of a slice, bytes. A segment consists of slices, and a page of blocks has one or more of
/// these.
const SLICE: u64 = 64 << 10;
const MAX_SLICES: u64 = SEGMENT / SLICE;
/// Slices that the table of pages takes.
const TABLE_SLICES: u64 = 1;
/// Members of a segment: `segment_slices`, `segment_info_slices`, `kind`, `slice_entries`; its
/// table.
const COUNTS: u64 = 224;
const TABLE: u64 = 264;
/// Highest `kind`: a segment of one huge page.
const HUGE_SEGMENT: u32 = 1;
/// Bytes of an entry of the table, and how many of its words are read.
const PAGE: u64 = 96;
const PAGE_WORDS: usize = 5;
/// From this size on, a block has a page of its own.
const HUGE_BLOCK: u64 = 2 << 30;

/// A page: blocks of one size.
pub(super) struct BlockPage {
    /// All of its memory.
    pub(super) slices: std::ops::Range<u64>,
    /// Address of the first block.
    pub(super) start: u64,
    /// Size of a block.
    pub(super) bytes: u64,
    /// Number of blocks that were ever allocated.
    pub(super) capacity: u64,
    /// Number of blocks that it has room for.
    pub(super) reserved: u64,
    /// Number of blocks in use, including those that another thread has given back.
    pub(super) used: u64,
    /// The first blocks of the two lists of free ones; 0 if there is none.
    pub(super) free: [u64; 2],
}

/// The block at an address; none if the address is in no segment.
pub(super) fn block_at(memory: &mut Memory<'_>, address: u64) -> Option<Allocation> {
    let page = page_of(memory, address)?;
    let blocks = if page.used == 0 { 0 } else { page.capacity };
    let is_block = address
        .checked_sub(page.start)
        .is_some_and(|offset| offset % page.bytes == 0 && offset / page.bytes < blocks);
    Some(if is_block {
        Allocation::Bytes(page.bytes)
    } else {
        Allocation::Inside
    })
}

/// The page that contains an address; none if no valid segment header lies before it.
pub(super) fn page_of(memory: &mut Memory<'_>, address: u64) -> Option<BlockPage> {
    let segment = address & !(SEGMENT - 1);
    let mut counts = [0; 4];
    if memory.words(segment.checked_add(COUNTS)?, &mut counts) < counts.len() {
        return None;
    }
    let [slices, table_slices, kind, entries] = counts;
    let index = (address - segment) / SLICE;
    let is_segment = table_slices == TABLE_SLICES
        && kind as u32 <= HUGE_SEGMENT
        && entries == slices.min(MAX_SLICES)
        && (TABLE_SLICES..entries).contains(&index);
    if !is_segment {
        return None;
    }
    // In a page of several slices, all but the first lead back to it.
    let back = read_entry(memory, segment, index)?[0] >> 32;
    let first = index
        .checked_sub(back / PAGE)
        .filter(|_| back % PAGE == 0)?;
    let [place, blocks, free, size, local_free] = read_entry(memory, segment, first)?;
    let (slices, back) = (place & 0xffff_ffff, place >> 32);
    if back != 0 || first < TABLE_SLICES || first + slices <= index {
        return None;
    }
    let (capacity, reserved) = (blocks >> 16 & 0xffff, blocks >> 32 & 0xffff);
    let (used, size) = (size & 0xffff_ffff, size >> 32);
    // Slices that are not a page have no size.
    let bytes = match size {
        0 | HUGE_BLOCK => slices * SLICE,
        _ => size,
    };
    let page = segment + first * SLICE;
    let fits = slices * SLICE <= memory.regions.left(page)
        && bytes.is_multiple_of(8)
        && used <= capacity
        && capacity <= reserved
        && reserved * bytes <= slices * SLICE;
    fits.then(|| BlockPage {
        slices: page..page + slices * SLICE,
        start: page + before_blocks(size),
        bytes,
        capacity,
        reserved,
        used,
        free: [free, local_free],
    })
}

/// The first words of an entry of a segment's table.
fn read_entry(memory: &mut Memory<'_>, segment: u64, index: u64) -> Option<[u64; PAGE_WORDS]> {
    let mut words = [0; PAGE_WORDS];
    let length = memory.words(segment + TABLE + index * PAGE, &mut words);
    (length == words.len()).then_some(words)
}

/// Bytes at the start of a page that are unused before small blocks.
const fn before_blocks(size: u64) -> u64 {
    match size {
        8..=64 => 3 * size,
        65..=512 => size,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::bytes::Bytes, *};

    const START: u64 = 3 * SEGMENT;
    const SLICES: usize = 8;

    /// The first slices of a segment: a page of 5 blocks of 80 bytes, of which 4 are in use, a page
    /// of three slices with a block of 150,000 bytes, and a free slice.
    fn segment() -> Bytes {
        let mut bytes = Bytes::new(START, SLICES * SLICE as usize);
        bytes.put(START + COUNTS, &[MAX_SLICES, TABLE_SLICES, 0, MAX_SLICES]);
        let page = |place: u64, capacity: u64, reserved: u64, used: u64, size: u64| {
            [place, capacity << 16 | reserved << 32, 0, used | size << 32]
        };
        let mut put = |index: u64, words: [u64; 4]| bytes.put(START + TABLE + index * PAGE, &words);
        put(0, page(1, 0, 0, 0, 0));
        put(1, page(1, 5, 800, 4, 80));
        put(2, page(3, 1, 1, 1, 150_000));
        put(3, page(PAGE << 32, 0, 0, 0, 1));
        put(4, page((2 * PAGE) << 32, 0, 0, 0, 1));
        put(5, page(1, 0, 0, 0, 0));
        bytes
    }

    fn at(bytes: &Bytes, address: u64) -> Option<Allocation> {
        super::block_at(&mut bytes.memory(), address)
    }

    #[test]
    fn a_block_is_found_by_its_page() {
        let bytes = segment();
        let first = START + SLICE + 80;
        assert_eq!(at(&bytes, first), Some(Allocation::Bytes(80)));
        assert_eq!(at(&bytes, first + 4 * 80), Some(Allocation::Bytes(80)));
        // Inside a block, before all, after all.
        for address in [first + 16, START + SLICE, first + 5 * 80] {
            assert_eq!(at(&bytes, address), Some(Allocation::Inside));
        }
        let large = START + 2 * SLICE;
        assert_eq!(at(&bytes, large), Some(Allocation::Bytes(150_000)));
        assert_eq!(at(&bytes, large + 2 * SLICE), Some(Allocation::Inside));
        assert_eq!(at(&bytes, START + 5 * SLICE), Some(Allocation::Inside));
    }

    #[test]
    fn what_is_not_in_a_segment_is_not_told() {
        let mut bytes = segment();
        assert_eq!(at(&bytes, START + 64), None);
        assert_eq!(at(&bytes, START - SLICE), None);
        assert_eq!(at(&bytes, 0), None);
        bytes.put(START + COUNTS, &[MAX_SLICES, 2]);
        assert_eq!(at(&bytes, START + SLICE + 80), None);
    }

    proptest! {
        #[test]
        fn any_table_gives_blocks_within_their_segment(
            changes in proptest::collection::vec((0u64..PAGE, any::<u64>()), 0..20),
            offset in 0..SLICES as u64 * SLICE,
        ) {
            let mut bytes = segment();
            for (word, value) in changes {
                bytes.put(START + TABLE + word * 8, &[value]);
            }
            if let Some(Allocation::Bytes(bytes)) = at(&bytes, START + offset) {
                prop_assert!(bytes > 0 && bytes <= SLICES as u64 * SLICE - offset);
            }
        }
    }
}
