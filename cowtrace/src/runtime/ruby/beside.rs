//! What Ruby's collector has beside the slots: its stack of objects to mark, and the transient heap.

use super::heap::Heap;
use crate::{
    run::Store,
    runtime::write::{ProgramWrite, ReadMemory, WrittenWord, is_link, read_words},
};

/// The transient heap, which has small buffers of arrays, hashes and objects up to 3.2, and its blocks
/// (`transient_heap.c`). A block begins with the bytes in it that are used, and a link to another one.
const TRANSIENT_HEAP: u64 = 32 << 20;
const BLOCK: u64 = 32 << 10;
const BLOCK_HEADER: u64 = 16;
/// A buffer's header begins so, and is marked by the number of the next marked one (`transient_alloc_header`).
const BUFFER: u64 = 0xfeab;
const NEXT_MARKED: u64 = 0xffff << 32;

/// Words in a chunk of the collector's stack, and its size as the C library has it in front: with a link behind the
/// words, and itself (`stack_chunk_t` in `gc.c`).
const CHUNK_WORDS: usize = 500;
const CHUNK_BYTES: u64 = CHUNK_WORDS as u64 * 8;
const CHUNK_SIZE: u64 = 4016;
/// Low bits of a size in front of a block of the C library are flags.
const SIZE_FLAGS: u64 = 7;
/// Bytes that the next block of the C library may have.
const NEXT_SIZES: std::ops::Range<u64> = 32..1 << 30;

/// Whether a write hit the transient heap.
pub(super) fn is_in_transient_heap(write: &ProgramWrite<'_>, read: &ReadMemory<'_>) -> bool {
    let block = write.address() / BLOCK * BLOCK;
    let Some([info, next]) = read_words(block, read) else {
        return false;
    };
    let leads_to_one = |[info]: [u64; 1]| is_block(info, next, block);
    is_block(info, block, next) && read_words(next, read).is_some_and(leads_to_one)
}

/// What such a write was.
pub(super) fn store_in_transient_heap(write: &ProgramWrite<'_>) -> Option<Store> {
    let is_mark =
        |values: WrittenWord| values.word & 0xffff == BUFFER && values.changed & !NEXT_MARKED == 0;
    let is_in_header = write.address() % BLOCK < BLOCK_HEADER;
    if is_in_header || write.values().is_some_and(is_mark) {
        return Some(Store::Marks);
    }
    write.store
}

/// Whether a block may begin with this word, and another one be where it leads to.
const fn is_block(info: u64, at: u64, other: u64) -> bool {
    let used = info & 0xffff;
    used <= BLOCK - BLOCK_HEADER
        && used.is_multiple_of(8)
        && info >> 48 == 0
        && at.is_multiple_of(BLOCK)
        && other.is_multiple_of(BLOCK)
        && at.abs_diff(other) < TRANSIENT_HEAP
}

/// Whether a write put an object onto the collector's stack, or linked a chunk of it: a block of the C library of just
/// that size.
pub(super) fn is_on_mark_stack(
    write: &ProgramWrite<'_>,
    heap: &Heap,
    read: &ReadMemory<'_>,
) -> bool {
    let Some(values) = write.values() else {
        return false;
    };
    let (at, new) = (write.word_address(), values.word ^ values.changed);
    let is_store = matches!(
        write.store,
        Some(Store::Pointer | Store::Same | Store::Value | Store::Zero)
    );
    let fits = |begin: u64| {
        let is_last = at - begin == CHUNK_BYTES;
        values.changed == 0 || heap.is_in_page(new) || is_last && is_link(new)
    };
    is_store && begin_of_chunk(at, read).is_some_and(fits)
}

/// Where the chunk begins that a word is in: behind a size of such a block, which ends where the next one begins.
fn begin_of_chunk(address: u64, read: &ReadMemory<'_>) -> Option<u64> {
    const WORDS: usize = CHUNK_WORDS + 2;
    // Sizes are at odd words.
    let last = address.saturating_sub(8) / 16 * 16 + 8;
    let first = last.checked_sub((WORDS as u64 - 2) * 8)?;
    let words: [u64; WORDS] = read_words(first, read)?;
    let size_of = |word: u64| word & !SIZE_FLAGS;
    (0..WORDS - 1).rev().step_by(2).find_map(|place| {
        let size_at = first + place as u64 * 8;
        let begin = size_at + 8;
        let is_inside = (begin..=begin + CHUNK_BYTES).contains(&address);
        if !is_inside || size_of(words[place]) != CHUNK_SIZE {
            return None;
        }
        let [next] = read_words(size_at + CHUNK_SIZE, read)?;
        NEXT_SIZES.contains(&size_of(next)).then_some(begin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 0x7f00_0000_0000;

    fn reader(memory: &[u64]) -> impl Fn(u64, &mut [u8]) -> bool + '_ {
        |at, to| {
            let Some(from) = at
                .checked_sub(AT)
                .and_then(|from| usize::try_from(from).ok())
            else {
                return false;
            };
            let bytes: Vec<u8> = memory.iter().flat_map(|word| word.to_ne_bytes()).collect();
            bytes.get(from..from + to.len()).is_some_and(|bytes| {
                to.copy_from_slice(bytes);
                true
            })
        }
    }

    #[test]
    fn a_chunk_is_known_by_its_size_and_what_lies_behind() {
        let mut memory = vec![0; 2_048];
        // A size at an odd word; the next block's.
        memory[601] = CHUNK_SIZE | 1;
        memory[601 + 502] = 64 | 1;
        let begin =
            |word: usize, memory: &[u64]| begin_of_chunk(AT + word as u64 * 8, &reader(memory));
        for word in [602, 603, 800, 1_101, 1_102] {
            assert_eq!(begin(word, &memory), Some(AT + 602 * 8), "{word}");
        }
        for word in [601, 600, 1_103, 1_200] {
            assert_eq!(begin(word, &memory), None, "{word}");
        }
        memory[601 + 502] = 0;
        assert_eq!(begin(700, &memory), None, "nothing behind");
    }
}
