//! The copied addresses, and the walk's node under which each was found.

use super::{
    memory::Memory,
    regions::{ChunkPlace, PAGE, PAGES_A_CHUNK},
};

/// Not found under any node.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Written addresses, with what the walk found about each.
#[derive(Default)]
pub(super) struct Copied {
    /// In order.
    addresses: Vec<u64>,
    nodes: Vec<u32>,
    types: Vec<u32>,
    /// Whether each address is in the header that the collector has before an object.
    in_headers: Vec<bool>,
    /// Which of the leading variables reach each address, one bit each.
    pub(super) masks: Vec<u16>,
    /// For each page of the memory, the first address at or after it.
    first: Vec<u32>,
}

impl Copied {
    /// Addresses in order; at most 2^32 - 1 of them.
    pub(super) fn new(addresses: Vec<u64>, memory: &Memory<'_>) -> Self {
        if addresses.is_empty() {
            return Self::default();
        }
        let mut first = Vec::with_capacity(memory.regions.chunks() * PAGES_A_CHUNK);
        for chunk in 0..memory.regions.chunks() {
            let start = memory.regions.start_of(chunk as u32);
            let mut index = addresses.partition_point(|address| *address < start);
            for page in 0..PAGES_A_CHUNK as u64 {
                let at = start + page * PAGE;
                while addresses.get(index).is_some_and(|address| *address < at) {
                    index += 1;
                }
                first.push(index as u32);
            }
        }
        Self {
            nodes: vec![NOWHERE; addresses.len()],
            types: vec![NOWHERE; addresses.len()],
            in_headers: vec![false; addresses.len()],
            masks: Vec::new(),
            addresses,
            first,
        }
    }

    /// Index of the first address at or after a place, which is also given as an address.
    #[inline]
    fn first_from(&self, place: Option<ChunkPlace>, start: u64) -> usize {
        let Some(place) = place else {
            return self.addresses.partition_point(|address| *address < start);
        };
        let page = place.chunk as usize * PAGES_A_CHUNK + place.offset as usize / PAGE as usize;
        let mut index = self
            .first
            .get(page)
            .map_or(usize::MAX, |index| *index as usize);
        while self
            .addresses
            .get(index)
            .is_some_and(|address| *address < start)
        {
            index += 1;
        }
        index
    }

    /// Assigns all unassigned addresses in a range to a node; returns how many addresses are in the
    /// range. The collector's header goes from the start of the range to `object`.
    #[inline]
    pub(super) fn claim(
        &mut self,
        place: Option<ChunkPlace>,
        range: std::ops::Range<u64>,
        object: u64,
        (node, kind): (u32, u32),
    ) -> u32 {
        let mut index = self.first_from(place, range.start);
        let mut found = 0;
        while let Some(at) = self.addresses.get(index).filter(|at| **at < range.end) {
            if self.nodes[index] == NOWHERE {
                self.in_headers[index] = *at < object;
                self.nodes[index] = node;
                self.types[index] = kind;
            }
            found += 1;
            index += 1;
        }
        found
    }

    /// How many addresses a range contains.
    #[inline]
    pub(super) fn count(&self, place: Option<ChunkPlace>, range: std::ops::Range<u64>) -> u32 {
        let mut index = self.first_from(place, range.start);
        let mut found = 0;
        while self.addresses.get(index).is_some_and(|at| *at < range.end) {
            found += 1;
            index += 1;
        }
        found
    }

    /// Marks all addresses in a range as reached by a leading variable.
    #[inline]
    pub(super) fn reach(
        &mut self,
        place: Option<ChunkPlace>,
        range: std::ops::Range<u64>,
        bit: u16,
    ) {
        let mut index = self.first_from(place, range.start);
        while self.addresses.get(index).is_some_and(|at| *at < range.end) {
            self.masks[index] |= bit;
            index += 1;
        }
    }

    /// Makes room for [`Copied::reach`].
    pub(super) fn begin_masks(&mut self) {
        self.masks = vec![0; self.addresses.len()];
    }

    /// The addresses, in order.
    pub(super) fn addresses(&self) -> &[u64] {
        &self.addresses
    }

    /// Whether each address is in the header that the collector has before an object.
    pub(super) fn in_headers(&self) -> &[bool] {
        &self.in_headers
    }

    /// The addresses that were not found, in order.
    pub(super) fn without_node(&self) -> impl Iterator<Item = u64> {
        let all = self.addresses.iter().zip(&self.nodes);
        all.filter(|(_, node)| **node == NOWHERE)
            .map(|(address, _)| *address)
    }

    /// Node and type of each address; [`NOWHERE`] if it was not found.
    pub(super) fn found(&self) -> impl Iterator<Item = (u32, u32)> {
        self.nodes.iter().copied().zip(self.types.iter().copied())
    }
}
