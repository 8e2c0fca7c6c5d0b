//! Large containers that the process changed while it was read. A list that grows is moved again and again: what
//! was read of it may be of the table before, and that is freed or reused. So each large container is looked at
//! again after the walk, and read again, table and all, until its table stayed where it was meanwhile.

use super::{
    later::{LargeContainer, Settled},
    memory::Memory,
    objects::{ContentsPlace, HeapObject},
    parts::{ObjectParts, PartShape, PartTable},
    stack::{BATCH, StackEntry, WalkStack},
    walk::Walk,
};

/// Entries from which on a container is looked at again.
const LEAST: u64 = 1000;
/// Most containers that are looked at again, the first ones that are met: 3 MiB.
const MOST: usize = 1 << 16;
/// How often each is read again.
const TRIES: usize = 6;
/// References that are taken from a table before it is checked whether it is still there: 32 MiB.
const PIECE: usize = 1 << 22;

impl Walk<'_> {
    /// Notes an object with these tables if it is a large container.
    #[inline]
    pub(super) fn note_large(&mut self, object: &HeapObject, parts: &ObjectParts, node: u32) {
        if !self.large.are_kept {
            return;
        }
        let place = self.objects.contents_of(object);
        if let Some(place) = place.filter(|place| place.count >= LEAST) {
            self.add_large(object, place, parts, node);
        }
    }

    #[cold]
    fn add_large(
        &mut self,
        object: &HeapObject,
        place: ContentsPlace,
        parts: &ObjectParts,
        node: u32,
    ) {
        // More entries than memory: it only looks like a container.
        let most = self.objects.memory.regions.bytes() / 8;
        if self.large.all.len() >= MOST || place.count > most {
            return;
        }
        let table = largest_table(parts);
        let is_there = table.is_some_and(|table| is_all_there(&mut self.objects.memory, table));
        self.large.all.push(LargeContainer {
            address: object.address,
            number: object.number,
            node,
            seen: is_there.then_some(place),
            entries: place.count,
            has_table: table.is_some(),
            settled: Settled::Open,
        });
    }

    /// Reads the large containers again that have changed since they were read.
    pub(super) fn settle(&mut self) {
        self.renew_memory();
        let mut index = 0;
        while let Some(container) = self.large.all.get(index) {
            let mut container = *container;
            container.settled = self.settle_container(&mut container);
            self.large.all[index] = container;
            index += 1;
        }
        self.claim_opaque();
    }

    /// Looks at what memory there is now.
    fn renew_memory(&mut self) {
        self.objects.memory.renew();
        self.marks.grow(self.objects.memory.regions.chunks());
    }

    fn settle_container(&mut self, container: &mut LargeContainer) -> Settled {
        for attempt in 0..TRIES {
            if self.is_over() {
                return container.settled;
            }
            if attempt > 0 {
                self.objects.memory.forget();
            }
            let Some(before) = self.contents_now(container) else {
                return self.settled_if_gone(container);
            };
            if attempt == 0 && container.seen == Some(before) {
                return Settled::Yes;
            }
            if attempt > 0 {
                self.renew_memory();
            }
            container.entries = before.count;
            if let Some(seen) = self.read_contents_again(container, before) {
                container.entries = seen.count;
                container.seen = Some(seen);
                return Settled::Yes;
            }
        }
        Settled::Moved
    }

    /// A container that was read is not missing if it was freed afterwards.
    fn settled_if_gone(&self, container: &LargeContainer) -> Settled {
        let counted = self.tally.as_ref().map_or(0, |tally| {
            let of_node = tally.by_node.get(container.node as usize);
            of_node.map_or(0, |sum| sum.objects)
        });
        if container.settled == Settled::Yes || counted >= container.entries / 2 {
            Settled::Yes
        } else {
            Settled::Gone
        }
    }

    /// Where the contents of a container are now; none if it is gone.
    fn contents_now(&mut self, container: &LargeContainer) -> Option<ContentsPlace> {
        let object = self.objects.at(container.address)?;
        if object.number != container.number {
            return None;
        }
        self.objects.contents_of(&object)
    }

    /// Reads a container and visits what it holds. None if its table was moved meanwhile, or fewer entries were
    /// found than it had all the time.
    fn read_contents_again(
        &mut self,
        container: &mut LargeContainer,
        before: ContentsPlace,
    ) -> Option<ContentsPlace> {
        let object = self.objects.at(container.address)?;
        let begin = self.objects.contents_of(&object)?;
        let mut parts = ObjectParts::default();
        self.objects.parts(&object, false, &mut parts);
        let table = *largest_table(&parts)?;
        if !container.has_table {
            container.has_table = true;
            self.own(&table, container.node, container.number);
        }
        let mut rest = WalkStack::default();
        rest.push(StackEntry::span(&table.span));
        let mut least = before.count.min(begin.count);
        let mut entries = 0;
        loop {
            let found = self.take_piece(&mut rest);
            self.objects.memory.forget();
            let now = self.contents_now(container)?;
            if now.table != begin.table && table.span.shape != PartShape::Blocks {
                return None;
            }
            least = least.min(now.count);
            if found.is_empty() {
                break;
            }
            entries += found.len() as u64 / references_an_entry(table.span.shape);
            self.reach_each(&found, container.node);
        }
        (entries >= least).then_some(begin)
    }

    /// Visits objects and everything that they hold.
    fn reach_each(&mut self, addresses: &[u64], node: u32) {
        for address in addresses {
            self.reach(*address, node);
            self.drain(node);
        }
    }

    /// The next references of a table, at most [`PIECE`].
    fn take_piece(&mut self, rest: &mut WalkStack) -> Vec<u64> {
        let mut found = Vec::new();
        while found.len() < PIECE
            && let Some(entry) = rest.pop()
        {
            let Some(span) = entry.as_span() else {
                continue;
            };
            let mut batch = [0; BATCH];
            let length = rest.take(&span, &mut self.objects, &mut batch);
            found.extend_from_slice(&batch[..length]);
            if self.is_over() {
                rest.clear();
            }
        }
        found.retain(|reference| *reference != 0);
        found
    }
}

/// The table of a container's contents.
fn largest_table(parts: &ObjectParts) -> Option<&PartTable> {
    parts.tables.iter().max_by_key(|table| table.span.count)
}

/// Whether all of a table can be read. The blocks of a deque are all over the memory.
fn is_all_there(memory: &mut Memory<'_>, table: &PartTable) -> bool {
    let span = table.span;
    let bytes = span.count.saturating_mul(span.shape.words() * 8);
    span.shape != PartShape::Blocks && memory.regions.are_present(span.at, bytes)
}

/// References that are taken of each entry.
const fn references_an_entry(shape: PartShape) -> u64 {
    match shape {
        PartShape::Pairs | PartShape::Triples => 2,
        _ => 1,
    }
}
