//! Words of unknown meaning, and values from stacks, which may be stale.

use super::{
    allocated::Allocation,
    allocation,
    objects::HeapObjects,
    parts::{ObjectParts, PartShape},
    paths::PathLabel,
    walk::Walk,
};

/// How many of the first words of memory that an object refers to are checked to decide whether
/// they are references.
const SAMPLE: usize = 32;

/// Most values from stacks, which are followed last.
const MAX_LATE: usize = 1 << 14;

impl HeapObjects<'_> {
    /// A word that may be the address of an object, or of memory that contains addresses.
    pub(super) fn anything(&mut self, value: u64, parts: &mut ObjectParts) {
        if value == 0 || self.memory.place(value).is_none() {
            return;
        }
        if self.guess(value).is_some() {
            parts.add(PathLabel::HIDDEN, value);
            return;
        }
        let allocation = allocation::allocation_at(&mut self.memory, self.offsets.blocks, value);
        if let Allocation::Bytes(bytes) = allocation {
            let count = if self.are_references(value, bytes / 8) {
                bytes / 8
            } else {
                0
            };
            parts.table(value, bytes, value, count, PartShape::Loose);
        }
    }

    /// Whether memory begins with addresses of objects, and nothing else.
    fn are_references(&mut self, at: u64, words: u64) -> bool {
        let mut sample = [0; SAMPLE];
        let length = SAMPLE.min(words as usize);
        let read = self.memory.words(at, &mut sample[..length]);
        let mut found = false;
        for word in sample[..read].iter().filter(|word| **word != 0) {
            if self.guess(*word).is_none() {
                return false;
            }
            found = true;
        }
        found
    }
}

impl Walk<'_> {
    /// Keeps values that may be stale until everything else was followed.
    pub(super) fn keep_for_later(&mut self, parts: &ObjectParts, node: u32) {
        let room = MAX_LATE.saturating_sub(self.late.len());
        let kept = parts.temporaries.iter().take(room);
        self.late.extend(kept.map(|address| (node, *address)));
    }

    /// Follows values from stacks.
    pub(super) fn follow_late(&mut self) {
        for (node, address) in std::mem::take(&mut self.late) {
            if self.is_over() {
                return;
            }
            if self.objects.guess(address).is_some()
                && let Some(node) = self.tree.add(node, PathLabel::TEMPORARY, address)
            {
                self.reach(address, node);
                self.drain(node);
            }
        }
    }
}
