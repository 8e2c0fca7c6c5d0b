//! Single objects: whether there is one at an address, its size, and its text.

use std::ops::Range;

use super::{
    allocated::Allocation,
    allocation::{self, LARGEST_SMALL},
    header::{is_count, is_count_of_two},
    kind::ObjectKind,
    kinds::Kinds,
    memory::Memory,
    offsets::Offsets,
    regions::ChunkPlace,
    same,
};
use crate::runtime::cpython::names;

/// Longest text that is read from a string, characters.
const MAX_TEXT: u64 = 80;
/// Strings: offsets of length and state; bits of the state.
const TEXT_LENGTH: usize = 2;
const TEXT_STATE: usize = 4;
const IS_COMPACT: u64 = 0x20;
const IS_ASCII: u64 = 0x40;
/// Larger sizes than any memory are implausible.
const MAX_ENTRIES: u64 = 1 << 44;
/// Words of an object that are read at once, from the one before its type on: enough to determine
/// its size.
const HEAD: usize = 5;

/// Something that looks like an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeapObject {
    pub(super) address: u64,
    pub(super) place: ChunkPlace,
    /// Number of its type.
    pub(super) number: u32,
    head: [u64; HEAD],
}

/// Where the contents of a container are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentsPlace {
    /// Address of the table, or of the first block.
    pub(super) table: u64,
    /// Entries.
    pub(super) count: u64,
}

/// Columns whose items alternate in memory, so that none has pages of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ColumnsTogether {
    /// The names of some, the first ones.
    pub(super) names: Vec<u64>,
    /// How many there are besides.
    pub(super) others: u64,
}

/// A process's objects.
pub(super) struct HeapObjects<'a> {
    pub(super) memory: Memory<'a>,
    pub(super) kinds: Kinds,
    pub(super) offsets: Offsets,
    /// Columns whose items alternate in memory.
    pub(super) together: Vec<ColumnsTogether>,
}

impl HeapObjects<'_> {
    /// The object at an address; none if nothing there looks like one.
    #[inline]
    pub(super) fn at(&mut self, address: u64) -> Option<HeapObject> {
        let place = self.memory.place(address)?;
        if place.offset % 8 != 0 {
            return None;
        }
        let mut head = [0; HEAD];
        self.memory
            .words(address + self.offsets.header.longer, &mut head);
        let [count, type_address, ..] = head;
        if !self.is_counted(address, count) {
            return None;
        }
        let number = self.kinds.number(&mut self.memory, type_address)?;
        Some(HeapObject {
            address,
            place,
            number,
            head,
        })
    }

    /// Whether it has references, by its address and the word before its type.
    #[inline]
    fn is_counted(&mut self, address: u64, count: u64) -> bool {
        match self.offsets.header.owned {
            None => is_count(count),
            Some(owned) => {
                let owned = self.memory.word(address + owned);
                is_count_of_two(owned.unwrap_or(0), count)
            }
        }
    }

    /// Like [`Self::at`], for an address that may be anything: the object must fit into its
    /// allocation.
    pub(super) fn guess(&mut self, address: u64) -> Option<HeapObject> {
        let object = self.at(address)?;
        let found = self.kinds.get(object.number);
        let before = found.before;
        let needed = before + self.size(&object);
        let start = address.checked_sub(before)?;
        let fits = match allocation::allocation_at(&mut self.memory, self.offsets.blocks, start) {
            Allocation::Bytes(bytes) => needed <= bytes,
            Allocation::Inside => false,
            Allocation::Unknown => true,
        };
        fits.then_some(object)
    }

    #[inline]
    pub(super) fn kind(&self, object: &HeapObject) -> ObjectKind {
        self.kinds.get(object.number).kind
    }

    pub(super) fn at_of_kind(&mut self, address: u64, kind: ObjectKind) -> Option<HeapObject> {
        let object = self.at(address)?;
        (self.kind(&object) == kind).then_some(object)
    }

    /// The object's size in bytes.
    #[inline]
    pub(super) fn size(&mut self, object: &HeapObject) -> u64 {
        let found = self.kinds.get(object.number);
        let size = match found.kind {
            ObjectKind::Text => self.text_size(object, found.basic_size),
            _ if found.item_size == 0 => found.basic_size,
            ObjectKind::Number => {
                let is_tagged = self.offsets.version >= 0x030c;
                let count = object.head[2];
                let digits = if is_tagged {
                    count >> 3
                } else {
                    count.cast_signed().unsigned_abs()
                };
                found.basic_size.saturating_add(digits.saturating_mul(4))
            }
            _ => {
                let items = object.head[2].cast_signed().unsigned_abs();
                found
                    .basic_size
                    .saturating_add(items.saturating_mul(found.item_size))
            }
        };
        if size <= LARGEST_SMALL {
            size
        } else {
            self.within_allocation(object, size)
        }
    }

    /// The memory of an object including its headers, and the place where that begins.
    #[inline]
    pub(super) fn extent(&mut self, object: &HeapObject) -> (Option<ChunkPlace>, Range<u64>) {
        let before = self.kinds.get(object.number).before;
        let start = object.address.saturating_sub(before);
        let place = match object.place.offset.checked_sub(before as u32) {
            Some(offset) => Some(ChunkPlace {
                offset,
                ..object.place
            }),
            None => self.memory.place(start),
        };
        let size = self.size(object);
        (place, start..object.address.saturating_add(size))
    }

    /// Large objects are not in small blocks, and not larger than their allocation.
    fn within_allocation(&mut self, object: &HeapObject, size: u64) -> u64 {
        let found = self.kinds.get(object.number);
        let (before, basic_size) = (found.before, found.basic_size);
        let start = object.address.saturating_sub(before);
        let most = match allocation::allocation_at(&mut self.memory, self.offsets.blocks, start) {
            Allocation::Bytes(bytes) => bytes.saturating_sub(before),
            Allocation::Inside => basic_size,
            Allocation::Unknown => self.memory.regions.left(object.address),
        };
        size.min(most)
    }

    fn text_size(&self, object: &HeapObject, basic_size: u64) -> u64 {
        let state = object.head[TEXT_STATE];
        let width = (state >> 2) & 7;
        if state & IS_COMPACT == 0 || ![1, 2, 4].contains(&width) {
            return basic_size;
        }
        let data = self.text_data(state);
        let characters = object.head[TEXT_LENGTH].saturating_add(1);
        data.saturating_add(characters.saturating_mul(width))
    }

    /// Bytes of the characters of a string whose class keeps them apart from the object.
    #[inline]
    pub(super) fn characters_apart(&mut self, object: &HeapObject) -> u64 {
        let state = object.head[TEXT_STATE];
        if self.kind(object) != ObjectKind::Text || state & IS_COMPACT != 0 {
            return 0;
        }
        let characters = object.head[TEXT_LENGTH].saturating_add(1);
        let bytes = characters.saturating_mul((state >> 2) & 7);
        let data = self.member(object.address, self.offsets.text[1]);
        if bytes <= self.memory.regions.left(data) {
            bytes
        } else {
            0
        }
    }

    /// Offset of a string's characters.
    fn text_data(&self, state: u64) -> u64 {
        let [ascii, other] = self.offsets.text;
        self.offsets.header.longer + if state & IS_ASCII != 0 { ascii } else { other }
    }

    /// The first characters of a string, and whether these are all.
    pub(super) fn text(&mut self, address: u64) -> Option<(String, bool)> {
        self.text_up_to(address, MAX_TEXT)
    }

    /// Like [`Self::text`], with this many characters.
    pub(super) fn text_up_to(&mut self, address: u64, most: u64) -> Option<(String, bool)> {
        let object = self.at_of_kind(address, ObjectKind::Text)?;
        let state = object.head[TEXT_STATE];
        let width = ((state >> 2) & 7) as usize;
        if state & IS_COMPACT == 0 || ![1, 2, 4].contains(&width) {
            return None;
        }
        let length = object.head[TEXT_LENGTH];
        let data = self.text_data(state);
        let mut bytes = vec![0; length.min(most) as usize * width];
        if !self.memory.anywhere(address.checked_add(data)?, &mut bytes) {
            return None;
        }
        let characters = bytes.chunks_exact(width).map(|bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            char::from_u32(u32::from_le_bytes(word)).unwrap_or(char::REPLACEMENT_CHARACTER)
        });
        Some((characters.collect(), length <= most))
    }

    /// The value of a small int; none for others.
    pub(super) fn number(&mut self, address: u64) -> Option<i64> {
        let object = self.at_of_kind(address, ObjectKind::Number)?;
        let found = self.kinds.get(object.number);
        if found.item_size != 4 {
            return None;
        }
        let digits = self.member(address, same::DIGITS);
        let low = (digits & 0x3fff_ffff).cast_signed();
        let count = object.head[2];
        // From 3.12 on the lowest two bits hold the sign, and the number of digits follows above
        // the third.
        let (length, is_negative) = if self.offsets.version >= 0x030c {
            (count >> 3, count & 3 == 2)
        } else {
            let count = count.cast_signed();
            (count.unsigned_abs(), count < 0)
        };
        match length {
            0 => Some(0),
            1 => Some(if is_negative { -low } else { low }),
            _ => None,
        }
    }

    /// A NUL-terminated name.
    pub(super) fn c_name(&mut self, address: u64) -> Option<String> {
        names::c_name(address, &mut |at, to| self.memory.anywhere(at, to))
    }

    /// Name of a type.
    pub(super) fn type_name(&mut self, number: u32) -> Option<String> {
        self.type_name_at(self.kinds.get(number).address)
    }

    pub(super) fn type_name_at(&mut self, address: u64) -> Option<String> {
        names::read_type_name(self.offsets.header.objects, address, &mut |at, to| {
            self.memory.anywhere(at, to)
        })
    }

    /// Where the contents of a container are, and how many; none for what has all of it in itself.
    #[inline]
    pub(super) fn contents_of(&mut self, object: &HeapObject) -> Option<ContentsPlace> {
        let [_, _, second, third, fourth] = object.head;
        let (table, count) = match self.kind(object) {
            ObjectKind::List | ObjectKind::Deque => (third, second),
            ObjectKind::Dict => (fourth, second),
            ObjectKind::Set => (self.member(object.address, same::SET_TABLE), third),
            _ => return None,
        };
        Some(ContentsPlace { table, count })
    }

    /// Number of entries of a container; none for other objects.
    pub(super) fn entries(&mut self, object: &HeapObject) -> Option<u64> {
        let used = match self.kind(object) {
            ObjectKind::Array => self.items_of(object.address)?.count,
            ObjectKind::List
            | ObjectKind::Tuple
            | ObjectKind::Deque
            | ObjectKind::Text
            | ObjectKind::Bytes => object.head[2],
            ObjectKind::Dict => self.member(object.address, same::DICT_USED),
            ObjectKind::Set => self.member(object.address, same::SET_USED),
            _ => return None,
        };
        (used <= MAX_ENTRIES).then_some(used)
    }
}
