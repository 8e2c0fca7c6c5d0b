//! Chunks of the C library (glibc, malloc/malloc.c) in a heap that is one unbroken sequence of them, from
//! its start to its end. A chunk is free if the next one says so, or if it is the last. Small chunks that
//! wait for reuse (tcache, fast bins) look as if they were in use, and count as such.

use std::ops::Range;

use crate::runtime::cpython::heap::{
    allocation::{CHUNK_HEADER, FLAGS, IS_MAPPING, PREVIOUS_IN_USE, SMALLEST_CHUNK},
    deadline::Deadline,
    memory::Memory,
    regions::PAGE,
};

/// Most chunks that are kept: 24 MiB.
const MOST_CHUNKS: usize = 1 << 20;
const ALIGNMENT: u64 = 16;
/// `SIZE_SZ`: a size field, and the word in front of it.
const WORD: u64 = 8;

/// A chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// From the word in front of its size.
    pub(super) range: Range<u64>,
    pub(super) is_free: bool,
}

impl Chunk {
    /// What allocating a free chunk may write: its size, its memory, and the size of the next one, which
    /// says that this one is in use.
    pub(super) fn written(&self) -> Range<u64> {
        self.range.start + WORD..self.range.end.saturating_add(2 * WORD)
    }
}

/// The chunks of a region that touch these pages, which are in order. None if the region is not a heap, or
/// time is over.
pub(super) fn chunks_at_pages(
    memory: &mut Memory<'_>,
    region: Range<u64>,
    pages: &[u64],
    deadline: &mut Deadline,
) -> Option<Vec<Chunk>> {
    let mut found: Vec<Chunk> = Vec::new();
    let (mut at, mut next_page, mut is_first) = (region.start, 0, true);
    // Whether the chunk before was kept.
    let mut is_kept = false;
    while at < region.end {
        if deadline.step(memory.bytes_read) {
            return None;
        }
        let word = memory.word(at.checked_add(CHUNK_HEADER)?)?;
        let size = word & !FLAGS;
        let end = at.checked_add(size)?;
        let is_chunk = size >= SMALLEST_CHUNK
            && size.is_multiple_of(ALIGNMENT)
            && end <= region.end
            && word & IS_MAPPING == 0;
        // Nothing is before the first one that could be free.
        if !is_chunk || (is_first && word & PREVIOUS_IN_USE == 0) {
            return None;
        }
        if let Some(before) = found.last_mut().filter(|_| is_kept) {
            before.is_free = word & PREVIOUS_IN_USE == 0;
        }
        while pages.get(next_page).is_some_and(|page| (page + 1) * PAGE <= at) {
            next_page += 1;
        }
        is_kept = pages.get(next_page).is_some_and(|page| page * PAGE < end + 2 * WORD);
        if is_kept {
            if found.len() >= MOST_CHUNKS {
                return None;
            }
            found.push(Chunk {
                range: at..end,
                is_free: end == region.end,
            });
        }
        (at, is_first) = (end, false);
    }
    Some(found)
}
