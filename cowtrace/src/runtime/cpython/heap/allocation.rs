//! The size of the allocation at an address, from the headers of CPython's small blocks
//! (Objects/obmalloc.c), of mimalloc's pages, or of the C library's chunks (glibc,
//! malloc/malloc.c). A freed object keeps its type pointer, so anything that claims to be larger
//! than its allocation is not an object.

use super::{allocated::Allocation, memory::Memory, mimalloc, offsets::Blocks};

/// Block sizes in pools are multiples of this, bytes.
const ALIGNMENT: u64 = 16;
/// Size classes of pools: larger objects come from the C library.
const CLASSES: u64 = 32;
/// Largest block of a pool, bytes.
pub(super) const LARGEST_SMALL: u64 = ALIGNMENT * CLASSES;
/// `pool_header`: 48 bytes.
const POOL_HEADER_WORDS: usize = 6;
const POOL_HEADER: u64 = 8 * POOL_HEADER_WORDS as u64;
/// Flags in a chunk's size: the previous chunk is in use; the chunk is a mapping of its own.
pub(super) const PREVIOUS_IN_USE: u64 = 1;
pub(super) const IS_MAPPING: u64 = 2;
pub(super) const FLAGS: u64 = 7;
pub(super) const SMALLEST_CHUNK: u64 = 32;
/// The size of the chunk that ends a heap.
const FENCE: u64 = 16;
/// How many following chunks are checked.
const FOLLOWING_CHUNKS: usize = 4;
/// From a chunk's size field to the allocated memory.
pub(super) const CHUNK_HEADER: u64 = 8;

/// The allocation at an address.
pub(super) fn allocation_at(memory: &mut Memory<'_>, blocks: Blocks, address: u64) -> Allocation {
    let found = match blocks {
        Blocks::Pools(pool_bytes) => in_pool(memory, pool_bytes, address),
        Blocks::Mimalloc => mimalloc::block_at(memory, address),
    };
    found
        .unwrap_or_else(|| of_chunk(memory, address).map_or(Allocation::Unknown, Allocation::Bytes))
}

/// What stands at the start of a pool.
pub(super) struct PoolHeader {
    /// Its address, which is that of the pool.
    pub(super) start: u64,
    /// Size of the pool's blocks.
    pub(super) block_bytes: u64,
    /// How many blocks are in use: 0 while the pool waits for a new use.
    pub(super) used: u64,
    /// The first block in the list of free ones; 0 if there is none.
    pub(super) first_free: u64,
    /// From the header to the first block that was never used.
    pub(super) next: u64,
}

impl PoolHeader {
    pub(super) const BYTES: u64 = POOL_HEADER;

    /// The header of the pool that an address is in; none if it is in none.
    pub(super) fn read(memory: &mut Memory<'_>, pool_bytes: u64, address: u64) -> Option<Self> {
        let start = address & !(pool_bytes - 1);
        let mut header = [0; POOL_HEADER_WORDS];
        if memory.words(start, &mut header) < header.len() {
            return None;
        }
        let [used, first_free, _, _, class, offsets] = header;
        let (class, used) = (class >> 32, used & 0xffff_ffff);
        let (next, last) = (offsets & 0xffff_ffff, offsets >> 32);
        let block_bytes = (class + 1) * ALIGNMENT;
        let is_pool = class < CLASSES
            && used <= (pool_bytes - POOL_HEADER) / block_bytes
            && last == pool_bytes - block_bytes
            && (POOL_HEADER..=pool_bytes).contains(&next);
        is_pool.then_some(Self {
            start,
            block_bytes,
            used,
            first_free,
            next,
        })
    }
}

fn in_pool(memory: &mut Memory<'_>, pool_bytes: u64, address: u64) -> Option<Allocation> {
    let header = PoolHeader::read(memory, pool_bytes, address)?;
    if header.used == 0 {
        return None;
    }
    let offset = address.checked_sub(header.start + POOL_HEADER)?;
    Some(if offset % header.block_bytes == 0 {
        Allocation::Bytes(header.block_bytes)
    } else {
        Allocation::Inside
    })
}

fn of_chunk(memory: &mut Memory<'_>, address: u64) -> Option<u64> {
    let size_at = address.checked_sub(CHUNK_HEADER)?;
    let word = memory.word(size_at)?;
    let size = word & !FLAGS;
    let fits = size >= SMALLEST_CHUNK
        && size.is_multiple_of(ALIGNMENT)
        && size <= memory.regions.left(size_at - 8);
    if !fits || !address.is_multiple_of(ALIGNMENT) {
        return None;
    }
    if word & IS_MAPPING != 0 {
        return (word & PREVIOUS_IN_USE == 0 && size.is_multiple_of(4096)).then_some(size - 16);
    }
    let next = size_at.checked_add(size)?;
    // The next chunk's flag says that this one is in use.
    let is_chunk = memory.word(next)? & PREVIOUS_IN_USE != 0 && are_chunks(memory, next);
    is_chunk.then_some(size - CHUNK_HEADER)
}

/// Whether a valid sequence of chunks follows from this size. Any pointer may look like a size; if
/// it looks like many megabytes, everything after it would seem to belong to one allocation.
fn are_chunks(memory: &mut Memory<'_>, first: u64) -> bool {
    let mut size_at = first;
    for _ in 0..FOLLOWING_CHUNKS {
        let Some(word) = memory.word(size_at) else {
            return false;
        };
        let size = word & !FLAGS;
        let left = memory.regions.left(size_at - CHUNK_HEADER);
        if size == FENCE || size == left {
            return true;
        }
        let fits = size >= SMALLEST_CHUNK
            && size.is_multiple_of(ALIGNMENT)
            && size < left
            && word & IS_MAPPING == 0;
        if !fits {
            return false;
        }
        size_at += size;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{super::bytes::Bytes, *};

    const START: u64 = 0x100_0000;
    const IN_USE: u64 = PREVIOUS_IN_USE;

    /// Consecutive chunks with these sizes; the last one reaches the end.
    fn chunks(sizes: &[u64]) -> Bytes {
        let mut bytes = Bytes::new(START, 0x2_0000);
        let mut at = START;
        for size in sizes {
            bytes.put(at + 8, &[size | IN_USE]);
            at += size;
        }
        bytes.put(at + 8, &[(START + 0x2_0000 - at) | IN_USE]);
        bytes
    }

    fn of_chunk_at(bytes: &Bytes, address: u64) -> Option<u64> {
        of_chunk(&mut bytes.memory(), address)
    }

    #[test]
    fn a_chunk_is_one_that_others_follow() {
        let bytes = chunks(&[64, 0x1000, 48]);
        assert_eq!(of_chunk_at(&bytes, START + 16), Some(56));
        assert_eq!(of_chunk_at(&bytes, START + 80), Some(0xff8));
        // The last one, and the remainder after it.
        assert_eq!(of_chunk_at(&bytes, START + 64 + 0x1010), Some(40));
        assert_eq!(of_chunk_at(&bytes, START + 32), None);
    }

    #[test]
    fn what_only_has_a_number_in_front_is_no_chunk() {
        let mut bytes = chunks(&[64, 0x1000, 48]);
        // Table entries: this number leads into data that happens to be odd.
        bytes.put(START + 88, &[0x8000]);
        bytes.put(START + 88 + 0x8000, &[0x6d61_6e61 | IN_USE]);
        assert_eq!(of_chunk_at(&bytes, START + 96), None);
        bytes.put(START + 88 + 0x8000, &[0x4000 | IN_USE]);
        assert_eq!(of_chunk_at(&bytes, START + 96), None);
    }
}
