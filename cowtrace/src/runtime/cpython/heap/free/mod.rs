//! Free memory: blocks that the process had given back to its allocator, which kept them. No variable
//! holds them, and what a worker allocates there copies the page.

mod chunks;
mod mimalloc_pages;
mod pools;
mod ranges;

pub(super) use self::ranges::{FreeRanges, FreeSums};

use self::{chunks::take_free_chunks, mimalloc_pages::BlocksOfPage, pools::Pool};
use super::{memory::Memory, offsets::Blocks, regions::PAGE, walk::Walk};
use crate::run::{Allocator, FreeMemory};

impl Walk<'_> {
    /// What is free around the addresses without a node: in the same pools, pages of blocks, and heaps.
    pub(super) fn find_free(&mut self) -> FreeRanges {
        let mut found = FreeRanges::default();
        let copied = self.copied.without_node();
        let mut addresses: Vec<u64> = copied.chain(self.landmarks.without_node()).collect();
        addresses.sort_unstable();
        let blocks = self.objects.offsets.blocks;
        let memory = &mut self.objects.memory;
        // Those in no block of the interpreter's own allocator.
        let mut others = Vec::new();
        let mut last = 0..0;
        for address in addresses {
            if last.contains(&address) {
                continue;
            }
            if self.deadline.step(memory.bytes_read) || found.is_full() {
                break;
            }
            match take_free_blocks(memory, blocks, address, &mut found) {
                Some(range) => last = range,
                None => others.push(address),
            }
        }
        self.take_free_chunks(&others, &mut found);
        self.deadline.is_over |= found.is_full();
        found.sort();
        found
    }

    /// What is free in the C library's heaps around these addresses, which are in order.
    fn take_free_chunks(&mut self, mut addresses: &[u64], found: &mut FreeRanges) {
        let memory = &mut self.objects.memory;
        while let Some(first) = addresses.first() {
            let Some(region) = memory.regions.bounds(*first) else {
                addresses = &addresses[1..];
                continue;
            };
            let count = addresses.partition_point(|address| *address < region.end);
            let (here, rest) = addresses.split_at(count.max(1));
            addresses = rest;
            let pages: Vec<u64> = here.iter().map(|at| at / PAGE).collect();
            let taken = take_free_chunks(memory, region, &pages, &mut self.deadline);
            for chunk in taken.unwrap_or_default() {
                found.add(Allocator::Malloc, chunk);
            }
        }
    }

    /// Free memory among the copied addresses, by the pages copied for each.
    pub(super) fn free_memory(&self, free: &FreeRanges, pages: &[u32]) -> Vec<FreeMemory> {
        let mut sums = FreeSums::new(free);
        let addresses = self.copied.addresses().iter().zip(self.copied.found());
        for ((address, (node, _)), pages) in addresses.zip(pages) {
            if node == super::copied::NOWHERE {
                sums.add(*address, u64::from(*pages));
            }
        }
        sums.into_free_memory()
    }
}

/// What is free in the pool or page of blocks that an address is in; returns its range. None if the address
/// is in none.
fn take_free_blocks(
    memory: &mut Memory<'_>,
    blocks: Blocks,
    address: u64,
    found: &mut FreeRanges,
) -> Option<std::ops::Range<u64>> {
    match blocks {
        Blocks::Pools(bytes) => {
            let pool = Pool::read(memory, bytes, address)?;
            pool.free_ranges(|range| found.add(Allocator::Pymalloc, range));
            Some(pool.range())
        }
        Blocks::Mimalloc => {
            let page = BlocksOfPage::read(memory, address)?;
            page.free_ranges(|range| found.add(Allocator::Mimalloc, range));
            Some(page.range())
        }
    }
}

#[cfg(test)]
mod tests;
