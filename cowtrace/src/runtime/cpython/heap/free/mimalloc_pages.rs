//! Pages of mimalloc: which blocks of one are free, by its lists of free blocks.

use std::ops::Range;

use super::ranges::each_run;
use crate::runtime::cpython::heap::{
    memory::Memory,
    mimalloc::{BlockPage, page_of},
};

/// Most blocks of a page that is looked through.
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
        if page.bytes == 0 || page.reserved > MOST_BLOCKS {
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

    pub(super) fn range(&self) -> Range<u64> {
        self.page.slices.clone()
    }

    fn is_in_use(&self, block: u64) -> bool {
        let word = self.in_use.get(block as usize / 64).copied().unwrap_or(0);
        word >> (block % 64) & 1 != 0
    }

    /// Calls a function with the ranges that are free.
    pub(super) fn free_ranges(&self, take: impl FnMut(Range<u64>)) {
        let address = |block: u64| self.page.start + block * self.page.bytes;
        let range = |blocks: Range<u64>| address(blocks.start)..address(blocks.end);
        each_run(
            self.page.reserved,
            |block| !self.is_in_use(block),
            range,
            take,
        );
    }
}
