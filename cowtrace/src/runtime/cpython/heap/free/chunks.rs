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

/// Most free chunks of a heap that are returned: 8 MiB.
const MOST_CHUNKS: usize = 1 << 19;
const ALIGNMENT: u64 = 16;
/// A size field, and the word in front of it.
const WORD: u64 = 8;

/// The free chunks of a region that touch these pages, which are in order. Each with what allocating it may
/// write: its size, its memory, and the size of the next one, which says that this one is in use. None if
/// the region is not a heap, or time is over.
pub(super) fn take_free_chunks(
    memory: &mut Memory<'_>,
    region: Range<u64>,
    pages: &[u64],
    deadline: &mut Deadline,
) -> Option<Vec<Range<u64>>> {
    let mut found: Vec<Range<u64>> = Vec::new();
    let written = |start: u64, end: u64| start + WORD..end.saturating_add(2 * WORD);
    // Nothing is before the first one that could be free.
    let (mut at, mut before, mut next_page) = (region.start, None, 0);
    while at < region.end {
        if deadline.step(memory.bytes_read) || found.len() >= MOST_CHUNKS {
            return None;
        }
        let word = memory.word(at.checked_add(CHUNK_HEADER)?)?;
        let size = word & !FLAGS;
        let end = at.checked_add(size)?;
        let is_before_free = word & PREVIOUS_IN_USE == 0;
        let is_chunk = size >= SMALLEST_CHUNK
            && size.is_multiple_of(ALIGNMENT)
            && end <= region.end
            && word & IS_MAPPING == 0
            && !(is_before_free && at == region.start);
        if !is_chunk {
            return None;
        }
        if let Some(start) = before.take().filter(|_| is_before_free) {
            found.push(written(start, at));
        }
        while pages
            .get(next_page)
            .is_some_and(|page| (page + 1) * PAGE <= at)
        {
            next_page += 1;
        }
        let next = pages.get(next_page);
        before = next
            .is_some_and(|page| page * PAGE < end + 2 * WORD)
            .then_some(at);
        at = end;
    }
    // What is at the end is not in use yet.
    found.extend(before.map(|start| written(start, region.end)));
    Some(found)
}
