//! What lies on some of the pages: for a sample of the copied pages and of the others, the nodes of the tree
//! whose objects lie there, and how much of each.

use std::ops::Range;

use super::{
    landmarks::mix_number,
    memory::Memory,
    paths::{PathNode, ROOT},
    regions::{ChunkPlace, PAGE, PAGES_A_CHUNK},
};

use crate::run::ReadingReach;

/// Most copied pages that are looked at, and most others. A variable with 1 % of the copies has some 330 of
/// them: its figures are accurate to 6 %.
pub(super) const MAX_PAGES: usize = 1 << 15;
/// Nodes of a page that are kept apart.
const MAX_LYING: usize = 8;
/// Bytes of a sampled page.
pub(super) const BYTES_A_PAGE: usize = size_of::<SampledPage>();
/// Most steps by which the nodes of a full page are joined.
const MAX_JOINS: usize = 64;
/// Allocators round the size of an object up to this, bytes.
const ALIGNMENT: u64 = 16;

/// What lies on a page under one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartOfPage {
    pub(super) node: u32,
    pub(super) bytes: u16,
    /// Whether a reference count is among it: reading writes nothing else.
    pub(super) has_counts: bool,
    /// Whether a header of the collector is among it.
    pub(super) has_headers: bool,
}

const NOTHING: PartOfPage = PartOfPage {
    node: ROOT,
    bytes: 0,
    has_counts: false,
    has_headers: false,
};

/// A page that is looked at.
#[derive(Clone, Debug)]
pub(super) struct SampledPage {
    pub(super) address: u64,
    pub(super) is_copied: bool,
    /// Whether nodes were joined because there were too many.
    pub(super) is_joined: bool,
    parts: [PartOfPage; MAX_LYING],
}

/// How many pages there are, and how many of them are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageCount {
    pub(super) all: usize,
    pub(super) sampled: usize,
}

/// The sampled pages of a memory.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    /// By address.
    pub(super) pages: Vec<SampledPage>,
    pub(super) copied: PageCount,
    pub(super) others: PageCount,
    /// For each page of the memory, the first sampled page at or after it.
    first: Vec<u32>,
}

impl PartOfPage {
    fn join(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.has_counts |= other.has_counts;
        self.has_headers |= other.has_headers;
    }
}

impl SampledPage {
    const fn new(address: u64, is_copied: bool) -> Self {
        Self {
            address,
            is_copied,
            is_joined: false,
            parts: [NOTHING; MAX_LYING],
        }
    }

    /// What lies on it.
    pub(super) fn parts(&self) -> &[PartOfPage] {
        let used = self.parts.iter().position(|part| part.bytes == 0);
        &self.parts[..used.unwrap_or(MAX_LYING)]
    }

    #[inline]
    fn add(&mut self, part: PartOfPage, nodes: &[PathNode]) {
        for known in &mut self.parts {
            if known.bytes == 0 {
                *known = part;
                return;
            }
            if known.node == part.node {
                known.join(part);
                return;
            }
        }
        self.join(part, nodes);
    }

    /// Makes room for another node: the deepest ones become the nodes above them, until two are the same. Where
    /// all are roots, the smallest is left out.
    #[cold]
    fn join(&mut self, part: PartOfPage, nodes: &[PathNode]) {
        self.is_joined = true;
        let mut all = [part; MAX_LYING + 1];
        all[..MAX_LYING].copy_from_slice(&self.parts);
        let mut left_out = MAX_LYING;
        for _ in 0..MAX_JOINS {
            let depth = |part: &PartOfPage| {
                let node = nodes.get(part.node as usize);
                node.filter(|node| node.parent != ROOT)
                    .map(|node| (node.depth, part.node))
            };
            let Some(deepest) = (0..all.len()).max_by_key(|index| depth(&all[*index])) else {
                break;
            };
            if depth(&all[deepest]).is_none() {
                left_out = (0..all.len())
                    .min_by_key(|index| all[*index].bytes)
                    .unwrap_or(0);
                break;
            }
            all[deepest].node = nodes[all[deepest].node as usize].parent;
            let joined = all[deepest];
            let same = (0..all.len()).find(|it| *it != deepest && all[*it].node == joined.node);
            if let Some(same) = same {
                all[same].join(joined);
                left_out = deepest;
                break;
            }
        }
        all.swap(left_out, MAX_LYING);
        self.parts.copy_from_slice(&all[..MAX_LYING]);
    }
}

impl Occupancy {
    /// Of a memory in which these addresses were copied, given in order; empty if there are none.
    pub(super) fn new(addresses: &[u64], memory: &mut Memory<'_>) -> Self {
        if addresses.is_empty() {
            return Self::default();
        }
        let mut copied: Vec<u64> = addresses.iter().map(|at| at & !(PAGE - 1)).collect();
        copied.dedup();
        copied.retain(|page| memory.place(*page).is_some());
        let is_other = |page: &u64| copied.binary_search(page).is_err();
        let others = || memory.regions.present_pages().filter(is_other);
        let counts = [copied.len(), others().count()];
        let mut pages: Vec<SampledPage> = sample_of(copied.iter().copied(), counts[0])
            .map(|page| SampledPage::new(page, true))
            .collect();
        let sampled = [pages.len(), counts[1].min(MAX_PAGES)];
        pages.extend(sample_of(others(), counts[1]).map(|page| SampledPage::new(page, false)));
        pages.sort_unstable_by_key(|page| page.address);
        let count = |kind: usize| PageCount {
            all: counts[kind],
            sampled: sampled[kind],
        };
        Self {
            first: first_in(&pages, memory),
            pages,
            copied: count(0),
            others: count(1),
        }
    }

    /// On how many of the pages a reference count lies, by those that are looked at; none if none is.
    pub(super) fn reading_reach(&self) -> Option<ReadingReach> {
        let with_counts = |is_copied: bool, count: PageCount| {
            let pages = self.pages.iter().filter(|page| page.is_copied == is_copied);
            let found = pages.filter(|page| page.parts().iter().any(|part| part.has_counts));
            found.count() as u64 * count.all as u64 / count.sampled.max(1) as u64
        };
        let found = with_counts(true, self.copied) + with_counts(false, self.others);
        let pages = (self.copied.all + self.others.all) as u64;
        (!self.pages.is_empty()).then(|| ReadingReach {
            pages,
            with_counts: found.min(pages),
        })
    }

    /// Whether only some of the copied pages are looked at.
    pub(super) const fn is_sample(&self) -> bool {
        self.copied.sampled < self.copied.all
    }

    /// Notes that a range belongs to a node. In an object's, `counts` is the address of its reference count, which
    /// comes after the collector's header.
    #[inline]
    pub(super) fn note(
        &mut self,
        place: Option<ChunkPlace>,
        range: Range<u64>,
        counts: Option<u64>,
        node: u32,
        nodes: &[PathNode],
    ) {
        let mut index = match place {
            Some(place) => {
                let page =
                    place.chunk as usize * PAGES_A_CHUNK + (place.offset as usize / PAGE as usize);
                match self.first.get(page) {
                    Some(first) => *first as usize,
                    None => return,
                }
            }
            None => self
                .pages
                .partition_point(|page| page.address + PAGE <= range.start),
        };
        let end = range.end.saturating_add(ALIGNMENT - 1) & !(ALIGNMENT - 1);
        while let Some(page) = self.pages.get_mut(index).filter(|page| page.address < end) {
            let start = page.address;
            let bytes = end.min(start + PAGE).saturating_sub(range.start.max(start));
            if bytes > 0 {
                let is_here = |at: u64| (start..start + PAGE).contains(&at);
                let part = PartOfPage {
                    node,
                    bytes: bytes as u16,
                    has_counts: counts.is_some_and(is_here),
                    has_headers: counts.is_some_and(|at| at > range.start) && is_here(range.start),
                };
                page.add(part, nodes);
            }
            index += 1;
        }
    }
}

/// For each page of a memory, the first of the sampled pages that ends after it begins.
fn first_in(pages: &[SampledPage], memory: &Memory<'_>) -> Vec<u32> {
    let mut first = Vec::with_capacity(memory.regions.chunks() * PAGES_A_CHUNK);
    for chunk in 0..memory.regions.chunks() {
        let start = memory.regions.start_of(chunk as u32);
        let mut index = pages.partition_point(|page| page.address + PAGE <= start);
        for page in 0..PAGES_A_CHUNK as u64 {
            let at = start + page * PAGE;
            while pages
                .get(index)
                .is_some_and(|page| page.address + PAGE <= at)
            {
                index += 1;
            }
            first.push(index as u32);
        }
    }
    first
}

/// At most [`MAX_PAGES`] of this many, one of each of as many parts, at random: pools have several pages, and
/// a regular choice could find the same one of each.
fn sample_of(pages: impl Iterator<Item = u64>, all: usize) -> impl Iterator<Item = u64> {
    let most = all.min(MAX_PAGES) as u64;
    let all = all as u64;
    let (mut part, mut wanted) = (0, chosen_in(0, all, most));
    (0..).zip(pages).filter_map(move |(index, page)| {
        let is_chosen = part < most && index == wanted;
        if is_chosen {
            part += 1;
            wanted = chosen_in(part, all, most);
        }
        is_chosen.then_some(page)
    })
}

/// The one chosen of a part, where `all` are divided into `most` parts.
fn chosen_in(part: u64, all: u64, most: u64) -> u64 {
    let most = most.max(1);
    let (start, end) = (part * all / most, (part + 1) * all / most);
    start + mix_number(part) % (end - start).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::cpython::heap::{
        bytes::Bytes,
        paths::{PathLabel, Tree},
    };

    const START: u64 = 0x100_0000;

    #[test]
    fn an_object_counts_on_each_page_where_it_lies() {
        let bytes = Bytes::new(START, 0x4000);
        let mut memory = bytes.memory();
        let copied = [START + 8, START + 16, START + PAGE * 2];
        let mut occupancy = Occupancy::new(&copied, &mut memory);
        assert_eq!(occupancy.copied, PageCount { all: 2, sampled: 2 });
        assert_eq!(occupancy.others, PageCount { all: 2, sampled: 2 });
        assert!(!occupancy.is_sample());
        let mut note = |start: u64, end: u64, counts, node| {
            let place = memory.place(START + start);
            let range = START + start..START + end;
            occupancy.note(place, range, counts, node, &[]);
        };
        note(0, 77, Some(START + 16), 1);
        note(PAGE - 32, PAGE * 2 + 64, Some(START + PAGE - 16), 1);
        note(PAGE * 3, PAGE * 3 + 8, None, 2);
        let part = |node, bytes, has_counts| PartOfPage {
            node,
            bytes,
            has_counts,
            has_headers: has_counts,
        };
        let found: Vec<_> = occupancy.pages.iter().map(SampledPage::parts).collect();
        let page = PAGE as u16;
        assert_eq!(found[0], [part(1, 80 + 32, true)]);
        assert_eq!(found[1], [part(1, page, false)]);
        assert_eq!(found[2], [part(1, 64, false)]);
        assert_eq!(found[3], [part(2, 16, false)]);
    }

    #[test]
    fn where_too_many_lie_the_deepest_are_joined_first() {
        let mut tree = Tree::default();
        let module = tree.add(ROOT, PathLabel::module(1), 1).unwrap();
        let mut child = |parent, index| tree.add(parent, PathLabel::index(index), 2).unwrap();
        let large = child(module, 0);
        let other = child(module, 1);
        let deep: Vec<u32> = (0..20).map(|index| child(other, index)).collect();
        let mut page = SampledPage::new(START, true);
        let part = |node| PartOfPage {
            node,
            bytes: 100,
            has_counts: true,
            has_headers: false,
        };
        page.add(part(large), &tree.nodes);
        for node in deep {
            page.add(part(node), &tree.nodes);
        }
        let bytes = |node| {
            let parts = page.parts().iter().filter(move |part| part.node == node);
            parts.map(|part| part.bytes).sum::<u16>()
        };
        assert!(page.is_joined);
        assert_eq!(bytes(large), 100);
        assert_eq!(
            page.parts().iter().map(|part| part.bytes).sum::<u16>(),
            2100
        );
        assert!(
            bytes(other) > 1000 && bytes(module) == 0,
            "{:?}",
            page.parts()
        );
    }

    #[test]
    fn of_many_pages_one_of_each_part_is_looked_at() {
        let pages = |all: usize| sample_of((0..).take(all), all).collect::<Vec<u64>>();
        assert_eq!(pages(100), (0..100).collect::<Vec<u64>>());
        let found = pages(MAX_PAGES * 4);
        assert_eq!(found.len(), MAX_PAGES);
        assert!(found.iter().zip(0..).all(|(page, part)| page / 4 == part));
        // Pools of four pages: each of the four is found as often.
        for place in 0..4 {
            let count = found.iter().filter(|page| *page % 4 == place).count();
            assert!(count.abs_diff(MAX_PAGES / 4) < MAX_PAGES / 40, "{count}");
        }
        assert_eq!(pages(MAX_PAGES + 5).len(), MAX_PAGES);
        assert!(pages(0).is_empty());
    }
}
