//! Which of the leading variables reach which copied objects: a separate walk from each of them.

use super::{
    parts::ObjectParts,
    stack::{BATCH, StackEntry},
    walk::Walk,
};

/// Most variables that are compared: one bit each.
pub(super) const MAX_LEADING: usize = 16;

impl Walk<'_> {
    /// Marks what each of these nodes reaches, without going through modules. False if time ran
    /// out.
    pub(super) fn compare(&mut self, leading: &[u32]) -> bool {
        self.copied.begin_masks();
        self.landmarks.begin_masks();
        for (bit, node) in leading.iter().take(MAX_LEADING).enumerate() {
            self.marks.clear();
            self.mark_boundaries();
            let object = self.tree.nodes[*node as usize].object;
            self.reach_again(object, 1 << bit);
            if !self.drain_again(1 << bit) {
                return false;
            }
        }
        true
    }

    fn drain_again(&mut self, bit: u16) -> bool {
        let mut parts = ObjectParts::default();
        while let Some(entry) = self.stack.pop() {
            if self.deadline.step(self.objects.memory.bytes_read) {
                self.stack.clear();
                return false;
            }
            if let Some(span) = entry.as_span() {
                let mut found = [0; BATCH];
                let length = self.stack.take(&span, &mut self.objects, &mut found);
                for address in &found[..length] {
                    self.reach_again(*address, bit);
                }
                continue;
            }
            let Some(object) = self.objects.at(entry.address()) else {
                continue;
            };
            self.objects.parts(&object, false, &mut parts);
            for table in &parts.tables {
                let place = self.objects.memory.place(table.start);
                if table.bytes > 0 {
                    if place.is_some_and(|place| !self.marks.set(place)) {
                        continue;
                    }
                    let end = table.start.saturating_add(table.bytes);
                    self.copied.reach(place, table.start..end, bit);
                    self.landmarks.reach(place, table.start..end, bit);
                }
                self.stack.push(StackEntry::span(&table.span));
            }
            for (_, address) in &parts.references {
                self.reach_again(*address, bit);
            }
        }
        true
    }

    #[inline]
    fn reach_again(&mut self, address: u64, bit: u16) {
        let Some(place) = self.objects.memory.place(address) else {
            return;
        };
        if self.marks.has(place) {
            return;
        }
        let Some(object) = self.objects.at(address) else {
            return;
        };
        self.marks.set(place);
        let (place, range) = self.objects.extent(&object);
        self.copied.reach(place, range.clone(), bit);
        self.landmarks.reach(place, range, bit);
        if !self.objects.kind(&object).is_leaf() {
            self.stack.push(StackEntry::object(address));
        }
    }
}
