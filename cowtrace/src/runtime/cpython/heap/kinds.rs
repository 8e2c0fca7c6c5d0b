//! The types of a process's objects, with what is needed to follow the objects: read once per type,
//! and checked.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{
    kind::{BY_FLAG, METATYPE, ObjectKind},
    memory::Memory,
    offsets::{Attributes, Offsets},
    same,
};

/// Flags of types (Include/object.h).
const INLINE_VALUES: u64 = 1 << 2;
const MANAGED_WEAK_REFERENCES: u64 = 1 << 3;
const MANAGED_DICT: u64 = 1 << 4;
pub(super) const HEAP_TYPE: u64 = 1 << 9;
const READY: u64 = 1 << 12;
const COLLECTED: u64 = 1 << 14;
/// Most steps from a type to its type, up to the one that is its own type.
const MAX_METATYPES: usize = 4;
/// Most bases of a type that are read.
const MAX_BASES: usize = 64;
/// Most members that are read, of a type and its bases.
const MAX_MEMBERS: usize = 512;
/// Most members of all types together, and words without a layout: 24 MiB. Large programs have a
/// tenth.
const MAX_ALL: usize = 1 << 20;
/// Largest plausible object, bytes without items.
const MAX_BASIC_SIZE: u64 = 1 << 16;
/// Most words of an object without a layout that are checked.
const MAX_LOOSE: u64 = 1024;
/// Most types that are kept, and addresses known not to be types.
const MAX_TYPES: usize = 1 << 16;
const MAX_STRANGERS: usize = 1 << 16;
/// `T_OBJECT` and `T_OBJECT_EX` (Include/structmember.h).
const OBJECT_MEMBERS: [u32; 2] = [6, 16];
/// A count and a type, bytes.
const OBJECT: u64 = 16;
/// Most types that are looked up without a table.
const RECENT: usize = 256;

/// A type.
#[derive(Clone, Debug)]
pub(super) struct Type {
    pub(super) address: u64,
    pub(super) kind: ObjectKind,
    pub(super) basic_size: u64,
    pub(super) item_size: u64,
    /// Bytes before an object that belong to it.
    pub(super) before: u64,
    /// Offset of the instance's dict; negative: from its end; 0 if it has none of its own.
    pub(super) dict_offset: i64,
    /// Whether its attributes are where the version keeps them, not at that offset.
    pub(super) is_managed: bool,
    /// Whether its attributes' values follow the object.
    pub(super) has_inline_values: bool,
    /// The keys that instances share; 0 for none.
    pub(super) cached_keys: u64,
    /// Members that are objects, in [`Kinds::members`].
    pub(super) members: Range<usize>,
    /// Offsets of words of unknown meaning, in [`Kinds::loose`].
    pub(super) loose: Range<usize>,
}

/// A member of a type: its offset in the object and the address of its name, NUL-terminated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) offset: u64,
    pub(super) name: u64,
}

/// The types seen so far.
pub(super) struct Kinds {
    type_type: u64,
    offsets: Offsets,
    types: Vec<Type>,
    by_address: HashMap<u64, u32>,
    strangers: HashSet<u64>,
    recent: Box<[(u64, u32); RECENT]>,
    pub(super) members: Vec<Member>,
    pub(super) loose: Vec<u64>,
    /// Whether there was no room for some type, or for its members.
    pub(super) is_partial: bool,
}

impl Kinds {
    pub(super) fn new(type_type: u64, offsets: &Offsets) -> Self {
        Self {
            type_type,
            offsets: *offsets,
            types: Vec::new(),
            by_address: HashMap::new(),
            strangers: HashSet::new(),
            recent: Box::new([(0, 0); RECENT]),
            members: Vec::new(),
            loose: Vec::new(),
            is_partial: false,
        }
    }

    /// The size of every object's header, bytes.
    const fn object_bytes(&self) -> u64 {
        self.offsets.header.longer + OBJECT
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> &Type {
        &self.types[number as usize]
    }

    /// Where the type with a number is; none if there are fewer.
    pub(super) fn address_of(&self, number: u32) -> Option<u64> {
        self.types.get(number as usize).map(|found| found.address)
    }

    /// The number of the type at an address; none if it is not a type.
    #[inline]
    pub(super) fn number(&mut self, memory: &mut Memory<'_>, address: u64) -> Option<u32> {
        let recent = (address >> 4) as usize % RECENT;
        let (known, number) = self.recent[recent];
        if known == address && address != 0 {
            return Some(number);
        }
        let number = self.look_up(memory, address)?;
        self.recent[recent] = (address, number);
        Some(number)
    }

    fn look_up(&mut self, memory: &mut Memory<'_>, address: u64) -> Option<u32> {
        if let Some(&number) = self.by_address.get(&address) {
            return Some(number);
        }
        if !address.is_multiple_of(8) || self.strangers.contains(&address) {
            return None;
        }
        let found = if self.types.len() < MAX_TYPES {
            self.read(memory, address)
        } else {
            self.is_partial = true;
            None
        };
        let Some(found) = found else {
            // Garbage is never looked up twice in a row; the bound limits memory.
            if self.strangers.len() >= MAX_STRANGERS {
                self.strangers.clear();
            }
            self.strangers.insert(address);
            return None;
        };
        let number = self.types.len() as u32;
        self.types.push(found);
        self.by_address.insert(address, number);
        Some(number)
    }

    /// A member of a type, by its offset in a build with a global interpreter lock.
    fn member(&self, memory: &mut Memory<'_>, address: u64, offset: u64) -> Option<u64> {
        memory.word(address.checked_add(self.offsets.header.longer + offset)?)
    }

    fn is_type(&self, memory: &mut Memory<'_>, address: u64) -> bool {
        let Some(flags) = self.member(memory, address, same::FLAGS) else {
            return false;
        };
        let mut meta = self.member(memory, address, same::TYPE).unwrap_or(0);
        for _ in 0..MAX_METATYPES {
            if meta == self.type_type {
                return flags & READY != 0;
            }
            let is_metatype = self
                .member(memory, meta, same::FLAGS)
                .is_some_and(|flags| flags & METATYPE != 0);
            if !is_metatype {
                return false;
            }
            meta = self.member(memory, meta, same::TYPE).unwrap_or(0);
        }
        false
    }

    fn read(&mut self, memory: &mut Memory<'_>, address: u64) -> Option<Type> {
        let place = memory.place(address)?;
        if place.offset % 8 != 0 || !self.is_type(memory, address) {
            return None;
        }
        let mut member = |offset| self.member(memory, address, offset);
        let flags = member(same::FLAGS)?;
        let basic_size = member(same::BASIC_SIZE)?;
        let item_size = member(same::ITEM_SIZE)?;
        if !(self.object_bytes()..=MAX_BASIC_SIZE).contains(&basic_size)
            || item_size > MAX_BASIC_SIZE
        {
            return None;
        }
        let (kind, base_size) = self.kind(memory, address, flags);
        let attributes = self.offsets.attributes;
        let is_managed = attributes != Attributes::Dict && flags & MANAGED_DICT != 0;
        let has_preheader = match attributes {
            Attributes::Dict => false,
            Attributes::Before => is_managed,
            Attributes::Tagged | Attributes::Inline => {
                flags & (MANAGED_DICT | MANAGED_WEAK_REFERENCES) != 0
            }
        };
        let dict_offset = self
            .member(memory, address, same::DICT_OFFSET)?
            .cast_signed();
        let mut found = Type {
            address,
            kind,
            basic_size,
            item_size,
            before: u64::from(flags & COLLECTED != 0) * self.offsets.header.collector
                + u64::from(has_preheader) * 16,
            dict_offset: if is_managed { 0 } else { dict_offset },
            is_managed,
            has_inline_values: attributes == Attributes::Inline && flags & INLINE_VALUES != 0,
            cached_keys: if flags & HEAP_TYPE == 0 {
                0
            } else {
                self.member(memory, address, self.offsets.cached_keys)
                    .unwrap_or(0)
            },
            members: 0..0,
            loose: 0..0,
        };
        if !kind.is_leaf() {
            self.read_members(memory, &mut found, base_size);
        }
        Some(found)
    }

    /// The kind, and how many bytes of an object that kind covers.
    fn kind(&self, memory: &mut Memory<'_>, address: u64, flags: u64) -> (ObjectKind, u64) {
        let by_flag = BY_FLAG.iter().find(|(flag, _)| flags & flag != 0);
        let object_bytes = self.object_bytes();
        let mut base = address;
        for _ in 0..MAX_BASES {
            let base_flags = self.member(memory, base, same::FLAGS).unwrap_or(0);
            let is_heap = base_flags & HEAP_TYPE != 0;
            let size = self
                .member(memory, base, same::BASIC_SIZE)
                .unwrap_or(object_bytes);
            if !is_heap && let Some((_, kind)) = by_flag {
                return (*kind, size);
            }
            let name = self.raw_name(memory, base);
            // A class of a program may have any name, but only modules in C have dots in it.
            let named = ObjectKind::of_name(&name).filter(|_| !is_heap || name.contains(&b'.'));
            if let Some(kind) = named {
                // Where its members are depends on the version.
                let is_known = kind != ObjectKind::Blocks;
                return (kind, if is_known { size } else { object_bytes });
            }
            let next = self.member(memory, base, same::BASE).unwrap_or(0);
            if next == 0 || !next.is_multiple_of(8) || memory.place(next).is_none() {
                break;
            }
            base = next;
        }
        by_flag.map_or((ObjectKind::Other, object_bytes), |(_, kind)| {
            (*kind, object_bytes)
        })
    }

    fn raw_name(&self, memory: &mut Memory<'_>, address: u64) -> Vec<u8> {
        let name = self.member(memory, address, same::NAME).unwrap_or(0);
        let mut bytes = [0; 32];
        // The end of a page may be the end of the mapping.
        let length = bytes.len().min((4096 - name % 4096) as usize);
        let (first, rest) = bytes.split_at_mut(length);
        if !memory.anywhere(name, first) {
            return Vec::new();
        }
        if !first.contains(&0) && !memory.anywhere(name.saturating_add(length as u64), rest) {
            rest.fill(0);
        }
        let end = bytes.iter().position(|byte| *byte == 0);
        bytes[..end.unwrap_or(bytes.len())].to_vec()
    }

    /// Fills in the members of a type and its bases, and the other words that its objects may have.
    fn read_members(&mut self, memory: &mut Memory<'_>, found: &mut Type, base_size: u64) {
        if self.members.len().max(self.loose.len()) >= MAX_ALL {
            self.is_partial = true;
            return;
        }
        let first = self.members.len();
        let mut base = found.address;
        for _ in 0..MAX_BASES {
            if self.members.len() - first >= MAX_MEMBERS {
                break;
            }
            let members = self.member(memory, base, same::MEMBERS).unwrap_or(0);
            self.read_table(memory, members, found.basic_size, first + MAX_MEMBERS);
            let next = self.member(memory, base, same::BASE).unwrap_or(0);
            if next == 0 || !next.is_multiple_of(8) || memory.place(next).is_none() {
                break;
            }
            base = next;
        }
        found.members = first..self.members.len();
        let mut explained: HashSet<u64> = self.members[found.members.clone()]
            .iter()
            .map(|member| member.offset)
            .collect();
        explained.insert(
            self.member(memory, found.address, same::WEAK_LIST)
                .unwrap_or(0),
        );
        explained.insert(found.dict_offset.max(0).cast_unsigned());
        let start = self.loose.len();
        let words = (base_size..found.basic_size).step_by(8);
        self.loose.extend(
            words
                .filter(|offset| !explained.contains(offset))
                .take(MAX_LOOSE as usize),
        );
        found.loose = start..self.loose.len();
    }

    fn read_table(&mut self, memory: &mut Memory<'_>, table: u64, size: u64, most: usize) {
        if table == 0 {
            return;
        }
        let mut at = table;
        while self.members.len() < most {
            let mut bytes = [0; same::MEMBER_WORDS * 8];
            if !memory.anywhere(at, &mut bytes) {
                return;
            }
            let word = |index: usize| {
                let bytes = bytes[index * 8..].first_chunk().copied();
                u64::from_ne_bytes(bytes.unwrap_or_default())
            };
            let (name, offset) = (word(0), word(same::MEMBER_OFFSET));
            if name == 0 || offset >= size {
                return;
            }
            let code = word(same::MEMBER_TYPE) as u32;
            if OBJECT_MEMBERS.contains(&code) && offset % 8 == 0 && offset >= self.object_bytes() {
                self.members.push(Member { offset, name });
            }
            let Some(next) = at.checked_add(bytes.len() as u64) else {
                return;
            };
            at = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::cpython::heap::{bytes::anonymous_mapping, regions::Regions};

    const START: u64 = 0x100_0000;
    const TYPE: u64 = START;

    /// A type every 64 bytes, each with the largest possible objects.
    #[test]
    fn members_of_all_types_have_a_bound() {
        const TYPES: u64 = 4096;
        let end = START + 64 * (TYPES + 64);
        let word = |at: u64| match at % 64 {
            8 => TYPE,
            32 => MAX_BASIC_SIZE,
            40 => READY,
            _ => 0,
        };
        let read = |at: u64, to: &mut [u8]| {
            for (at, to) in (at..).step_by(8).zip(to.chunks_exact_mut(8)) {
                to.copy_from_slice(&word(at).to_ne_bytes());
            }
            at >= START && at < end
        };
        let mapped = [anonymous_mapping(START, end, "rw-p")];
        let regions = Regions::of(&mapped, 1 << 10, |_, entries| entries.fill(0xff));
        let mut memory = Memory::new(regions, 1 << 16, Box::new(read));
        let offsets = Offsets::WITHOUT_VERSION[0];
        let mut kinds = Kinds::new(TYPE, offsets);
        for number in 0..TYPES {
            let address = START + number * 64;
            assert!(kinds.number(&mut memory, address).is_some());
        }
        assert!(kinds.is_partial);
        assert!(kinds.loose.len() < MAX_ALL + MAX_LOOSE as usize);
    }
}
