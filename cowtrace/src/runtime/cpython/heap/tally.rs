//! What the walk has seen, added up: by node of its tree, by type, and by who holds it.

use super::{
    parts::{BLOCK_SLOTS, BLOCK_WORDS, ObjectParts, PartShape, PartTable},
    paths::MAX_NODES,
};
use crate::run::HeapSum;

/// Who holds the objects that are being added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HeldBy {
    #[default]
    Variables,
    /// The interpreter or native code, alone.
    Interpreter,
    Nothing,
}

/// The objects of a type.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TypeSum {
    pub(super) all: HeapSum,
    /// Those that nothing holds.
    pub(super) unheld: HeapSum,
    /// Bytes of the largest one; of those that nothing holds.
    pub(super) largest: u64,
    pub(super) largest_unheld: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) held_by: HeldBy,
    /// What variables hold, by node.
    pub(super) by_node: Vec<HeapSum>,
    /// By number of the type.
    pub(super) by_type: Vec<TypeSum>,
    pub(super) interpreter: HeapSum,
    pub(super) unheld: HeapSum,
}

impl Tally {
    /// Counts an object of this size.
    pub(super) fn object(&mut self, node: u32, number: u32, bytes: u64) {
        self.add(node, number, HeapSum { objects: 1, bytes });
        self.size(number, bytes);
    }

    /// Counts a table that belongs to an object of this type.
    pub(super) fn table(&mut self, node: u32, number: u32, bytes: u64) {
        self.add(node, number, HeapSum { objects: 0, bytes });
    }

    /// Notes the size of an object with everything that belongs to it.
    pub(super) fn size(&mut self, number: u32, bytes: u64) {
        let is_unheld = self.held_by == HeldBy::Nothing;
        let of_type = self.of_type(number);
        of_type.largest = of_type.largest.max(bytes);
        if is_unheld {
            of_type.largest_unheld = of_type.largest_unheld.max(bytes);
        }
    }

    /// All that variables hold.
    pub(super) fn held(&self) -> HeapSum {
        let mut all = HeapSum::default();
        self.by_node.iter().for_each(|sum| all.add(*sum));
        all
    }

    fn add(&mut self, node: u32, number: u32, sum: HeapSum) {
        let held_by = self.held_by;
        let of_type = self.of_type(number);
        of_type.all.add(sum);
        match held_by {
            HeldBy::Variables if node as usize >= MAX_NODES => {}
            HeldBy::Variables => {
                let node = node as usize;
                if self.by_node.len() <= node {
                    self.by_node.resize(node + 1, HeapSum::default());
                }
                self.by_node[node].add(sum);
            }
            HeldBy::Interpreter => self.interpreter.add(sum),
            HeldBy::Nothing => {
                of_type.unheld.add(sum);
                self.unheld.add(sum);
            }
        }
    }

    fn of_type(&mut self, number: u32) -> &mut TypeSum {
        let number = number as usize;
        if self.by_type.len() <= number {
            self.by_type.resize(number + 1, TypeSum::default());
        }
        &mut self.by_type[number]
    }
}

/// How many tables before one are compared with it: a bytearray has two addresses of the same.
const NEIGHBOURS: usize = 4;

/// Bytes of the tables of an object.
pub(super) fn bytes_of_tables(parts: &ObjectParts) -> u64 {
    let tables = parts.tables.iter().enumerate();
    let bytes = tables.map(|(index, table)| {
        let before = &parts.tables[index.saturating_sub(NEIGHBOURS)..index];
        let is_known = before.iter().any(|other| other.start == table.start);
        if is_known { 0 } else { bytes_of_table(table) }
    });
    bytes.fold(0, u64::saturating_add)
}

/// Bytes of a table outside its object; those of a deque are blocks.
pub(super) fn bytes_of_table(table: &PartTable) -> u64 {
    if table.span.shape != PartShape::Blocks {
        return table.bytes;
    }
    let blocks = table.span.skip.saturating_add(table.span.count);
    let blocks = blocks.div_ceil(BLOCK_SLOTS).max(1);
    blocks.saturating_mul(BLOCK_WORDS * 8)
}
