//! Free memory in handmade pools, heaps and pages.

use proptest::prelude::*;

use super::*;
use crate::runtime::cpython::heap::{bytes::Bytes, deadline::Deadline};

const START: u64 = 0x100_0000;
const HEADER: u64 = 48;
/// Blocks of 336 bytes, as those of `bytes` of 300: 12 in 4 KiB, 48 in 16 KiB.
const BLOCK: u64 = 336;

fn block(index: u64) -> u64 {
    START + HEADER + index * BLOCK
}

/// A pool of which the first `taken` blocks were ever used, and these were given up.
fn pool(bytes: u64, taken: u64, given_up: &[u64]) -> Bytes {
    let mut memory = Bytes::new(START, 0x1_0000);
    let used = taken - given_up.len() as u64;
    let list = given_up.iter().map(|index| block(*index)).chain([0]);
    let list: Vec<u64> = list.collect();
    let offsets = (HEADER + taken * BLOCK) | (bytes - BLOCK) << 32;
    let class = (BLOCK / 16 - 1) << 32;
    memory.put(START, &[used, list[0], 0, 0, class, offsets]);
    for pair in list.windows(2) {
        memory.put(pair[0], &[pair[1]]);
    }
    memory
}

/// Bytes in use on the page of an address, if that is free.
fn in_use_beside(found: &FreeRanges, address: u64) -> Option<(Allocator, u64)> {
    let mut sums = FreeSums::new(found);
    sums.add(address, 1);
    let free = sums.into_free_memory();
    let free = free.first()?;
    assert_eq!(
        (free.copied_pages, free.in_use_bytes),
        (1, PAGE - free.free_bytes)
    );
    Some((free.allocator, free.in_use_bytes))
}

fn in_pool(memory: &Bytes, bytes: u64, address: u64) -> Option<u64> {
    let mut found = FreeRanges::default();
    let blocks = Blocks::Pools(bytes);
    take_free_blocks(&mut memory.memory(), blocks, address, &mut found);
    found.sort();
    let (allocator, in_use) = in_use_beside(&found, address)?;
    assert_eq!(allocator, Allocator::Pymalloc);
    Some(in_use)
}

#[test]
fn blocks_are_free_if_they_are_in_the_list_or_were_never_used() {
    let memory = pool(4096, 8, &[5, 0, 7]);
    let in_use = Some(5 * BLOCK);
    for free in [5, 0, 7, 8, 11] {
        assert_eq!(in_pool(&memory, 4096, block(free)), in_use, "{free}");
        assert_eq!(in_pool(&memory, 4096, block(free) + 335), in_use, "{free}");
    }
    for used in [1, 2, 3, 4, 6] {
        assert_eq!(in_pool(&memory, 4096, block(used) + 8), None, "{used}");
    }
    // Whoever allocates in it writes its header first.
    assert_eq!(in_pool(&memory, 4096, START + 8), in_use);
    // Behind the last block is no room for another.
    assert_eq!(in_pool(&memory, 4096, block(12)), in_use);
}

#[test]
fn the_header_of_a_full_pool_is_written_by_who_frees() {
    let memory = pool(4096, 12, &[]);
    assert_eq!(in_pool(&memory, 4096, START), None);
    let empty: Vec<u64> = (0..12).collect();
    let memory = pool(4096, 12, &empty);
    assert_eq!(in_pool(&memory, 4096, START), Some(0));
    assert_eq!(in_pool(&memory, 4096, block(3)), Some(0));
}

#[test]
fn each_page_of_a_large_pool_has_its_own_part_in_use() {
    let free: Vec<u64> = (0..48).filter(|index| *index != 12).collect();
    let memory = pool(16_384, 48, &free);
    // Its block begins in the first page, and ends in the second.
    let in_first = START + 4096 - block(12);
    assert!((1..BLOCK).contains(&in_first));
    let at = |address| in_pool(&memory, 16_384, address);
    assert_eq!(at(START), Some(in_first));
    assert_eq!(at(block(14)), Some(BLOCK - in_first));
    assert_eq!(at(block(30)), Some(0));
    assert_eq!(at(block(12) + 100), None);
}

#[test]
fn a_pool_that_changes_while_it_is_read_says_nothing() {
    let changed = |words: &[(u64, u64)]| {
        let mut memory = pool(4096, 8, &[5, 0, 7]);
        for (at, word) in words {
            memory.put(*at, &[*word]);
        }
        in_pool(&memory, 4096, block(5))
    };
    assert!(changed(&[]).is_some());
    assert_eq!(changed(&[(START, 6)]), None, "one more in use");
    assert_eq!(changed(&[(block(7), block(5))]), None, "a circle");
    assert_eq!(changed(&[(block(7), block(1) + 16)]), None, "not a block");
    assert_eq!(changed(&[(block(7), block(9))]), None, "never used");
    assert_eq!(changed(&[(block(7), 8)]), None, "elsewhere");
    assert_eq!(changed(&[(START + 40, 0)]), None, "no pool");
}

/// Chunks of these sizes, of which some are free; the last one reaches the end.
fn heap(sizes: &[(u64, bool)]) -> Bytes {
    let mut memory = Bytes::new(START, 0x1_0000);
    let (mut at, mut flag) = (START, 1);
    for (size, is_free) in sizes {
        memory.put(at + 8, &[size | flag]);
        flag = u64::from(!is_free);
        at += size;
    }
    memory.put(at + 8, &[(START + 0x1_0000 - at) | flag]);
    memory
}

fn in_heap(memory: &Bytes, address: u64) -> Option<u64> {
    let mut memory = memory.memory();
    let region = memory.regions.bounds(address)?;
    let mut deadline = Deadline::new(std::time::Duration::from_mins(1), u64::MAX);
    let chunks = take_free_chunks(&mut memory, region, &[address / PAGE], &mut deadline)?;
    let mut found = FreeRanges::default();
    for chunk in chunks {
        found.add(Allocator::Malloc, chunk);
    }
    let (allocator, in_use) = in_use_beside(&found, address)?;
    assert_eq!(allocator, Allocator::Malloc);
    Some(in_use)
}

#[test]
fn a_chunk_is_free_if_the_next_one_says_so_or_it_is_the_last() {
    let memory = heap(&[
        (0x290, false),
        (0x800, true),
        (0x1000, false),
        (0x40, false),
    ]);
    let free = START + 0x290;
    // The size of the next chunk counts to the free one, as its own does not.
    let in_first_page = 0x1000 - 0x800 - 8;
    for at in [free + 8, free + 16, free + 0x7ff, free + 0x808] {
        assert_eq!(in_heap(&memory, at), Some(in_first_page), "{at:x}");
    }
    // The word in front of its size is the last one of the chunk before.
    for at in [START + 16, free, free + 0x810, free + 0x1810] {
        assert_eq!(in_heap(&memory, at), None, "{at:x}");
    }
    let last = free + 0x1840;
    assert_eq!(in_heap(&memory, last + 16), Some(last % PAGE + 8));
    assert_eq!(in_heap(&memory, last + 0x3000), Some(0));
}

#[test]
fn what_is_no_unbroken_sequence_of_chunks_is_no_heap() {
    let sizes = [(0x290, false), (0x800, true), (0x1000, false)];
    let mut memory = heap(&sizes);
    assert!(in_heap(&memory, START + 0x400).is_some());
    memory.put(START + 0x1a98, &[0x1_0000_0001]);
    assert_eq!(in_heap(&memory, START + 0x400), None);
    let mut memory = heap(&sizes);
    memory.put(START + 8, &[0x290]);
    assert_eq!(in_heap(&memory, START + 0x400), None);
    assert_eq!(in_heap(&Bytes::new(START, 0x1_0000), START + 0x400), None);
    assert_eq!(in_heap(&memory, START - 8), None);
}

/// A segment of mimalloc whose second slice is a page of blocks of 80 bytes: 5 of 800 were ever used, and
/// `used` are in use.
fn segment(used: u64, lists: [u64; 2]) -> Bytes {
    let mut memory = Bytes::new(SEGMENT, 4 * SLICE as usize);
    memory.put(SEGMENT + 224, &[512, 1, 0, 512]);
    let entry = [1, 5 << 16 | 800 << 32, lists[0], used | 80 << 32, lists[1]];
    memory.put(SEGMENT + 264 + 96, &entry);
    memory
}

const SEGMENT: u64 = 96 << 20;
const SLICE: u64 = 64 << 10;

#[test]
fn blocks_of_mimalloc_are_free_if_they_are_in_a_list_or_were_never_used() {
    // Before the first block, one is left out.
    let block = |index: u64| SEGMENT + SLICE + 80 + index * 80;
    let at = |memory: &Bytes, address| {
        let mut found = FreeRanges::default();
        take_free_blocks(&mut memory.memory(), Blocks::Mimalloc, address, &mut found);
        in_use_beside(&found, address).map(|(_, in_use)| in_use)
    };
    let mut memory = segment(2, [block(3), block(0)]);
    memory.put(block(3), &[block(4), 0]);
    for free in [0, 3, 4, 5, 40] {
        assert_eq!(at(&memory, block(free) + 16), Some(240), "{free}");
    }
    assert_eq!(at(&memory, block(700)), Some(0));
    for used in [1, 2] {
        assert_eq!(at(&memory, block(used) + 16), None, "{used}");
    }
    assert_eq!(at(&segment(3, [block(3), block(0)]), block(0)), Some(320));
    assert_eq!(at(&segment(2, [block(3), block(0)]), block(0)), None);
    assert_eq!(at(&segment(3, [block(3), block(3)]), block(0)), None);
    assert_eq!(at(&segment(3, [block(3), block(0) + 8]), block(0)), None);
}

#[test]
fn pages_count_once_where_they_are_free_and_each_time_where_they_are_used() {
    let mut found = FreeRanges::default();
    found.add(Allocator::Pymalloc, START + PAGE - 8..START + PAGE + 8);
    found.add(Allocator::Pymalloc, START + 96..START + 4000);
    found.sort();
    let mut sums = FreeSums::new(&found);
    sums.add(START + 88, 8);
    sums.add(START + 96, 2);
    sums.add(START + 3999, 1);
    sums.add(START + PAGE, 1);
    sums.add(START + PAGE + 8, 1);
    let expected = FreeMemory {
        allocator: Allocator::Pymalloc,
        copied_pages: 4,
        in_use_bytes: 3 * 184 + 4088,
        free_bytes: 3912 + 8,
    };
    assert_eq!(sums.into_free_memory(), [expected]);
    for index in 0..=1 << 19 {
        found.add(Allocator::Malloc, index * 16..index * 16 + 8);
    }
    assert!(found.is_full() && found.at(8 << 20).is_none());
}

proptest! {
    #[test]
    fn any_memory_gives_an_answer(
        changes in proptest::collection::vec((0u64..0x200, any::<u64>()), 0..20),
        links in proptest::collection::vec((0u64..12, 0u64..14), 0..20),
        address in START..START + 0x4000,
    ) {
        let mut memory = pool(4096, 8, &[5, 0, 7]);
        for (at, to) in links {
            memory.put(block(at), &[block(to)]);
        }
        for (word, value) in changes {
            memory.put(START + word * 8, &[value]);
        }
        for bytes in [4096, 16_384] {
            prop_assert!(in_pool(&memory, bytes, address).is_none_or(|bytes| bytes <= PAGE));
        }
        prop_assert!(in_heap(&memory, address).is_none_or(|bytes| bytes <= PAGE));
    }
}
