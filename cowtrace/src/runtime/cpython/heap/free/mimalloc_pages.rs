//! Pages of mimalloc: which blocks of one are free, by its lists of free blocks.

use super::{FreeAt, overlap};
use crate::{
    run::Allocator,
    runtime::cpython::heap::{
        memory::Memory,
        mimalloc::{BlockPage, page_of},
        regions::PAGE,
    },
};

/// Bytes of a page with many blocks: more of one page are not looked through.
const MOST_BLOCKS: u64 = 1 << 16;

/// A page's blocks, and which of them are in use.
pub(super) struct BlocksOfPage {
    page: BlockPage,
    in_use: Vec<u64>,
}

impl BlocksOfPage {
    /// The page that an address is in; none if it is in none, or its lists do not add up.
    pub(super) fn read(memory: &mut Memory<'_>, address: u64) -> Option<Self> {
        let page = page_of(memory, address)?;
        if page.bytes == 0 || page.capacity > MOST_BLOCKS {
            return None;
        }
        let mut in_use = vec![0; page.capacity.div_ceil(64) as usize];
        for block in 0..page.capacity {
            in_use[block as usize / 64] |= 1 << (block % 64);
        }
        let mut blocks = Self { page, in_use };
        let mut free = 0;
        for first in blocks.page.free {
            free += blocks.take_off(memory, first)?;
        }
        (free + blocks.page.used == blocks.page.capacity).then_some(blocks)
    }

    /// Marks the blocks of a list of free ones; returns how many there are. None if it is no list of such
    /// blocks.
    fn take_off(&mut self, memory: &mut Memory<'_>, first: u64) -> Option<u64> {
        let (mut next, mut count) = (first, 0);
        while next != 0 {
            let offset = next.checked_sub(self.page.start)?;
            let block = offset / self.page.bytes;
            let word = self.in_use.get_mut(block as usize / 64)?;
            let bit = 1 << (block % 64);
            // Once each, so that it ends.
            if offset % self.page.bytes != 0 || *word & bit == 0 {
                return None;
            }
            *word &= !bit;
            count += 1;
            next = memory.word(next)?;
        }
        Some(count)
    }

    pub(super) fn contains(&self, address: u64) -> bool {
        self.block_at(address).is_some()
    }

    fn block_at(&self, address: u64) -> Option<u64> {
        let block = address.checked_sub(self.page.start)? / self.page.bytes;
        (block < self.page.reserved).then_some(block)
    }

    fn is_in_use(&self, block: u64) -> bool {
        let word = self.in_use.get(block as usize / 64).copied().unwrap_or(0);
        word >> (block % 64) & 1 != 0
    }

    /// Whether an address is in a free block.
    pub(super) fn free_at(&self, address: u64) -> Option<FreeAt> {
        let block = self.block_at(address)?;
        let is_free = !self.is_in_use(block);
        is_free.then(|| FreeAt {
            allocator: Allocator::Mimalloc,
            in_use_bytes: u16::try_from(self.in_use_on_page(address)).unwrap_or(PAGE as u16),
        })
    }

    /// Bytes of an address's page of memory that blocks in use take.
    fn in_use_on_page(&self, address: u64) -> u64 {
        let page = address / PAGE * PAGE;
        let page = page..page + PAGE;
        let block = |at: u64| at.saturating_sub(self.page.start) / self.page.bytes;
        let on_page = block(page.start)..(block(page.end - 1) + 1).min(self.page.reserved);
        let in_use = on_page.filter(|block| self.is_in_use(*block));
        in_use
            .map(|block| {
                let start = self.page.start + block * self.page.bytes;
                overlap(&(start..start + self.page.bytes), &page)
            })
            .sum()
    }
}
