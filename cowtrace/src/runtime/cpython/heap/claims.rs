//! What belongs to whom: the walk assigns the memory of objects, and of their tables, to its nodes.

use std::ops::Range;

use super::{
    later::OpaqueTable,
    objects::HeapObject,
    parts::{NamedTable, ObjectParts, PartShape, PartTable},
    regions::{CHUNK, ChunkPlace, PAGE},
    same,
    stack::StackEntry,
    tally,
    walk::Walk,
};

/// Memory of unknown content is assigned at the end of the walk if it is at least this large, bytes: a number before
/// it that is no size may make it appear to be many megabytes, with other objects in it.
const LEAST_OPAQUE: u64 = 1 << 12;
/// Most that are kept until then: 2 MiB. Further ones are assigned at once.
const MAX_OPAQUE: usize = 1 << 16;

const fn is_opaque(table: &PartTable) -> bool {
    matches!(table.span.shape, PartShape::Loose)
        && table.span.count == 0
        && table.bytes >= LEAST_OPAQUE
}

impl Walk<'_> {
    /// Assigns a table to its object; false if another object has it already.
    pub(super) fn own(&mut self, table: &PartTable, node: u32, number: u32) -> bool {
        let bytes = tally::bytes_of_table(table);
        if table.bytes == 0 {
            self.count_table(node, number, bytes);
            return true;
        }
        let place = self.objects.memory.place(table.start);
        if let Some(place) = place
            && !self.marks.set(place)
        {
            return false;
        }
        if is_opaque(table) && self.opaque.len() < MAX_OPAQUE {
            self.opaque.push(OpaqueTable {
                start: table.start,
                bytes,
                node,
                number,
            });
            return true;
        }
        self.claim_table(table.start, bytes, node, number);
        true
    }

    /// Gives a column a node of its own. Its array comes later, and finds that it has none of these any more.
    pub(super) fn meet_column(&mut self, column: &NamedTable, parent: u32) {
        let node = self.tree.add(parent, column.label, column.array);
        let node = node.unwrap_or(parent);
        let number = self.objects.at(column.array).map_or(0, |it| it.number);
        if self.own(&column.table, node, number) && column.table.span.count > 0 {
            self.put_off(node, StackEntry::span(&column.table.span));
        }
    }

    fn claim_table(&mut self, start: u64, bytes: u64, node: u32, number: u32) {
        let place = self.objects.memory.place(start);
        self.claim_range(place, start..start.saturating_add(bytes), node, number);
        self.count_table(node, number, bytes);
    }

    /// Assigns memory of unknown content, unless objects were found in it: then it is no allocation.
    pub(super) fn claim_opaque(&mut self) {
        for table in std::mem::take(&mut self.opaque) {
            let inside = table.start + 1..table.start.saturating_add(table.bytes);
            if !self.has_objects_in(inside) {
                self.claim_table(table.start, table.bytes, table.node, table.number);
            }
        }
    }

    /// Whether an object begins in a range, by the marks of this walk.
    fn has_objects_in(&mut self, range: Range<u64>) -> bool {
        let mut at = range.start;
        while at < range.end {
            let end = (at - at % CHUNK).saturating_add(CHUNK).min(range.end);
            let place = self.objects.memory.place(at);
            if place.is_some_and(|place| self.marks.has_any(place, end - at)) {
                return true;
            }
            at = end;
        }
        false
    }

    #[inline]
    fn count_table(&mut self, node: u32, number: u32, bytes: u64) {
        if let Some(tally) = &mut self.tally {
            tally.table(node, number, bytes);
        }
    }

    /// Counts an object with this many bytes in one piece.
    #[inline]
    pub(super) fn count_object(&mut self, object: &HeapObject, node: u32, bytes: u64) {
        if let Some(tally) = &mut self.tally {
            let bytes = bytes.saturating_add(self.objects.characters_apart(object));
            tally.object(node, object.number, bytes);
        }
    }

    /// Notes how large an object is with its tables.
    #[inline]
    pub(super) fn note_size(&mut self, object: &HeapObject, parts: &ObjectParts) {
        if let Some(tally) = &mut self.tally {
            let (_, range) = self.objects.extent(object);
            let bytes = (range.end - range.start).saturating_add(tally::bytes_of_tables(parts));
            tally.size(object.number, bytes);
        }
    }

    #[inline]
    pub(super) fn claim(&mut self, object: &HeapObject, node: u32) {
        let (place, range) = self.objects.extent(object);
        self.count_object(object, node, range.end - range.start);
        self.note_object(object, place, range.clone(), node);
        self.claim_addresses(place, range, object.address, (node, object.number));
    }

    /// Notes where an object lies.
    #[inline]
    pub(super) fn note_object(
        &mut self,
        object: &HeapObject,
        place: Option<ChunkPlace>,
        range: Range<u64>,
        node: u32,
    ) {
        let nodes = &self.tree.nodes;
        self.occupancy
            .note(place, range, Some(object.address), node, nodes);
    }

    #[inline]
    pub(super) fn claim_range(
        &mut self,
        place: Option<ChunkPlace>,
        range: Range<u64>,
        node: u32,
        kind: u32,
    ) {
        let nodes = &self.tree.nodes;
        self.occupancy.note(place, range.clone(), None, node, nodes);
        self.claim_addresses(place, range, 0, (node, kind));
    }

    #[inline]
    fn claim_addresses(
        &mut self,
        place: Option<ChunkPlace>,
        range: Range<u64>,
        object: u64,
        found: (u32, u32),
    ) {
        self.copied.claim(place, range.clone(), object, found);
        self.landmarks.claim(place, range, object, found);
    }

    /// Copied addresses of an object that was visited before: its reference count, and the header
    /// before it if that is in the same page.
    #[inline]
    pub(super) fn copied_again(&self, address: u64, place: ChunkPlace) -> u64 {
        let header = self.objects.offsets.header;
        let before = u64::from(place.offset % PAGE as u32).min(header.collector);
        let place = ChunkPlace {
            offset: place.offset - before as u32,
            ..place
        };
        let range = address - before..address + header.longer + same::TYPE;
        self.copied.count(Some(place), range).into()
    }
}
