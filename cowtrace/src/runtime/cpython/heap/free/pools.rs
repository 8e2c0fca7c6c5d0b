//! Pools of pymalloc (Objects/obmalloc.c): which blocks of one are free. A block is free if it is in the
//! pool's list of given up blocks, or was never used. The header counts the blocks in use, so that a list
//! which is being changed while it is read does not add up.

use std::ops::Range;

use super::ranges::each_run;
use crate::runtime::cpython::heap::{allocation::PoolHeader, memory::Memory, regions::PAGE};

/// Most blocks of a pool: of 16 bytes in 16 KiB.
const MOST_BLOCKS: usize = 1024;
const WORDS: usize = MOST_BLOCKS / 64;

/// A pool, and which of its blocks are in use.
pub(super) struct Pool {
    start: u64,
    bytes: u64,
    block_bytes: u64,
    /// How many blocks it has room for.
    blocks: u64,
    /// How many are in use; `None` if what it says about them does not add up.
    used: Option<u64>,
    in_use: [u64; WORDS],
}

impl Pool {
    /// The pool that an address is in; none if it is in none.
    pub(super) fn read(memory: &mut Memory<'_>, bytes: u64, address: u64) -> Option<Self> {
        let header = PoolHeader::read(memory, bytes, address)?;
        let block_bytes = header.block_bytes;
        let blocks = (bytes - PoolHeader::BYTES) / block_bytes;
        let taken = (header.next - PoolHeader::BYTES) / block_bytes;
        if blocks > MOST_BLOCKS as u64 || taken > blocks {
            return None;
        }
        let mut pool = Self {
            start: header.start,
            bytes,
            block_bytes,
            blocks,
            used: None,
            in_use: [0; WORDS],
        };
        for block in 0..taken {
            pool.in_use[block as usize / 64] |= 1 << (block % 64);
        }
        // Read in order, which is faster: the list leads back and forth.
        for page in (0..bytes).step_by(PAGE as usize) {
            memory.word(header.start + page);
        }
        let given_up = pool.take_off(memory, header.first_free);
        let adds_up = given_up.is_some_and(|given_up| given_up + header.used == taken);
        pool.used = adds_up.then_some(header.used);
        Some(pool)
    }

    /// Marks the blocks of the list of free ones; returns how many there are. None if it is no list of
    /// such blocks.
    fn take_off(&mut self, memory: &mut Memory<'_>, first: u64) -> Option<u64> {
        let (mut next, mut count) = (first, 0);
        while next != 0 {
            let block = self.block_at(next)?;
            let bit = 1 << (block % 64);
            let word = self.in_use.get_mut(block as usize / 64)?;
            // Once each, so that it ends.
            let is_start = (next - self.start - PoolHeader::BYTES).is_multiple_of(self.block_bytes);
            if !is_start || *word & bit == 0 {
                return None;
            }
            *word &= !bit;
            count += 1;
            next = memory.word(next)?;
        }
        Some(count)
    }

    pub(super) const fn range(&self) -> Range<u64> {
        self.start..self.start + self.bytes
    }

    /// The number of the block that an address is in; none in the header and behind the last block.
    fn block_at(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.start + PoolHeader::BYTES)?;
        let block = offset / self.block_bytes;
        (block < self.blocks).then_some(block)
    }

    fn is_in_use(&self, block: u64) -> bool {
        let word = self.in_use.get(block as usize / 64).copied().unwrap_or(0);
        word >> (block % 64) & 1 != 0
    }

    /// Calls a function with the ranges that are free. Where a block is free, the header is too: what is
    /// allocated in it writes there first. So is what no block has room for.
    pub(super) fn free_ranges(&self, mut take: impl FnMut(Range<u64>)) {
        if self.used.is_none_or(|used| used >= self.blocks) {
            return;
        }
        let first_byte = self.start + PoolHeader::BYTES;
        let address = |block: u64| first_byte + block * self.block_bytes;
        take(self.start..first_byte);
        let range = |blocks: Range<u64>| address(blocks.start)..address(blocks.end);
        each_run(
            self.blocks,
            |block| !self.is_in_use(block),
            range,
            &mut take,
        );
        let end = address(self.blocks);
        if end < self.start + self.bytes {
            take(end..self.start + self.bytes);
        }
    }
}
