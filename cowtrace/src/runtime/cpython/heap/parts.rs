//! What an object refers to: single references, with their names where those are needed, and tables
//! of many.

use super::{
    kind::ObjectKind,
    kinds::{HEAP_TYPE, Type},
    objects::{HeapObject, HeapObjects},
    offsets::Attributes,
    paths::PathLabel,
    regions::CHUNK,
    same,
};

/// Most items of an object that get names; longer tables are followed without.
pub(super) const MAX_NAMED: u64 = 256;
/// Most attributes of a module, class or instance that get names.
pub(super) const MAX_ATTRIBUTES: u64 = 20_000;
/// Slots in a block of a deque, and its words including links.
pub(super) const BLOCK_SLOTS: u64 = 64;
pub(super) const BLOCK_WORDS: u64 = BLOCK_SLOTS + 2;
/// Layout of the references in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum PartShape {
    /// Consecutive references.
    Items,
    /// A reference, then a hash: sets.
    Elements,
    /// Key, value: dicts of strings.
    Pairs,
    /// Hash, key, value: other dicts.
    Triples,
    /// Words of which some may be references.
    Loose,
    /// Blocks of a deque: the address is that of the block, the count that of the remaining items.
    Blocks,
    /// Consecutive references to attributes' values, whose names are elsewhere.
    Values,
}

impl PartShape {
    /// Words per entry.
    pub(super) const fn words(self) -> u64 {
        match self {
            Self::Items | Self::Loose | Self::Blocks | Self::Values => 1,
            Self::Elements | Self::Pairs => 2,
            Self::Triples => 3,
        }
    }
}

/// Consecutive references in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) at: u64,
    pub(super) count: u64,
    pub(super) shape: PartShape,
    /// For a deque, the position in the first block.
    pub(super) skip: u64,
}

/// Memory outside the object that belongs to it, and the references in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartTable {
    pub(super) start: u64,
    /// Bytes; 0 if it is inside the object itself.
    pub(super) bytes: u64,
    pub(super) span: Span,
}

/// A part of a table in an array, with a name of its own: a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedTable {
    pub(super) label: PathLabel,
    /// The array.
    pub(super) array: u64,
    pub(super) table: PartTable,
}

/// What an object refers to.
#[derive(Default)]
pub(super) struct ObjectParts {
    pub(super) references: Vec<(PathLabel, u64)>,
    pub(super) tables: Vec<PartTable>,
    /// Only where names are wanted: the tables are also those of arrays that it refers to.
    pub(super) columns: Vec<NamedTable>,
    /// Values on the stacks of frames, which may be stale.
    pub(super) temporaries: Vec<u64>,
}

impl ObjectParts {
    pub(super) fn clear(&mut self) {
        self.references.clear();
        self.tables.clear();
        self.columns.clear();
        self.temporaries.clear();
    }

    pub(super) fn add(&mut self, label: PathLabel, address: u64) {
        if address != 0 {
            self.references.push((label, address));
        }
    }

    pub(super) fn span(&mut self, at: u64, count: u64, shape: PartShape) {
        self.table(at, 0, at, count, shape);
    }

    pub(super) fn table(&mut self, start: u64, bytes: u64, at: u64, count: u64, shape: PartShape) {
        let span = Span {
            at,
            count,
            shape,
            skip: 0,
        };
        self.tables.push(PartTable { start, bytes, span });
    }
}

impl HeapObjects<'_> {
    /// Finds what an object refers to. Names take longer, so they are looked up only if needed.
    pub(super) fn parts(&mut self, object: &HeapObject, named: bool, parts: &mut ObjectParts) {
        parts.clear();
        let found = self.kinds.get(object.number).clone();
        let at = object.address;
        match found.kind {
            kind if kind.is_leaf() => return,
            ObjectKind::Function => return self.function(at, named, parts),
            ObjectKind::Code => return self.code(at, parts),
            ObjectKind::Cell => return parts.add(PathLabel::NONE, self.member(at, same::CELL)),
            ObjectKind::Method => {
                parts.add(
                    PathLabel::fixed("__self__"),
                    self.member(at, same::METHOD_SELF),
                );
                parts.add(PathLabel::NONE, self.member(at, same::METHOD_FUNCTION));
                return;
            }
            ObjectKind::Module => {
                let dict = self.member(at, same::MODULE_DICT);
                return self.attributes(dict, named, parts);
            }
            ObjectKind::Type => return self.class(at, named, parts),
            ObjectKind::Frame | ObjectKind::Generator => {
                return self.suspended(at, found.kind, parts);
            }
            ObjectKind::List => self.list(at, parts),
            ObjectKind::Tuple => {
                let count = self.member(at, same::SIZE);
                let items = self.offsets.header.longer + self.offsets.tuple_items;
                parts.span(at + items, count, PartShape::Items);
            }
            ObjectKind::Dict => self.dict(at, parts),
            ObjectKind::Set => self.set(at, parts),
            ObjectKind::Deque => self.deque(at, parts),
            ObjectKind::Array => self.array(object, parts),
            ObjectKind::Mapping => self.mapping(at, parts),
            ObjectKind::Blocks if named => self.columns(object, &found, parts),
            _ => {}
        }
        self.instance(object, &found, named, parts);
    }

    /// A member of an object, by its offset in a build with a global interpreter lock.
    #[inline]
    pub(super) fn member(&mut self, at: u64, offset: u64) -> u64 {
        self.word(at, self.offsets.header.longer + offset)
    }

    pub(super) fn word(&mut self, at: u64, offset: u64) -> u64 {
        at.checked_add(offset)
            .and_then(|at| self.memory.word(at))
            .unwrap_or(0)
    }

    fn list(&mut self, at: u64, parts: &mut ObjectParts) {
        let items = self.member(at, same::LIST_ITEMS);
        let allocated = self.member(at, same::LIST_ALLOCATED);
        let count = self.member(at, same::SIZE).min(allocated);
        let start = items.saturating_sub(self.offsets.before_items);
        let bytes = allocated
            .saturating_mul(8)
            .saturating_add(self.offsets.before_items);
        if items != 0 && bytes <= self.memory.regions.left(start) {
            parts.table(start, bytes, items, count, PartShape::Items);
        }
    }

    fn set(&mut self, at: u64, parts: &mut ObjectParts) {
        let table = self.member(at, same::SET_TABLE);
        let places = self.member(at, same::SET_MASK).saturating_add(1);
        let bytes = places.saturating_mul(16);
        if table != 0 && places.is_power_of_two() && bytes <= self.memory.regions.left(table) {
            parts.table(table, bytes, table, places, PartShape::Elements);
        }
    }

    fn deque(&mut self, at: u64, parts: &mut ObjectParts) {
        let block = self.member(at, same::DEQUE_LEFT);
        let skip = self.member(at, same::DEQUE_LEFT_INDEX);
        let count = self.member(at, same::SIZE);
        // A number larger than the process's memory allows would only mislead.
        let most = self.memory.regions.chunks() as u64 * CHUNK / 8;
        if block != 0 && skip < BLOCK_SLOTS && count <= most {
            let span = Span {
                at: block,
                count,
                shape: PartShape::Blocks,
                skip,
            };
            parts.tables.push(PartTable {
                start: block,
                bytes: 0,
                span,
            });
        }
    }

    /// Attributes, members and everything else that an instance has.
    fn instance(
        &mut self,
        object: &HeapObject,
        found: &Type,
        named: bool,
        parts: &mut ObjectParts,
    ) {
        self.own_attributes(object, found, named, parts);
        for index in found.members.clone() {
            let member = self.kinds.members[index];
            let value = self.word(object.address, member.offset);
            parts.add(PathLabel::member(member.name), value);
        }
        for index in found.loose.clone() {
            let value = self.word(object.address, self.kinds.loose[index]);
            self.anything(value, parts);
        }
        if found.kind == ObjectKind::Other && found.item_size >= 8 {
            let size = self.size(object).saturating_sub(found.basic_size);
            parts.span(
                object.address + found.basic_size,
                size / 8,
                PartShape::Loose,
            );
        }
    }

    pub(super) fn own_attributes(
        &mut self,
        object: &HeapObject,
        found: &Type,
        named: bool,
        parts: &mut ObjectParts,
    ) {
        let at = object.address;
        if !found.is_managed {
            let offset = match found.dict_offset {
                0 => return,
                1.. => found.dict_offset.cast_unsigned(),
                _ => {
                    let items = self.member(at, same::SIZE).cast_signed().unsigned_abs();
                    let size = found
                        .basic_size
                        .saturating_add(items.saturating_mul(found.item_size));
                    size.next_multiple_of(8)
                        .saturating_add_signed(found.dict_offset)
                }
            };
            let dict = self.word(at, offset);
            return self.attributes(dict, named, parts);
        }
        let in_front = at.wrapping_sub(self.offsets.header.collector);
        let dict = self.word(in_front.wrapping_sub(8), 0);
        let values = match self.offsets.attributes {
            Attributes::Before => self.word(in_front.wrapping_sub(16), 0),
            Attributes::Tagged if dict & 1 == 1 => dict.wrapping_add(1),
            Attributes::Tagged | Attributes::Dict => 0,
            Attributes::Inline => {
                let values = at + found.basic_size;
                let is_valid = self.word(values, 0) >> 24 & 0xff != 0;
                u64::from(found.has_inline_values && is_valid) * values
            }
        };
        if values == 0 {
            return self.attributes(dict, named, parts);
        }
        let Some(keys) = self.keys(found.cached_keys) else {
            return;
        };
        if named {
            let header = u64::from(self.offsets.attributes == Attributes::Inline) * 8;
            self.named_values(found.cached_keys, values.wrapping_add(header), parts);
        }
        let count = keys.span.count;
        if self.offsets.attributes == Attributes::Inline {
            // After the values comes their insertion order, one byte each.
            let room = self.word(values, 0) & 0xff;
            let first = values.wrapping_add(8);
            let bytes = 8 + room * 9;
            parts.table(values, bytes, first, count.min(room), PartShape::Values);
            parts.add(PathLabel::NONE, dict);
        } else {
            self.values(values, count, parts);
        }
    }

    fn function(&mut self, at: u64, named: bool, parts: &mut ObjectParts) {
        let offsets = self.offsets.function;
        let code = self.member(at, offsets.code);
        let closure = self.member(at, offsets.closure);
        if named {
            self.closure(closure, code, parts);
        }
        for (label, offset) in [
            (PathLabel::fixed("__defaults__"), offsets.defaults),
            (PathLabel::fixed("__kwdefaults__"), offsets.keyword_defaults),
            (PathLabel::fixed("__annotations__"), offsets.annotations),
            (PathLabel::fixed("__globals__"), offsets.globals),
            (PathLabel::fixed("__code__"), offsets.code),
            (PathLabel::NONE, offsets.closure),
        ] {
            let value = self.member(at, offset);
            parts.add(label, value);
        }
        for offset in offsets.texts {
            let value = self.member(at, offset);
            parts.add(PathLabel::NONE, value);
        }
        let dict = self.member(at, offsets.dict);
        self.attributes(dict, named, parts);
    }

    fn code(&mut self, at: u64, parts: &mut ObjectParts) {
        for offset in self.offsets.code.objects {
            let value = self.member(at, *offset);
            parts.add(PathLabel::NONE, value);
        }
    }

    fn class(&mut self, at: u64, named: bool, parts: &mut ObjectParts) {
        let dict = self.member(at, same::TYPE_DICT);
        self.attributes(dict, named, parts);
        let bases = self.member(at, same::BASES);
        parts.add(PathLabel::fixed("__bases__"), bases);
        let mro = self.member(at, same::MRO);
        parts.add(PathLabel::fixed("__mro__"), mro);
        if self.member(at, same::FLAGS) & HEAP_TYPE == 0 {
            return;
        }
        let keys = self.offsets.cached_keys;
        // Name, slots and qualified name lie before the keys; the module lies after them.
        for offset in [keys - 24, keys - 16, keys - 8, keys + 8] {
            let value = self.member(at, offset);
            if self.guess(value).is_some() {
                parts.add(PathLabel::NONE, value);
            }
        }
        let cached = self.member(at, keys);
        if let Some(table) = self.keys(cached) {
            parts.tables.push(table);
        }
    }
}
