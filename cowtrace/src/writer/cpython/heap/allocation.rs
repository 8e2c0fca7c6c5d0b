//! How much memory was allocated at an address: by the headers of CPython's small blocks
//! (Objects/obmalloc.c) or of mimalloc's pages, and of the C library's chunks (glibc,
//! malloc/malloc.c). A freed object keeps its type, so what claims to be larger than its allocation
//! is none.

use super::{memory::Memory, mimalloc, offsets::Blocks};

/// Blocks of pools are multiples of this, bytes.
const ALIGNMENT: u64 = 16;
/// Size classes of pools: larger objects are the C library's.
const CLASSES: u64 = 32;
/// Largest block of a pool, bytes.
pub(super) const LARGEST_SMALL: u64 = ALIGNMENT * CLASSES;
/// `pool_header`: 48 bytes.
const POOL_HEADER_WORDS: usize = 6;
const POOL_HEADER: u64 = 8 * POOL_HEADER_WORDS as u64;
/// Flags in the size of a chunk: the one before is in use; it is a mapping of its own.
const PREVIOUS_IN_USE: u64 = 1;
const IS_MAPPING: u64 = 2;
const FLAGS: u64 = 7;
/// From a chunk's size to what was allocated.
const CHUNK_HEADER: u64 = 8;

/// What is known of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    /// It begins at the address and has so many bytes.
    Bytes(u64),
    /// The address is inside of a small block, or of a part of the memory that has none.
    Inside,
    /// Nothing that is recognised.
    Unknown,
}

/// The allocation at an address.
pub(super) fn at(memory: &mut Memory<'_>, blocks: Blocks, address: u64) -> Allocation {
    let found = match blocks {
        Blocks::Pools(pool_bytes) => in_pool(memory, pool_bytes, address),
        Blocks::Mimalloc => mimalloc::at(memory, address),
    };
    found
        .unwrap_or_else(|| of_chunk(memory, address).map_or(Allocation::Unknown, Allocation::Bytes))
}

fn in_pool(memory: &mut Memory<'_>, pool_bytes: u64, address: u64) -> Option<Allocation> {
    let pool = address & !(pool_bytes - 1);
    let mut header = [0; POOL_HEADER_WORDS];
    if memory.words(pool, &mut header) < header.len() {
        return None;
    }
    let [used, _, _, _, class, offsets] = header;
    let (class, used) = (class >> 32, used & 0xffff_ffff);
    let (next, last) = (offsets & 0xffff_ffff, offsets >> 32);
    let size = (class + 1) * ALIGNMENT;
    let is_pool = class < CLASSES
        && (1..=(pool_bytes - POOL_HEADER) / size).contains(&used)
        && last == pool_bytes - size
        && (POOL_HEADER..=pool_bytes).contains(&next);
    if !is_pool {
        return None;
    }
    let offset = address.checked_sub(pool + POOL_HEADER)?;
    Some(if offset % size == 0 {
        Allocation::Bytes(size)
    } else {
        Allocation::Inside
    })
}

fn of_chunk(memory: &mut Memory<'_>, address: u64) -> Option<u64> {
    let size_at = address.checked_sub(CHUNK_HEADER)?;
    let word = memory.word(size_at)?;
    let size = word & !FLAGS;
    let fits =
        size >= 32 && size.is_multiple_of(ALIGNMENT) && size <= memory.regions.left(size_at - 8);
    if !fits || !address.is_multiple_of(ALIGNMENT) {
        return None;
    }
    if word & IS_MAPPING != 0 {
        return (word & PREVIOUS_IN_USE == 0 && size.is_multiple_of(4096)).then_some(size - 16);
    }
    // The next chunk knows that this one is in use.
    let next = memory.word(size_at.checked_add(size)?)?;
    (next & PREVIOUS_IN_USE != 0 && next & !FLAGS >= 16).then_some(size - CHUNK_HEADER)
}
