//! The addresses whose write copied a page, for finding the variables that hold the object there. Kept by
//! inheritance, within a bound.

use std::collections::BTreeMap;

use crate::collect::processes::inheritance::Inheritance;

/// Distinct addresses that are kept, over all processes; up to 64 Ki more until the next sort: 8 MiB, and
/// half of that again while new addresses are sorted in.
const MAX_ADDRESSES: usize = 1 << 20;
/// Inheritances that are kept apart.
const MAX_HEAPS: usize = 64;
/// New addresses that are sorted in together: at least this many.
const LEAST_NEW: usize = 1 << 16;
/// Every address of a process fits; the other bits of a word hold the number of pages.
const ADDRESS_BITS: u32 = 48;
const COUNT_BITS: u32 = u64::BITS - ADDRESS_BITS;
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
const PAGE_BITS: u32 = 12;

/// Copied addresses by whose memory was copied.
#[derive(Debug, Default)]
pub(super) struct CopiedAddresses {
    inheritances: BTreeMap<Inheritance, Addresses>,
    /// Copied pages for whose address there was no room.
    pub(super) dropped: u64,
}

/// Addresses of one inheritance: each in the upper bits of a word, with its pages below.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    words: Vec<u64>,
    /// How many of the words are in order and different.
    sorted: usize,
    /// Pages of all of them.
    pub(super) pages: u64,
    /// Pages that are counted for another address of their page: there was no room.
    pub(super) by_page: u64,
}

impl CopiedAddresses {
    /// Counts copied pages for an address of an inheritance; returns whether there was room.
    pub(super) fn add(&mut self, inheritance: Inheritance, address: u64, pages: u64) -> bool {
        if address >> ADDRESS_BITS != 0
            || (self.inheritances.len() >= MAX_HEAPS
                && !self.inheritances.contains_key(&inheritance))
        {
            self.dropped += pages;
            return false;
        }
        let all: usize = self.inheritances.values().map(|it| it.words.len()).sum();
        if all >= MAX_ADDRESSES + LEAST_NEW {
            self.inheritances.values_mut().for_each(Addresses::sort);
        }
        let sorted: usize = self.inheritances.values().map(|it| it.sorted).sum();
        let inheritance = self.inheritances.entry(inheritance).or_default();
        if sorted < MAX_ADDRESSES {
            inheritance.add(address, pages);
            return true;
        }
        inheritance.sort();
        let is_kept = inheritance.add_known(address, pages);
        if !is_kept {
            self.dropped += pages;
        }
        is_kept
    }

    /// The inheritances, and how many of their pages were copied.
    pub(super) fn inheritances(&self) -> impl Iterator<Item = (Inheritance, u64)> {
        self.inheritances
            .iter()
            .map(|(inheritance, it)| (*inheritance, it.pages))
    }

    /// The addresses of an inheritance so far.
    pub(super) fn so_far(&self, inheritance: Inheritance) -> Addresses {
        let mut addresses = self
            .inheritances
            .get(&inheritance)
            .cloned()
            .unwrap_or_default();
        addresses.sort();
        addresses
    }

    /// All addresses by inheritance, most pages first.
    pub(super) fn into_inheritances(self) -> Vec<(Inheritance, Addresses)> {
        let mut inheritances: Vec<_> = self.inheritances.into_iter().collect();
        for (_, addresses) in &mut inheritances {
            addresses.sort();
        }
        inheritances.sort_by_key(|(_, addresses)| std::cmp::Reverse(addresses.pages));
        inheritances
    }
}

impl Addresses {
    fn add(&mut self, address: u64, pages: u64) {
        self.pages += pages;
        let mut left = pages;
        while left > 0 {
            let count = left.min(MAX_COUNT);
            self.words.push(address << COUNT_BITS | count);
            left -= count;
        }
        if self.words.len() - self.sorted >= LEAST_NEW.max(self.sorted / 2) {
            self.sort();
        }
    }

    /// Adds to an address that is kept already, or to one in the same page.
    fn add_known(&mut self, address: u64, pages: u64) -> bool {
        let after = self
            .words
            .partition_point(|word| word >> COUNT_BITS <= address);
        let page = |word: u64| word >> (COUNT_BITS + PAGE_BITS);
        let near = [after.checked_sub(1), Some(after)];
        let found = near.into_iter().flatten().find(|index| {
            self.words.get(*index).is_some_and(|word| {
                page(*word) == address >> PAGE_BITS && (word & MAX_COUNT) + pages <= MAX_COUNT
            })
        });
        let Some(index) = found else {
            return false;
        };
        self.words[index] += pages;
        self.pages += pages;
        if self.words[index] >> COUNT_BITS != address {
            self.by_page += pages;
        }
        true
    }

    /// Takes in the addresses of another inheritance.
    pub(super) fn join(&mut self, other: Self) {
        self.words.extend(other.words);
        self.sorted = 0;
        self.pages += other.pages;
        self.by_page += other.by_page;
        self.sort();
    }

    /// Sorts the words and merges those of one address, as far as the sum of their pages fits.
    fn sort(&mut self) {
        if self.sorted == self.words.len() {
            return;
        }
        self.words.sort_unstable();
        self.words.dedup_by(|next, before| {
            let count = (*next & MAX_COUNT) + (*before & MAX_COUNT);
            let is_same = *next >> COUNT_BITS == *before >> COUNT_BITS && count <= MAX_COUNT;
            if is_same {
                *before += *next & MAX_COUNT;
            }
            is_same
        });
        self.sorted = self.words.len();
    }

    /// Addresses in order, and the pages copied for each.
    pub(super) fn into_parts(self) -> (Vec<u64>, Vec<u32>) {
        let pages = self
            .words
            .iter()
            .map(|word| u32::try_from(word & MAX_COUNT).unwrap_or(u32::MAX))
            .collect();
        let mut addresses = self.words;
        for word in &mut addresses {
            *word >>= COUNT_BITS;
        }
        (addresses, pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Inheritance = Inheritance {
        process: 1,
        generation: 0,
    };
    const TWO: Inheritance = Inheritance {
        process: 1,
        generation: 1,
    };

    #[test]
    fn pages_of_an_address_are_added_up() {
        let mut copies = CopiedAddresses::default();
        for round in 0..3 {
            for index in 0..50_000 {
                copies.add(
                    ONE,
                    0x7f00_0000_0000 + index * 4096 + 8,
                    1 + u64::from(round == 2),
                );
            }
        }
        copies.add(TWO, 0x1000, 300_000);
        copies.add(ONE, u64::MAX, 5);
        assert_eq!(copies.dropped, 5);
        let inheritances = copies.into_inheritances();
        assert_eq!((inheritances[0].0, inheritances[0].1.pages), (TWO, 300_000));
        let (_, addresses) = inheritances.into_iter().nth(1).unwrap();
        let (addresses, pages) = addresses.into_parts();
        assert_eq!((addresses.len(), addresses[1]), (50_000, 0x7f00_0000_1008));
        assert!(pages.iter().all(|pages| *pages == 4));
    }

    #[test]
    fn a_full_table_counts_by_page_and_says_what_it_drops() {
        let mut copies = CopiedAddresses::default();
        let all = (MAX_ADDRESSES + LEAST_NEW) as u64;
        for index in 0..all {
            copies.add(ONE, index * 4096, 1);
        }
        copies.add(ONE, 8, 1);
        copies.add(ONE, 4096, 2);
        copies.add(ONE, (all + 7) * 4096, 4);
        copies.add(TWO, 4096, 1);
        let dropped = copies.dropped;
        let inheritances = copies.into_inheritances();
        let (_, addresses) = inheritances.into_iter().next().unwrap();
        assert_eq!((addresses.by_page, addresses.pages), (1, all + 3));
        assert_eq!(dropped, 5);
        assert_eq!(addresses.words.len() as u64, all);
    }
}
