//! Columns of a `DataFrame` of pandas. It keeps those of one type together, as rows of a table: its blocks.
//! Where the members of its objects lie depends on the version of pandas, so they are known by their types.

use super::{
    arrays::ArrayItems,
    kind::ObjectKind,
    kinds::Type,
    objects::{ColumnsTogether, HeapObject, HeapObjects},
    parts::{MAX_ATTRIBUTES, MAX_NAMED, NamedTable, ObjectParts, PartShape, PartTable, Span},
    paths::PathLabel,
    same,
};

/// The end of the name of what says which columns are in a block.
const PLACEMENT: &str = "BlockPlacement";
/// Members of an index, and of an array of an extension, that lead to its array.
const ARRAY_OF_INDEX: &str = "_data";
const ARRAY_OF_EXTENSION: &str = "_ndarray";
/// Most words of an object that are looked at.
const MAX_WORDS: u64 = 32;
/// Most objects of a block that may be its array.
const MAX_MEMBERS: usize = 8;
/// Most steps from an index, or from an array of an extension, to its array.
const MAX_STEPS: usize = 3;
/// Members of slices: start, end, step.
const START: u64 = 16;
const STEP: u64 = 32;

/// Columns that are named where their items alternate.
const MOST_TOGETHER: usize = 4;

/// Which columns are in a block.
enum Placement {
    /// From one on, and how far it is to the next.
    Slice(u64, u64),
    /// Their numbers are in an array.
    Numbers(ArrayItems),
}

impl HeapObjects<'_> {
    /// The columns of a `DataFrame`, by their names.
    pub(super) fn columns(&mut self, object: &HeapObject, found: &Type, parts: &mut ObjectParts) {
        let members = self.objects_in(object, found);
        let of_kind = |kind: ObjectKind| {
            let mut found = members.iter().filter(move |(_, it)| *it == kind);
            found.next().map(|(at, _)| *at)
        };
        let (Some(blocks), Some(axes)) = (of_kind(ObjectKind::Tuple), of_kind(ObjectKind::List))
        else {
            return;
        };
        let table = self.member(axes, same::LIST_ITEMS);
        let first = self.word(table, 0);
        let Some(names) = self.items_behind(first).map(|(_, items)| items) else {
            return;
        };
        if !names.are_objects() {
            return;
        }
        let count = self.member(blocks, same::SIZE).min(MAX_NAMED);
        for number in 0..count {
            let block = self.member(blocks, self.offsets.tuple_items + number * 8);
            self.columns_of_block(block, &names, parts);
        }
    }

    fn columns_of_block(&mut self, block: u64, names: &ArrayItems, parts: &mut ObjectParts) {
        let Some(object) = self.at(block) else {
            return;
        };
        let found = self.kinds.get(object.number).clone();
        let mut members = self.objects_in(&object, &found);
        let placed = (0..members.len()).find_map(|it| Some((it, self.placement(members[it].0)?)));
        let Some((index, placement)) = placed else {
            return;
        };
        // It has an array too.
        members.remove(index);
        let mut members = members.iter().take(MAX_MEMBERS);
        let Some((array, items)) = members.find_map(|(at, _)| self.items_behind(*at)) else {
            return;
        };
        if items.has_alternating_rows() {
            return self.columns_together((array, &items), &placement, names, parts);
        }
        for row in 0..items.shape[0].min(MAX_ATTRIBUTES) {
            let name = self.column_name(&placement, row, names);
            let is_full = parts.columns.len() as u64 >= MAX_ATTRIBUTES;
            let Some((start, count, bytes)) = items.row(row) else {
                return;
            };
            if name == 0 || is_full || bytes > self.memory.regions.left(start) {
                return;
            }
            parts.columns.push(NamedTable {
                label: PathLabel::column(name),
                array,
                table: table_of_column(&items, start, count, bytes),
            });
        }
    }

    /// The name of a block's column; 0 if it has none.
    fn column_name(&mut self, placement: &Placement, row: u64, names: &ArrayItems) -> u64 {
        let number = match placement {
            Placement::Slice(first, step) => {
                row.checked_mul(*step).and_then(|it| it.checked_add(*first))
            }
            Placement::Numbers(numbers) => numbers
                .row(0)
                .filter(|(_, count, _)| row < *count)
                .map(|(start, _, _)| self.word(start, row * 8)),
        };
        number
            .filter(|number| *number < names.count)
            .map_or(0, |number| self.word(names.data, number.saturating_mul(8)))
    }

    /// All columns of a block that was made row by row: they share its pages.
    fn columns_together(
        &mut self,
        (array, items): (u64, &ArrayItems),
        placement: &Placement,
        names: &ArrayItems,
        parts: &mut ObjectParts,
    ) {
        let count = items.shape[0];
        let columns =
            (0..count.min(MOST_TOGETHER as u64)).map(|row| self.column_name(placement, row, names));
        let columns: Vec<u64> = columns.collect();
        let bytes = items.bytes();
        let is_there = bytes > 0 && bytes <= self.memory.regions.left(items.data);
        let is_full = self.together.len() as u64 >= MAX_ATTRIBUTES;
        if columns.contains(&0) || is_full || !is_there {
            return;
        }
        let label = PathLabel::columns(self.together.len());
        self.together.push(ColumnsTogether {
            others: count - columns.len() as u64,
            names: columns,
        });
        parts.columns.push(NamedTable {
            label,
            array,
            table: table_of_column(items, items.data, items.count, bytes),
        });
    }

    /// The objects among the words of one, with their kinds.
    fn objects_in(&mut self, object: &HeapObject, found: &Type) -> Vec<(u64, ObjectKind)> {
        let words = (found.basic_size / 8).min(MAX_WORDS);
        let mut all = Vec::new();
        for number in (same::SIZE + self.offsets.header.longer) / 8..words {
            let value = self.word(object.address, number * 8);
            if let Some(it) = self.guess(value) {
                all.push((value, self.kind(&it)));
            }
        }
        all
    }

    /// The array of an object that stands for one: an index, or an array of an extension.
    fn items_behind(&mut self, at: u64) -> Option<(u64, ArrayItems)> {
        let mut at = at;
        for _ in 0..MAX_STEPS {
            let object = self.guess(at)?;
            match self.kind(&object) {
                ObjectKind::Array => return Some((at, self.items_of(at)?)),
                ObjectKind::Other => {}
                _ => return None,
            }
            let found = self.kinds.get(object.number).clone();
            at = self.array_member(&object, &found)?;
        }
        None
    }

    /// What an object has as its array.
    fn array_member(&mut self, object: &HeapObject, found: &Type) -> Option<u64> {
        let mut parts = ObjectParts::default();
        self.own_attributes(object, found, true, &mut parts);
        for (label, value) in parts.references {
            let name = label.attribute_name().and_then(|name| self.text(name));
            let is_array = |name: &str| [ARRAY_OF_INDEX, ARRAY_OF_EXTENSION].contains(&name);
            if name.is_some_and(|(name, is_whole)| is_whole && is_array(&name)) {
                return Some(value);
            }
        }
        let members = self.objects_in(object, found);
        let is_array = |it: &&(u64, ObjectKind)| it.1 == ObjectKind::Array;
        members.iter().find(is_array).map(|(at, _)| *at)
    }

    fn placement(&mut self, at: u64) -> Option<Placement> {
        let object = self.guess(at)?;
        if !self.type_name(object.number)?.ends_with(PLACEMENT) {
            return None;
        }
        let found = self.kinds.get(object.number).clone();
        for (at, kind) in self.objects_in(&object, &found) {
            let object = self.guess(at)?;
            if kind == ObjectKind::Array {
                let numbers = self.items_of(at)?;
                return (!numbers.are_objects()).then_some(Placement::Numbers(numbers));
            }
            if self.type_name(object.number)? == "slice" {
                let [first, step] = [START, STEP].map(|offset| {
                    let member = self.member(at, offset);
                    self.number(member)
                });
                let first = u64::try_from(first?).ok()?;
                // None stands for 1.
                let step = u64::try_from(step.unwrap_or(1)).ok()?;
                return Some(Placement::Slice(first, step));
            }
        }
        None
    }
}

const fn table_of_column(items: &ArrayItems, start: u64, count: u64, bytes: u64) -> PartTable {
    PartTable {
        start,
        bytes,
        span: Span {
            at: start,
            count: if items.are_objects() { count } else { 0 },
            shape: PartShape::Values,
            skip: 0,
        },
    }
}
