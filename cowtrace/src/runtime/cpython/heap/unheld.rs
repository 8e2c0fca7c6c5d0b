//! Objects that nothing holds, as the garbage collector tells them (Python/gc.c, `deduce_unreachable`):
//! of the objects that the walk has not reached, those whose references all come from each other.
//! What has any other reference is held by the interpreter, by native code, or by a variable through
//! a reference of unknown meaning.

use super::{
    collector::{ListedObjects, NotListed},
    memory::Marks,
    parts::ObjectParts,
    paths::ROOT,
    stack::{BATCH, StackEntry, WalkStack},
    tally::HeldBy,
    walk::Walk,
};
use crate::run::HeapUnknown;

/// From this count on, an object is never freed (PEP 683).
const IMMORTAL: u32 = 1 << 30;
/// Held by something else, no matter how many references are explained.
const HELD: u32 = u32::MAX;

/// Unreached objects, and how many of their references are not explained.
struct Unreached {
    addresses: Vec<u64>,
    left: Vec<u32>,
    /// Tables that were followed, beside the objects in the lists.
    tables: Marks,
    stack: WalkStack,
    parts: ObjectParts,
}

impl Walk<'_> {
    /// Adds up what the interpreter alone holds, then what nothing holds. True if some may be missing.
    pub(super) fn count_unheld(&mut self, runtime: u64) -> Result<bool, HeapUnknown> {
        if self.objects.offsets.header.collector == 0 {
            return Err(HeapUnknown::NoLists);
        }
        let listed = self.listed(runtime).map_err(|why| match why {
            NotListed::NotFound => HeapUnknown::ListsNotFound,
            NotListed::TooMany => HeapUnknown::TooMany,
            NotListed::Limit => HeapUnknown::Partial,
        })?;
        let is_partial = listed.is_partial;
        let mut unreached = self.with_counts(listed);
        let is_whole = self.explain(&mut unreached) && self.spread(&mut unreached);
        if !is_whole || unreached.stack.is_partial {
            return Err(HeapUnknown::Partial);
        }
        // What the process has added to its containers meanwhile is held by these.
        self.settle();
        let Unreached {
            addresses, left, ..
        } = unreached;
        for (held_by, is_held) in [(HeldBy::Interpreter, true), (HeldBy::Nothing, false)] {
            if let Some(tally) = &mut self.tally {
                tally.held_by = held_by;
            }
            let group = addresses.iter().zip(&left);
            for (address, _) in group.filter(|(_, left)| (**left > 0) == is_held) {
                // It may be gone by now.
                if is_held || self.references_of(*address).is_some() {
                    self.reach(*address, ROOT);
                    self.drain(ROOT);
                }
            }
            self.claim_opaque();
        }
        Ok(is_partial)
    }

    /// Which of these objects, in order of address, nothing but they themselves hold; none at a limit.
    pub(super) fn hold_each_other(&mut self, addresses: Vec<u64>) -> Option<Vec<bool>> {
        let mut seen = Marks::new(self.objects.memory.regions.chunks());
        for address in &addresses {
            if let Some(place) = self.objects.memory.place(*address) {
                seen.set(place);
            }
        }
        let mut unreached = self.with_counts(ListedObjects {
            unreached: addresses,
            seen,
            is_partial: false,
        });
        let is_whole = self.explain(&mut unreached) && self.spread(&mut unreached);
        let left = unreached.left.into_iter();
        (is_whole && !unreached.stack.is_partial).then(|| left.map(|left| left == 0).collect())
    }

    fn with_counts(&mut self, listed: ListedObjects) -> Unreached {
        let addresses = listed.unreached;
        let left = addresses.iter().map(|address| {
            let count = self.references_of(*address).unwrap_or(HELD);
            if count >= IMMORTAL { HELD } else { count }
        });
        Unreached {
            left: left.collect(),
            addresses,
            tables: listed.seen,
            stack: WalkStack::default(),
            parts: ObjectParts::default(),
        }
    }

    /// Takes the references between unreached objects off their counts; false at a limit.
    fn explain(&mut self, unreached: &mut Unreached) -> bool {
        for index in 0..unreached.addresses.len() {
            let address = unreached.addresses[index];
            let is_whole = self.each_reference(unreached, address, true, |unreached, index| {
                let left = &mut unreached.left[index];
                // More references than its count: what was understood of it is wrong.
                *left = match *left {
                    HELD | 0 => HELD,
                    count => count - 1,
                };
            });
            if !is_whole {
                return false;
            }
        }
        true
    }

    /// What a held object refers to is held as well; false at a limit.
    fn spread(&mut self, unreached: &mut Unreached) -> bool {
        let left = unreached.left.iter().enumerate();
        let mut open: Vec<u32> = left
            .filter(|(_, left)| **left > 0)
            .map(|(index, _)| index as u32)
            .collect();
        while let Some(index) = open.pop() {
            let address = unreached.addresses[index as usize];
            let is_whole = self.each_reference(unreached, address, false, |unreached, index| {
                if std::mem::replace(&mut unreached.left[index], HELD) == 0 {
                    open.push(index as u32);
                }
            });
            if !is_whole {
                return false;
            }
        }
        true
    }

    /// Calls a function for each reference of an object to an unreached one, with the index of the
    /// latter; each table counts once if that is wanted. False at a limit.
    fn each_reference(
        &mut self,
        unreached: &mut Unreached,
        address: u64,
        once: bool,
        mut take: impl FnMut(&mut Unreached, usize),
    ) -> bool {
        let Some(object) = self.objects.at(address) else {
            return true;
        };
        let mut parts = std::mem::take(&mut unreached.parts);
        self.objects.parts(&object, false, &mut parts);
        for table in &parts.tables {
            let place = self.objects.memory.place(table.start);
            let is_known =
                once && table.bytes > 0 && place.is_some_and(|place| !unreached.tables.set(place));
            if !is_known {
                unreached.stack.push(StackEntry::span(&table.span));
            }
        }
        for (_, reference) in &parts.references {
            self.take_unreached(unreached, *reference, &mut take);
        }
        unreached.parts = parts;
        while let Some(entry) = unreached.stack.pop() {
            if self.deadline.step(self.objects.memory.bytes_read) {
                return false;
            }
            let Some(span) = entry.as_span() else {
                continue;
            };
            let mut found = [0; BATCH];
            let length = unreached.stack.take(&span, &mut self.objects, &mut found);
            for reference in &found[..length] {
                self.take_unreached(unreached, *reference, &mut take);
            }
        }
        !self.deadline.step(self.objects.memory.bytes_read)
    }

    #[inline]
    fn take_unreached(
        &mut self,
        unreached: &mut Unreached,
        reference: u64,
        take: &mut impl FnMut(&mut Unreached, usize),
    ) {
        let place = self.objects.memory.place(reference);
        let may_be =
            place.is_some_and(|place| !self.marks.has(place) && unreached.tables.has(place));
        if may_be && let Ok(index) = unreached.addresses.binary_search(&reference) {
            take(unreached, index);
        }
    }
}
