//! Ranges of free memory, and which copies they explain.

use std::ops::Range;

use crate::{
    run::{Allocator, FreeMemory},
    runtime::cpython::heap::regions::PAGE,
};

/// Most ranges: 8 MiB.
const MOST_RANGES: usize = 1 << 19;

/// Free memory, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct FreeRanges {
    /// Of each allocator: starts and ends.
    ranges: [Vec<(u64, u64)>; Allocator::ALL.len()],
}

impl FreeRanges {
    /// Adds a range, in any order; those of an allocator do not overlap.
    pub(in super::super) fn add(&mut self, allocator: Allocator, range: Range<u64>) {
        if !self.is_full()
            && let Some(ranges) = self.ranges.get_mut(allocator as usize)
        {
            ranges.push((range.start, range.end));
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.ranges.iter().map(Vec::len).sum::<usize>() >= MOST_RANGES
    }

    pub(super) fn sort(&mut self) {
        for ranges in &mut self.ranges {
            ranges.sort_unstable();
            ranges.shrink_to_fit();
        }
    }

    /// Whose free memory an address is in.
    pub(in super::super) fn at(&self, address: u64) -> Option<Allocator> {
        let is_in = |ranges: &Vec<(u64, u64)>| {
            let after = ranges.partition_point(|(start, _)| *start <= address);
            let before = after.checked_sub(1).and_then(|index| ranges.get(index));
            before.is_some_and(|(_, end)| address < *end)
        };
        let mut all = Allocator::ALL.into_iter().zip(&self.ranges);
        all.find(|(_, ranges)| is_in(ranges)).map(|(it, _)| it)
    }

    /// Bytes that are free in an address's page.
    fn free_on_page(&self, address: u64) -> u64 {
        let page = address / PAGE * PAGE..(address / PAGE + 1) * PAGE;
        let mut sum = 0;
        for ranges in &self.ranges {
            let first = ranges.partition_point(|(_, end)| *end <= page.start);
            let here = ranges[first..].iter();
            for (start, end) in here.take_while(|(start, _)| *start < page.end) {
                sum += end.min(&page.end).saturating_sub(*start.max(&page.start));
            }
        }
        sum.min(PAGE)
    }
}

#[cfg(test)]
impl FreeRanges {
    /// Ranges in order.
    pub(in super::super) fn of(allocator: Allocator, ranges: &[Range<u64>]) -> Self {
        let mut all = Self::default();
        for range in ranges {
            all.add(allocator, range.clone());
        }
        all
    }
}

/// Copies of free memory, added up by allocator.
pub(in super::super) struct FreeSums<'a> {
    free: &'a FreeRanges,
    sums: [FreeMemory; Allocator::ALL.len()],
    /// The page that was added last.
    last_page: Option<u64>,
}

impl<'a> FreeSums<'a> {
    pub(in super::super) fn new(free: &'a FreeRanges) -> Self {
        Self {
            free,
            sums: Allocator::ALL.map(|allocator| FreeMemory {
                allocator,
                copied_pages: 0,
                in_use_bytes: 0,
                free_bytes: 0,
            }),
            last_page: None,
        }
    }

    /// Adds the pages copied for an address, if that is free. Addresses come in order.
    pub(in super::super) fn add(&mut self, address: u64, pages: u64) {
        let Some(allocator) = self.free.at(address) else {
            return;
        };
        let Some(sum) = self.sums.get_mut(allocator as usize) else {
            return;
        };
        let free = self.free.free_on_page(address);
        sum.copied_pages += pages;
        sum.in_use_bytes += pages * (PAGE - free);
        if self.last_page.replace(address / PAGE) != Some(address / PAGE) {
            sum.free_bytes += free;
        }
    }

    /// Those that are not 0.
    pub(in super::super) fn into_free_memory(self) -> Vec<FreeMemory> {
        let mut sums = Vec::from(self.sums);
        sums.retain(|sum| sum.copied_pages > 0);
        sums
    }
}

/// Calls a function with each run of blocks that are free, as ranges of addresses.
pub(super) fn each_run(
    blocks: u64,
    is_free: impl Fn(u64) -> bool,
    range_of: impl Fn(Range<u64>) -> Range<u64>,
    mut take: impl FnMut(Range<u64>),
) {
    let mut began = None;
    for block in 0..=blocks {
        if block < blocks && is_free(block) {
            began.get_or_insert(block);
        } else if let Some(first) = began.take() {
            take(range_of(first..block));
        }
    }
}
