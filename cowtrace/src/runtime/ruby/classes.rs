//! Names of classes: strings that a class keeps, in its own slot (Ruby 3.3 and later) or in the table of its instance
//! variables (before). Where each version keeps them differs, so they are searched for, the nearest first.

use std::collections::VecDeque;

use super::heap::{Heap, Object, Tag};
use crate::{
    memory::PROCESS_ADDRESSES,
    runtime::write::{ReadMemory, read_words},
};

/// Most classes whose names are kept. Objects of others are called by what Ruby's core calls them.
const MOST_CLASSES: usize = 1 << 14;
/// Steps from a class to its name: its extension, the table of its instance variables, that table's entries.
const MOST_STEPS: u32 = 3;
/// Memory of a class that is searched, in blocks of its allocator.
const MOST_BLOCKS: usize = 24;
/// Words of a block that are searched; of one whose size cannot be known.
const MOST_WORDS: usize = 32;
const FEW_WORDS: usize = 12;
/// Most bytes of a name.
const MOST_NAME: usize = 128;

/// The string's bytes are elsewhere (`RSTRING_NOEMBED`).
const IS_ELSEWHERE: u64 = 1 << 13;
/// Where the flags of a string have its length, before large blocks (`RSTRING_EMBED_LEN_MASK`).
const LENGTH_SHIFT: u32 = 14;
const LENGTH_MASK: u64 = 31;

/// The classes seen so far.
#[derive(Default)]
pub(super) struct Classes {
    /// By address; none of a class without a name.
    names: foldhash::HashMap<u64, Option<Box<str>>>,
}

impl Classes {
    /// Finds the name of a class. Returns whether it has one.
    pub(super) fn learn(&mut self, class: u64, heap: &mut Heap, read: &ReadMemory<'_>) -> bool {
        if let Some(known) = self.names.get(&class) {
            return known.is_some();
        }
        let object = heap.object_at(class, read);
        if self.names.len() >= MOST_CLASSES {
            return false;
        }
        // It may be something else for now only, in memory that has just changed.
        let Some(object) = object.filter(|it| it.address == class && it.is(Tag::CLASS)) else {
            return false;
        };
        let name = find_name(object, heap, read);
        let is_named = name.is_some();
        self.names.insert(class, name);
        is_named
    }

    pub(super) fn name(&self, class: u64) -> Option<&str> {
        self.names.get(&class)?.as_deref()
    }
}

/// Breadth first: the tables of a class's constants are further away, and have names of other things.
fn find_name(class: Object, heap: &mut Heap, read: &ReadMemory<'_>) -> Option<Box<str>> {
    let words = usize::try_from(class.page.slot_bytes() / 8).unwrap_or(0);
    let mut waiting = VecDeque::from([(class.address, words.min(MOST_WORDS), 0)]);
    let mut seen = Vec::new();
    while let Some((block, words, steps)) = waiting.pop_front() {
        for place in 0..words as u64 {
            let Some([word]) = read_words(block.checked_add(8 * place)?, read) else {
                break;
            };
            let is_address = word.is_multiple_of(8) && PROCESS_ADDRESSES.contains(&word);
            if !is_address || seen.contains(&word) {
                continue;
            }
            if let Some(object) = heap.object_at(word, read) {
                if let Some(name) = name_in(object, word, read) {
                    return Some(name);
                }
            } else if steps < MOST_STEPS && seen.len() < MOST_BLOCKS {
                seen.push(word);
                waiting.push_back((word, words_of_block(word, read), steps + 1));
            }
        }
    }
    None
}

/// Words of a block of the C library's allocator, which keeps the size before it; few where another allocator does not.
fn words_of_block(block: u64, read: &ReadMemory<'_>) -> usize {
    let size = block.checked_sub(8).and_then(|at| read_words(at, read));
    let size = size.map_or(0, |[size]: [u64; 1]| size & !7);
    let is_size = size.is_multiple_of(16) && (32..0x1_0000).contains(&size);
    if is_size {
        usize::try_from((size - 8) / 8).map_or(FEW_WORDS, |words| words.min(MOST_WORDS))
    } else {
        FEW_WORDS
    }
}

/// The string in a slot, if it is a path of constants: `Blog::Comment`.
fn name_in(string: Object, address: u64, read: &ReadMemory<'_>) -> Option<Box<str>> {
    if string.address != address || !string.is(Tag::STRING) {
        return None;
    }
    let after = address.checked_add(16)?;
    let [length, place] = read_words(after, read)?;
    let (length, place) = if string.flags & IS_ELSEWHERE != 0 {
        (length, place)
    } else if string.page.has_lengths() {
        (length, after + 8)
    } else {
        ((string.flags >> LENGTH_SHIFT) & LENGTH_MASK, after)
    };
    let length = usize::try_from(length).ok().filter(|it| *it <= MOST_NAME)?;
    let mut bytes = [0; MOST_NAME];
    let bytes = &mut bytes[..length];
    if !PROCESS_ADDRESSES.contains(&place) || !read(place, bytes) {
        return None;
    }
    let name = std::str::from_utf8(bytes).ok()?;
    is_path_of_constants(name).then(|| name.into())
}

fn is_path_of_constants(name: &str) -> bool {
    let is_constant = |part: &str| {
        part.starts_with(char::is_uppercase)
            && part
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    name.split("::").all(is_constant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x7f00_0000_0000;
    const WORDS: usize = 0x1_8000 / 8;

    /// Memory that is full of addresses in itself, flags of objects and sizes of slots.
    fn memory() -> impl Strategy<Value = Vec<u64>> {
        let word = prop_oneof![
            (0..WORDS as u64).prop_map(|place| BASE + 8 * place),
            (0..32_u64).prop_map(|tag| tag | IS_ELSEWHERE),
            Just((40 << 16) + 408),
            (0..8_u64).prop_map(|fewer| 40 + ((16_384 / 40 - fewer) << 16)),
            any::<u64>(),
        ];
        prop::collection::vec(word, 1..512)
    }

    proptest! {
        #[test]
        fn whatever_is_there_an_object_contains_the_address(
            words in memory(),
            places in prop::collection::vec(0..8 * WORDS as u64, 1..32),
        ) {
            let read = |at: u64, to: &mut [u8]| {
                let Some(from) = at.checked_sub(BASE).and_then(|it| usize::try_from(it).ok()) else {
                    return false;
                };
                let bytes = words.iter().cycle().take(WORDS).flat_map(|word| word.to_ne_bytes());
                let mut bytes = bytes.skip(from);
                to.iter_mut().all(|byte| bytes.next().map(|it| *byte = it).is_some())
            };
            let (mut heap, mut classes) = (Heap::default(), Classes::default());
            for place in places {
                let address = BASE + place;
                if let Some(object) = heap.object_at(address, &read) {
                    let end = object.address + object.page.slot_bytes();
                    prop_assert!((object.address..end).contains(&address));
                    let is_named = classes.learn(object.class, &mut heap, &read);
                    prop_assert_eq!(is_named, classes.name(object.class).is_some());
                }
            }
        }
    }

    #[test]
    fn names_of_classes_are_paths_of_constants() {
        for name in ["String", "Blog::Comment", "A1", "Net::HTTP_2", "Été"] {
            assert!(is_path_of_constants(name), "{name}");
        }
        for name in [
            "",
            "string",
            "Blog::",
            "::Blog",
            "A b",
            "A.b",
            "a::B",
            "Blog::comment",
        ] {
            assert!(!is_path_of_constants(name), "{name}");
        }
    }
}
