//! The heap of PHP: chunks of 2 MiB and larger blocks (`Zend/zend_alloc.c`). The first page of a chunk has the address of
//! the heap and of the chunks before and behind it; the heap lies in the first chunk and lists the larger blocks.

use std::{collections::HashMap, ops::Range};

use super::peek::{Peek, UNIT};

/// `heap_slot` of the first chunk.
const HEAP: u64 = 64;
const NEXT: u64 = 8;
const PREVIOUS: u64 = 16;
/// `free_pages` and `free_tail`, of 4 bytes each.
const FREE: u64 = 24;
const PAGES_OF_CHUNK: u64 = 512;
/// Words of a heap among which the address of the first chunk is looked for: some 60 in PHP 7 and 8. In front of it
/// is the list of the larger blocks.
const HEAP_WORDS: u64 = 128;
/// Most larger blocks that are read, of all heaps.
const MOST_BLOCKS: usize = 4096;
/// Most heaps of a process: one a thread.
const MOST_HEAPS: usize = 64;

/// Larger blocks by the heap that they belong to.
#[derive(Debug, Default)]
pub(super) struct ZendHeaps(HashMap<u64, Vec<Range<u64>>>);

impl ZendHeaps {
    /// Looks for the heap of the first chunk among these units.
    pub(super) fn look_for(&mut self, peek: &mut impl Peek, mut units: impl Iterator<Item = u64>) {
        if let Some(heap) = units.find_map(|at| heap_of_chunk(peek, at)) {
            self.note(peek, heap);
        }
    }

    fn note(&mut self, peek: &mut impl Peek, heap: u64) {
        if !self.0.contains_key(&heap) && self.0.len() < MOST_HEAPS {
            let known: usize = self.0.values().map(Vec::len).sum();
            let room = MOST_BLOCKS.saturating_sub(known);
            self.0.insert(heap, larger_blocks(peek, heap, room));
        }
    }

    /// The end of the chunk that begins at an address, or of the larger block that has it.
    pub(super) fn end_of_piece(&mut self, peek: &mut impl Peek, at: u64) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        if let Some(heap) = heap_of_chunk(peek, at) {
            self.note(peek, heap);
            return at.checked_add(UNIT);
        }
        let mut blocks = self.0.values().flatten();
        blocks.find(|it| it.contains(&at)).map(|it| it.end)
    }
}

/// The heap of the chunk at an address, if there is one: those before and behind it lead back to it.
fn heap_of_chunk(peek: &mut impl Peek, at: u64) -> Option<u64> {
    if !at.is_multiple_of(UNIT) {
        return None;
    }
    let heap = peek.word(at)?;
    let first = heap
        .checked_sub(HEAP)
        .filter(|it| it.is_multiple_of(UNIT))?;
    let [next, previous, free] =
        [NEXT, PREVIOUS, FREE].map(|field| peek.word(at + field).unwrap_or(u64::MAX));
    let is_chunk = |it: u64| it != 0 && it.is_multiple_of(UNIT);
    let is_ours = is_chunk(next)
        && is_chunk(previous)
        && free & u64::from(u32::MAX) < PAGES_OF_CHUNK
        && free >> 32 <= PAGES_OF_CHUNK
        && peek.word(next.checked_add(PREVIOUS)?)? == at
        && peek.word(previous.checked_add(NEXT)?)? == at
        && peek.word(first)? == heap;
    is_ours.then_some(heap)
}

fn larger_blocks(peek: &mut impl Peek, heap: u64, most: usize) -> Vec<Range<u64>> {
    let first = heap - HEAP;
    let mut words = (1..HEAP_WORDS).map(|word| heap + word * 8);
    let Some(at) = words.find(|at| peek.word(*at) == Some(first)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut node = peek.word(at - 8);
    while let Some(at) = node.filter(|at| *at != 0 && at.is_multiple_of(8))
        && found.len() < most
    {
        let [start, size, next] = [0, 8, 16].map(|field| peek.word(at.wrapping_add(field)));
        let (Some(start), Some(size)) = (start, size) else {
            break;
        };
        let Some(end) = start
            .checked_add(size)
            .filter(|_| start.is_multiple_of(UNIT))
        else {
            break;
        };
        found.push(start..end);
        node = next;
    }
    found
}
