//! Which of the written addresses that no variable holds are free memory: blocks that the process had
//! given back to its allocator, which kept them. What a worker allocates there copies the page.

mod chunks;
mod mimalloc_pages;
mod pools;

use std::ops::Range;

use self::{
    chunks::{Chunk, chunks_at_pages},
    mimalloc_pages::BlocksOfPage,
    pools::Pool,
};
use super::{
    copied::Copied, deadline::Deadline, memory::Memory, offsets::Blocks, regions::PAGE, walk::Walk,
};
use crate::run::{Allocator, FreeMemory};

/// A divisor of a page's bytes.
const ROUNDED_TO: u16 = 64;

/// Free memory at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FreeAt {
    pub(super) allocator: Allocator,
    /// Bytes of its page that blocks in use take.
    pub(super) in_use_bytes: u16,
}

impl FreeAt {
    /// With a number of bytes of which there are few different ones.
    pub(super) fn rounded(self) -> Self {
        Self {
            in_use_bytes: self.in_use_bytes.next_multiple_of(ROUNDED_TO),
            ..self
        }
    }
}

impl Walk<'_> {
    /// Finds out which of the addresses without a node are free memory.
    pub(super) fn mark_free(&mut self) {
        let blocks = self.objects.offsets.blocks;
        let (memory, deadline) = (&mut self.objects.memory, &mut self.deadline);
        for list in [&mut self.copied, &mut self.landmarks] {
            list.free = free_addresses(list, memory, blocks, deadline);
        }
    }
}

/// What is known about each address; empty if none is free.
fn free_addresses(
    list: &Copied,
    memory: &mut Memory<'_>,
    blocks: Blocks,
    deadline: &mut Deadline,
) -> Vec<Option<FreeAt>> {
    let mut found = vec![None; list.addresses().len()];
    // Those in no block of the interpreter's own allocator.
    let mut others = Vec::new();
    let mut pool: Option<Pool> = None;
    let mut page: Option<BlocksOfPage> = None;
    for (index, address) in list.without_node() {
        if deadline.step(memory.bytes_read) {
            return found;
        }
        found[index] = match blocks {
            Blocks::Mimalloc => {
                if !page.as_ref().is_some_and(|it| it.contains(address)) {
                    page = BlocksOfPage::read(memory, address);
                }
                page.as_ref().and_then(|it| it.free_at(address))
            }
            Blocks::Pools(bytes) => {
                if !pool.as_ref().is_some_and(|it| it.contains(address)) {
                    pool = Pool::read(memory, bytes, address);
                }
                if pool.is_none() {
                    others.push((index, address));
                }
                pool.as_ref().and_then(|it| it.free_at(address))
            }
        };
    }
    mark_chunks(memory, &others, deadline, &mut found);
    found
}

/// Looks addresses up in the chunks of the C library, region by region.
fn mark_chunks(
    memory: &mut Memory<'_>,
    mut addresses: &[(usize, u64)],
    deadline: &mut Deadline,
    found: &mut [Option<FreeAt>],
) {
    while let Some((_, first)) = addresses.first() {
        let Some(region) = memory.regions.bounds(*first) else {
            addresses = &addresses[1..];
            continue;
        };
        let count = addresses.partition_point(|(_, address)| *address < region.end);
        let (here, rest) = addresses.split_at(count.max(1));
        addresses = rest;
        let pages: Vec<u64> = here.iter().map(|(_, at)| at / PAGE).collect();
        let Some(chunks) = chunks_at_pages(memory, region, &pages, deadline) else {
            continue;
        };
        for (index, address) in here {
            found[*index] = free_in_chunks(&chunks, *address);
        }
    }
}

/// Whether an address is in a free chunk, or in a word that allocating one writes.
fn free_in_chunks(chunks: &[Chunk], address: u64) -> Option<FreeAt> {
    let page = address / PAGE * PAGE..(address / PAGE + 1) * PAGE;
    let first = chunks.partition_point(|chunk| chunk.range.end <= page.start);
    let on_page = chunks[first..]
        .iter()
        .take_while(|chunk| chunk.range.start < page.end);
    let in_use = on_page.filter(|chunk| !chunk.is_free);
    let in_use: u64 = in_use.map(|chunk| overlap(&chunk.range, &page)).sum();
    let after = chunks.partition_point(|chunk| chunk.written().start <= address);
    let is_free = chunks[..after]
        .iter()
        .rev()
        .take(2)
        .any(|chunk| chunk.is_free && chunk.written().contains(&address));
    is_free.then(|| FreeAt {
        allocator: Allocator::Malloc,
        in_use_bytes: u16::try_from(in_use).unwrap_or(PAGE as u16),
    })
}

/// How many bytes two ranges share.
fn overlap(one: &Range<u64>, other: &Range<u64>) -> u64 {
    let end = one.end.min(other.end);
    end.saturating_sub(one.start.max(other.start))
}

/// Sums by allocator.
pub(super) struct FreeSums {
    sums: [FreeMemory; Allocator::ALL.len()],
    /// The page that was added last.
    last_page: Option<u64>,
}

impl FreeSums {
    pub(super) fn new() -> Self {
        Self {
            sums: Allocator::ALL.map(|allocator| FreeMemory {
                allocator,
                copied_pages: 0,
                in_use_bytes: 0,
                free_bytes: 0,
            }),
            last_page: None,
        }
    }

    /// Adds the pages copied for an address. Addresses come in order.
    pub(super) fn add(&mut self, free: FreeAt, address: u64, pages: u64) {
        let Some(sum) = self.sums.get_mut(free.allocator as usize) else {
            return;
        };
        let in_use = u64::from(free.in_use_bytes).min(PAGE);
        sum.copied_pages += pages;
        sum.in_use_bytes += pages * in_use;
        if self.last_page.replace(address / PAGE) != Some(address / PAGE) {
            sum.free_bytes += PAGE - in_use;
        }
    }

    /// Those that are not 0.
    pub(super) fn into_free_memory(self) -> Vec<FreeMemory> {
        let mut sums = Vec::from(self.sums);
        sums.retain(|sum| sum.copied_pages > 0);
        sums
    }
}

/// Free memory among the copied addresses, by the pages copied for each.
pub(super) fn free_memory(copied: &Copied, pages: &[u32]) -> Vec<FreeMemory> {
    let mut sums = FreeSums::new();
    let found = copied.free.iter().zip(copied.addresses()).zip(pages);
    for ((free, address), pages) in found {
        if let Some(free) = free {
            sums.add(*free, *address, u64::from(*pages));
        }
    }
    sums.into_free_memory()
}

#[cfg(test)]
mod tests;
