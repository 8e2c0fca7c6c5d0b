use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::memory::read_mappings;

/// Words by address.
#[derive(Debug, Default)]
struct Words(HashMap<u64, u64>);

impl Peek for Words {
    fn word(&mut self, at: u64) -> Option<u64> {
        self.0.get(&at).copied()
    }

    fn begin_part(&mut self) {}
}

impl Words {
    fn put(&mut self, at: u64, words: &[u64]) {
        let places = (at..).step_by(8);
        self.0.extend(places.zip(words.iter().copied()));
    }
}

const MIB: u64 = 1 << 20;
const HEAP: u64 = 0x7f00_4000_0000;
const BLOCK: u64 = 0x7f00_5000_0000;

/// A heap of PHP: two chunks in one mapping, and a larger block in another.
fn php() -> (Words, &'static str) {
    let mut words = Words::default();
    let (first, second) = (HEAP, HEAP + 2 * MIB);
    let free = 0x64 | 0x190 << 32;
    words.put(first, &[HEAP + 64, second, second, free]);
    words.put(second, &[HEAP + 64, first, first, free]);
    // The list, the first chunk.
    words.put(HEAP + 64, &[0; 20]);
    words.put(HEAP + 64 + 160, &[HEAP + 4096, first]);
    words.put(HEAP + 4096, &[BLOCK, 5 * MIB, 0]);
    let maps =
        "7f0040000000-7f0040400000 rw-p 0 00:00 0\n7f0050000000-7f0050500000 rw-p 0 00:00 0\n";
    (words, maps)
}

const ROOT: u64 = 0x7f00_0010_0128;
const LEAVES: u64 = 0x7f00_6040_0000;
const ABOUT: u64 = 0x7f00_6000_1000;
const EXTENTS: u64 = 0x7f00_6020_0000;

/// jemalloc with a block for its own data and two extents behind it, of 2 MiB and of 3.
fn jemalloc() -> (Words, &'static str) {
    let mut words = Words::default();
    words.put(ROOT + (EXTENTS >> 30) * 8, &[LEAVES]);
    let block = EXTENTS - 2 * MIB;
    words.put(block, &[2 * MIB, 0, 0, block + MIB, MIB]);
    let entry = |at: u64| LEAVES + (at >> 12 & 0x3_ffff) * 8;
    let mut put = |start: u64, bytes: u64, about: u64| {
        words.put(about, &[7, start + 64, bytes | 5]);
        for page in [start, start + bytes - 4096] {
            words.put(entry(page), &[about | 3 << 48 | 1]);
        }
    };
    put(EXTENTS, 2 * MIB, ABOUT);
    put(EXTENTS + 2 * MIB, 3 * MIB, ABOUT + 128);
    let maps = "7f0000000000-7f0000100000 r-xp 0 fe:00 9 /lib/libjemalloc.so.2
7f0000100000-7f0000320000 rw-p 0 00:00 0
7f0060000000-7f0060700000 rw-p 0 00:00 0
";
    (words, maps)
}

fn named(words: &mut Words, maps: &str) -> Vec<(usize, &'static str)> {
    let mut mappings = read_mappings(maps.as_bytes()).unwrap();
    for mapping in &mut mappings {
        mapping.resident_pages = 1;
    }
    let memory = LargeMemory::of(mappings.iter());
    let wanted = memory.mappings();
    let place = |start: u64| mappings.iter().position(|it| it.start == start).unwrap();
    let names = names(words, &memory, wanted).into_iter().zip(wanted);
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|(name, mapping)| Some((place(mapping.start), name?)))
        .collect();
    found.sort_unstable();
    found
}

#[test]
fn chunks_and_larger_blocks_of_php_are_known() {
    let (mut words, maps) = php();
    let both = [(0, Mapping::ZEND_HEAP), (1, Mapping::ZEND_HEAP)];
    assert_eq!(named(&mut words, maps), both);
    // The order of mappings does not matter.
    let mut swapped: Vec<&str> = maps.split_inclusive('\n').collect();
    swapped.reverse();
    assert_eq!(named(&mut words, &swapped.concat()), both);
    // More than a tenth is something else.
    let longer = maps.replace("7f0040400000", "7f0040600000");
    assert_eq!(named(&mut words, &longer), [(1, Mapping::ZEND_HEAP)]);
}

#[test]
fn a_chunk_whose_neighbours_do_not_lead_back_is_none() {
    let whole = php().0;
    for at in [HEAP, HEAP + 8, HEAP + 16, HEAP + 24, HEAP + 2 * MIB + 8] {
        let (mut words, maps) = php();
        let other = whole.0[&at] ^ 1 << 40 | 1023;
        words.put(at, &[other]);
        let found = named(&mut words, maps);
        assert!(
            !found.contains(&(0, Mapping::ZEND_HEAP)),
            "{at:x}: {found:?}"
        );
    }
}

#[test]
fn extents_of_jemalloc_are_known_by_its_tree() {
    let (mut words, maps) = jemalloc();
    assert_eq!(named(&mut words, maps), [(2, Mapping::JEMALLOC)]);
    // In the middle of an extent, and of a mapping that has only a part of one.
    let part = maps.replace("7f0060000000", "7f0060500000");
    assert_eq!(named(&mut words, &part), [(2, Mapping::JEMALLOC)]);
    let longer = maps.replace("7f0060700000", "7f0060a00000");
    assert_eq!(named(&mut words, &longer), []);
}

#[test]
fn a_tree_that_does_not_lead_back_is_none() {
    let whole = jemalloc().0;
    let last = LEAVES + ((EXTENTS + 2 * MIB - 4096) >> 12 & 0x3_ffff) * 8;
    for at in [ABOUT + 8, ABOUT + 16, last] {
        let (mut words, maps) = jemalloc();
        words.put(at, &[whole.0[&at] ^ 0x8000]);
        assert_eq!(named(&mut words, maps), [], "{at:x}");
    }
    let (mut words, maps) = jemalloc();
    let without = maps.replace("7f0000320000", "7f0000200000");
    assert_eq!(named(&mut words, &without), [], "no room for the tree");
}

proptest! {
    #[test]
    fn hostile_memory_is_no_crash_and_ends(
        at in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u64>(), any::<Option<proptest::sample::Index>>()), 0..8),
    ) {
        for (mut words, maps) in [php(), jemalloc()] {
            let mut places: Vec<u64> = words.0.keys().copied().collect();
            places.sort_unstable();
            for (place, word, other) in &at {
                let word = other.map_or(*word, |other| places[other.index(places.len())]);
                words.put(places[place.index(places.len())], &[word]);
            }
            prop_assert!(named(&mut words, maps).len() <= 2);
        }
    }
}
