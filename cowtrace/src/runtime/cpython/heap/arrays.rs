//! Arrays of `NumPy` (numpy/ndarraytypes.h, the same members in 1.x and 2.x), and mappings of files or of
//! memory (Modules/mmapmodule.c): objects whose data lies elsewhere.

use super::{
    kind::ObjectKind,
    objects::{HeapObject, HeapObjects},
    parts::{ObjectParts, PartShape},
    paths::PathLabel,
};

/// Members of arrays (`PyArrayObject_fields`), as in builds with a global interpreter lock.
const DATA: u64 = 16;
const DIMENSIONS: u64 = 24;
const SHAPE: u64 = 32;
const STRIDES: u64 = 40;
const BASE: u64 = 48;
const TYPE_OF_ITEMS: u64 = 56;
const ARRAY_FLAGS: u64 = 64;
const ALLOCATOR: u64 = 88;
/// In the description of an item's type: a letter for its kind.
const KIND: u64 = 24;
const OF_OBJECTS: u8 = b'O';
const OF_RECORDS: u8 = b'V';
/// Flags of arrays: all items lie side by side, in either order.
const CONTIGUOUS: u64 = 1 | 2;
/// Most dimensions (`NPY_MAXDIMS`).
const MAX_DIMENSIONS: u64 = 64;
/// Members of mappings: their start and size.
const MAPPED_AT: u64 = 16;
const MAPPED_BYTES: u64 = 24;

/// What people call a part of a `DataFrame`.
const COLUMN: &str = "column";
const COLUMNS: &str = "columns";

/// The items of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ArrayItems {
    /// Address of the first one.
    pub(super) data: u64,
    /// A letter for what they are, as `dtype.kind`.
    kind: u8,
    dimensions: u64,
    /// Number of items.
    pub(super) count: u64,
    /// Bytes of an item; 0 if that cannot be told.
    item_bytes: u64,
    /// The last two sizes, and the bytes from one to the next in each: rows, then columns.
    pub(super) shape: [u64; 2],
    pub(super) strides: [u64; 2],
    is_contiguous: bool,
}

impl ArrayItems {
    /// Whether they are references to objects.
    pub(super) const fn are_objects(&self) -> bool {
        self.kind == OF_OBJECTS
    }

    /// Bytes of all of them; 0 if they do not lie side by side.
    pub(super) const fn bytes(&self) -> u64 {
        if self.is_contiguous {
            self.count.saturating_mul(self.item_bytes)
        } else {
            0
        }
    }

    /// Whether it is a table whose rows alternate, item by item.
    pub(super) const fn has_alternating_rows(&self) -> bool {
        let [rows, columns] = self.shape;
        self.dimensions == 2
            && rows > 1
            && columns > 1
            && self.item_bytes > 0
            && self.strides[0] == self.item_bytes
            && self.strides[1] == self.item_bytes.saturating_mul(rows)
    }

    /// The start of a row, how many items it has, and their bytes: of a table, or of a list as its only row;
    /// none if its items do not lie side by side.
    pub(super) fn row(&self, number: u64) -> Option<(u64, u64, u64)> {
        let [rows, columns] = self.shape;
        let is_row = number < rows
            && self.dimensions <= 2
            && self.item_bytes > 0
            && self.strides[1] == self.item_bytes;
        let start = number
            .checked_mul(self.strides[0])
            .and_then(|bytes| self.data.checked_add(bytes));
        start
            .filter(|_| is_row)
            .map(|start| (start, columns, columns.saturating_mul(self.item_bytes)))
    }

    /// The name of their type: `object`, `float64`; none if that is not known.
    pub(super) fn type_name(&self) -> Option<String> {
        let bits = self.item_bytes.saturating_mul(8);
        let name = match self.kind {
            OF_OBJECTS => return Some("object".into()),
            b'b' => return Some("bool".into()),
            b'i' => "int",
            b'u' => "uint",
            b'f' => "float",
            b'c' => "complex",
            b'M' => return Some("datetime64".into()),
            b'm' => return Some("timedelta64".into()),
            b'S' | b'U' => return Some("text".into()),
            OF_RECORDS => return Some("records".into()),
            _ => return None,
        };
        (8..=256).contains(&bits).then(|| format!("{name}{bits}"))
    }
}

impl HeapObjects<'_> {
    /// The items of an array; none if they cannot be where it says.
    pub(super) fn items_of(&mut self, at: u64) -> Option<ArrayItems> {
        let of_items = self.member(at, TYPE_OF_ITEMS);
        self.at(of_items)?;
        let longer = self.offsets.header.longer;
        let kind = self.memory.byte(of_items.checked_add(longer + KIND)?)?;
        let dimensions = self.member(at, DIMENSIONS) & 0xffff_ffff;
        let (sizes, strides) = (self.member(at, SHAPE), self.member(at, STRIDES));
        if dimensions > MAX_DIMENSIONS {
            return None;
        }
        let mut found = ArrayItems {
            data: self.member(at, DATA),
            kind,
            dimensions,
            count: 1,
            item_bytes: 0,
            shape: [1, 1],
            strides: [0, 0],
            is_contiguous: self.member(at, ARRAY_FLAGS) & CONTIGUOUS != 0,
        };
        for number in 0..dimensions {
            let (size, stride) = (self.word(sizes, number * 8), self.word(strides, number * 8));
            found.count = found.count.saturating_mul(size);
            found.shape = [found.shape[1], size];
            found.strides = [found.strides[1], stride];
            let is_step = size > 1 && stride > 0;
            if is_step && (found.item_bytes == 0 || stride < found.item_bytes) {
                found.item_bytes = stride;
            }
        }
        if found.are_objects() {
            found.item_bytes = 8;
        } else if found.item_bytes == 0 {
            // Of a single item.
            found.item_bytes = found.strides[1];
        }
        (found.bytes() <= self.memory.regions.left(found.data)).then_some(found)
    }

    /// What an array refers to: its items if they are objects, and what it is a part of.
    pub(super) fn array(&mut self, object: &HeapObject, parts: &mut ObjectParts) {
        let at = object.address;
        let base = self.member(at, BASE);
        parts.add(PathLabel::fixed("base"), base);
        let of_items = self.member(at, TYPE_OF_ITEMS);
        parts.add(PathLabel::NONE, of_items);
        let allocator = self.member(at, ALLOCATOR);
        if self.guess(allocator).is_some() {
            parts.add(PathLabel::NONE, allocator);
        }
        let Some(items) = self.items_of(at) else {
            return;
        };
        let sizes = self.member(at, SHAPE);
        if items.dimensions > 0 && sizes != 0 {
            parts.table(sizes, items.dimensions * 16, sizes, 0, PartShape::Items);
        }
        if items.kind == OF_RECORDS {
            return self.anything(items.data, parts);
        }
        let count = if items.are_objects() && items.is_contiguous {
            items.count
        } else {
            0
        };
        // Only in a list has an item a number of its own.
        let shape = if items.dimensions == 1 {
            PartShape::Items
        } else {
            PartShape::Values
        };
        parts.table(items.data, items.bytes(), items.data, count, shape);
    }

    /// What a mapping maps.
    pub(super) fn mapping(&mut self, at: u64, parts: &mut ObjectParts) {
        let start = self.member(at, MAPPED_AT);
        let bytes = self.member(at, MAPPED_BYTES);
        let bytes = bytes.min(self.memory.regions.left(start));
        if bytes > 0 {
            parts.table(start, bytes, start, 0, PartShape::Items);
        }
    }

    /// Name of an object's type, for people: of an array with the type of its items.
    pub(super) fn described_type(&mut self, object: &HeapObject) -> Option<String> {
        let name = self.type_name(object.number)?;
        if self.kind(object) != ObjectKind::Array {
            return Some(name);
        }
        let of_items = self.items_of(object.address).and_then(|it| it.type_name());
        Some(of_items.map_or_else(|| name.clone(), |of_items| format!("{name}[{of_items}]")))
    }

    /// What a column of this array is called, or several together, and how many items each has.
    pub(super) fn column_in_words(
        &mut self,
        array: &HeapObject,
        are_several: bool,
    ) -> (Option<String>, Option<u64>) {
        let column = if are_several { COLUMNS } else { COLUMN };
        let items = self.items_of(array.address);
        let of_items = items.and_then(|items| items.type_name());
        let name = of_items.map_or_else(|| column.into(), |it| format!("{column}[{it}]"));
        (Some(name), items.map(|items| items.shape[1]))
    }
}
