//! The collected heap: aligned blocks of slots of one size (`gc.c`, `struct heap_page`).

use std::collections::BTreeMap;

use crate::{
    memory::{PROCESS_ADDRESSES, PresentPages},
    runtime::write::{ProgramWrite, ReadMemory, read_words},
};

/// Sizes of a block: 16 KiB up to Ruby 3.1, 64 KiB since.
const SMALL_STEP: usize = 16 << 10;
const SMALL_BLOCK: u64 = SMALL_STEP as u64;
const LARGE_BLOCK: u64 = 64 << 10;
/// Size of a slot where the page does not say it, up to Ruby 3.0; the least that there is.
const LEAST_SLOT: u64 = 40;
/// More than any version has.
const MOST_SLOT: u64 = 4096;
/// Words of `struct heap_page` that are read: the slots' address is one of them.
const PAGE_WORDS: usize = 8;
/// Most pages that are kept: 1 GiB of a heap in small blocks. Others are read each time.
const MOST_PAGES: usize = 1 << 16;
/// Bytes of a page's description, with its free list and its bitmaps, by the sources: 344 in 3.1, 1,728 in 3.3.
const SMALL_DESCRIPTION: u64 = 344;
const LARGE_DESCRIPTION: u64 = 1_728;

/// The pages seen so far.
#[derive(Default)]
pub(super) struct Heap {
    /// By the number of the 16-KiB block.
    pages: foldhash::HashMap<u64, HeapPage>,
    /// Where their descriptions end, by where they begin.
    descriptions: BTreeMap<u64, u64>,
}

/// A block of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeapPage {
    description: u64,
    start: u64,
    slot_bytes: u64,
    slots: u64,
    /// Whether it is of a version that has large blocks.
    is_large: bool,
}

/// A slot with what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) address: u64,
    pub(super) flags: u64,
    pub(super) class: u64,
    pub(super) page: HeapPage,
}

impl Heap {
    /// The slot that contains an address, in the memory of a process.
    pub(super) fn object_at(&mut self, address: u64, read: &ReadMemory<'_>) -> Option<Object> {
        let page = self.page_of(address, read)?;
        let slot = page.slot_of(address)?;
        let [flags, class] = read_words(slot, read)?;
        Some(Object {
            address: slot,
            flags,
            class,
            page,
        })
    }

    fn page_of(&mut self, address: u64, read: &ReadMemory<'_>) -> Option<HeapPage> {
        if !PROCESS_ADDRESSES.contains(&address) {
            return None;
        }
        let number = address / SMALL_BLOCK;
        if let Some(page) = self.pages.get(&number) {
            return Some(*page);
        }
        let (block, found) = [SMALL_BLOCK, LARGE_BLOCK].into_iter().find_map(|bytes| {
            let block = address / bytes * bytes;
            Some((block, HeapPage::read(block, bytes, read)?))
        })?;
        if self.keep(block, found) {
            self.look_around(block, found.block_bytes(), read);
        }
        Some(found)
    }

    /// Keeps a page, unless there are too many or it is known.
    fn keep(&mut self, block: u64, page: HeapPage) -> bool {
        if self.pages.len() >= MOST_PAGES || self.pages.contains_key(&(block / SMALL_BLOCK)) {
            return false;
        }
        for at in (block..block + page.block_bytes()).step_by(SMALL_STEP) {
            self.pages.insert(at / SMALL_BLOCK, page);
        }
        let end = page.description + page.description_bytes();
        self.descriptions.insert(page.description, end);
        true
    }

    /// Finds the pages next to one, and those next to them: Ruby takes many at a time, and the collector writes to the
    /// descriptions of all.
    fn look_around(&mut self, block: u64, bytes: u64, read: &ReadMemory<'_>) {
        for step in [bytes, bytes.wrapping_neg()] {
            let mut next = block.wrapping_add(step);
            while let Some(page) = HeapPage::read(next, bytes, read)
                && self.keep(next, page)
            {
                next = next.wrapping_add(step);
            }
        }
    }

    /// Finds the pages in memory that a process has.
    pub(super) fn look_through(&mut self, present: &PresentPages, read: &ReadMemory<'_>) {
        for range in present.ranges() {
            let first = range.start.next_multiple_of(SMALL_BLOCK);
            for block in (first..range.end).step_by(SMALL_STEP) {
                if self.pages.len() >= MOST_PAGES {
                    return;
                }
                self.page_of(block, read);
            }
        }
    }

    /// Whether an address is in a page that is known.
    pub(super) fn is_in_page(&self, address: u64) -> bool {
        self.pages.contains_key(&(address / SMALL_BLOCK))
    }

    /// Whether an address is in the description of a page that is known.
    pub(super) fn describes(&self, address: u64) -> bool {
        let before = self.descriptions.range(..=address).next_back();
        before.is_some_and(|(_, end)| address < *end)
    }
}

impl HeapPage {
    /// The page in a block, if it describes itself as one: its first word leads to its description, which leads back.
    fn read(block: u64, bytes: u64, read: &ReadMemory<'_>) -> Option<Self> {
        let [description] = read_words(block, read)?;
        let end = block.checked_add(bytes)?;
        if !description.is_multiple_of(8)
            || !PROCESS_ADDRESSES.contains(&description)
            || (block..end).contains(&description)
        {
            return None;
        }
        let words: [u64; PAGE_WORDS] = read_words(description, read)?;
        let start = *words[1..]
            .iter()
            .find(|word| (block + 8..end).contains(word))?;
        let half = |index: u32| (words[0] >> (16 * index)) & 0xffff;
        let is_large = bytes == LARGE_BLOCK;
        // Up to 3.0, the number of slots comes first and there is one size.
        let layouts = [(half(0), half(1)), (LEAST_SLOT, half(0))];
        layouts.into_iter().find_map(|(slot_bytes, slots)| {
            let page = Self {
                description,
                start,
                slot_bytes,
                slots,
                is_large,
            };
            page.fills(block, end).then_some(page)
        })
    }

    /// Whether its slots fill the block from its header on, as far as whole slots can.
    fn fills(&self, block: u64, end: u64) -> bool {
        let Self {
            start, slot_bytes, ..
        } = *self;
        let is_size =
            slot_bytes.is_multiple_of(8) && (LEAST_SLOT..=MOST_SLOT).contains(&slot_bytes);
        let last = start + self.slots * slot_bytes;
        is_size
            && start.is_multiple_of(8)
            && start <= block + 8 + slot_bytes
            && last <= end
            && last + 2 * slot_bytes > end
    }

    /// Where the slot that contains an address begins.
    fn slot_of(&self, address: u64) -> Option<u64> {
        let number = address.checked_sub(self.start)? / self.slot_bytes;
        (number < self.slots).then(|| self.start + number * self.slot_bytes)
    }

    const fn block_bytes(&self) -> u64 {
        if self.is_large {
            LARGE_BLOCK
        } else {
            SMALL_BLOCK
        }
    }

    const fn description_bytes(&self) -> u64 {
        if self.is_large {
            LARGE_DESCRIPTION
        } else {
            SMALL_DESCRIPTION
        }
    }

    pub(super) const fn slot_bytes(&self) -> u64 {
        self.slot_bytes
    }

    /// Whether a string in a slot of its own begins with its length, as since large blocks. Before, its flags have it.
    pub(super) const fn has_lengths(&self) -> bool {
        self.is_large
    }
}

/// What is in a slot: Ruby's `enum ruby_value_type` (`include/ruby/internal/value_type.h`), and from
/// [`Tag::FIRST_INTERNAL`] on what Ruby keeps for itself (`enum imemo_type`, `internal/imemo.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u8);

impl Tag {
    const NONE: u8 = 0;
    pub(super) const CLASS: u8 = 2;
    const MODULE: u8 = 3;
    pub(super) const STRING: u8 = 5;
    pub(super) const HASH: u8 = 8;
    const SYMBOL: u8 = 20;
    pub(super) const INTERNAL: u8 = 26;
    pub(super) const INCLUDED: u8 = 28;
    const FREED: u8 = 29;
    const MOVED: u8 = 30;
    /// No slots, but what the collector has beside them: descriptions of their pages, its stack, the transient heap.
    pub(super) const DESCRIPTION: u8 = 254;
    pub(super) const MARK_STACK: u8 = 253;
    pub(super) const TRANSIENT: u8 = 252;
    /// The first of what Ruby keeps for itself.
    const FIRST_INTERNAL: u8 = 32;

    /// Whether the slot's second word is its class.
    pub(super) const fn has_class(self) -> bool {
        matches!(self.0, 1..=15 | Self::SYMBOL) && !matches!(self.0, Self::CLASS | Self::MODULE)
    }

    /// Whether nothing is in the slot.
    pub(super) const fn is_free(self) -> bool {
        self.0 == Self::NONE
    }

    /// Whether what was in the slot is gone: freed, or moved elsewhere.
    pub(super) const fn is_gone(self) -> bool {
        matches!(self.0, Self::NONE | Self::FREED | Self::MOVED)
    }

    /// Whether it is code, a class, or what was found out when methods were called.
    pub(super) const fn is_cache(self) -> bool {
        matches!(
            self.0,
            Self::CLASS | Self::MODULE | Self::INCLUDED | 38 | 39 | 43 | 44 | 45
        )
    }

    /// In words.
    pub(super) const fn name(self) -> &'static str {
        match self.0 {
            Self::NONE => "free slots",
            1 => "objects of classes without a name",
            Self::CLASS | Self::INCLUDED => "Class",
            Self::MODULE => "Module",
            4 => "Float",
            Self::STRING => "String",
            6 => "Regexp",
            7 => "Array",
            Self::HASH => "Hash",
            9 => "Struct",
            10 => "Integer",
            11 => "File",
            12 => "data of extensions",
            13 => "MatchData",
            14 => "Complex",
            15 => "Rational",
            Self::SYMBOL => "Symbol",
            27 => "syntax trees",
            Self::FREED => "freed objects",
            Self::MOVED => "moved objects",
            Self::FIRST_INTERNAL => "closures",
            38 => "methods",
            39 => "compiled code",
            43 | 44 => "call caches",
            45 => "constant caches",
            Self::DESCRIPTION => "heap pages",
            Self::MARK_STACK => "mark stack",
            Self::TRANSIENT => "transient heap",
            _ => "internal objects",
        }
    }
}

impl Object {
    /// As it was when its first word was written, if that is what was written.
    pub(super) fn with(self, write: &ProgramWrite<'_>) -> Self {
        match write.values() {
            Some(values) if write.word_address() == self.address => Self {
                flags: values.word,
                class: values.next,
                ..self
            },
            _ => self,
        }
    }

    /// What it is; none if the slot has nothing that Ruby puts there.
    pub(super) fn tag(&self) -> Option<Tag> {
        let tag = (self.flags & 31) as u8;
        match tag {
            Tag::NONE => (self.flags == 0).then_some(Tag(tag)),
            Tag::INTERNAL => Some(Tag(Tag::FIRST_INTERNAL + ((self.flags >> 12) & 15) as u8)),
            1..=15 | Tag::SYMBOL | 27..=Tag::MOVED => Some(Tag(tag)),
            _ => None,
        }
    }

    pub(super) fn is(&self, tag: u8) -> bool {
        self.tag() == Some(Tag(tag))
    }
}
