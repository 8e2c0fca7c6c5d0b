//! The extents of jemalloc 5, on machines with addresses of 48 bits and pages of 4 KiB: a tree of two levels
//! (include/jemalloc/internal/rtree.h) has, for the first and the last page of each extent, the address of what it
//! keeps about it (`edata.h`, `extent_structs.h` before 5.3), and that has the extent's address and size. The root of the
//! tree, of 2 MiB, lies in the data that begins as zeros of the library or program. Blocks for jemalloc's own data
//! (`base.c`) say themselves where their unused rest ends.

use std::ops::Range;

use super::peek::{Peek, UNIT};
use crate::run::{Kind, Mapping};

const PAGE: u64 = 4096;
/// Both levels have as many bits of an address.
const LEVEL_BITS: u32 = 18;
const LEAF: u64 = (1 << LEVEL_BITS) - 1;
const ROOT_BYTES: u64 = 8 << LEVEL_BITS;
/// The bits of a leaf's entry that are an address: what jemalloc keeps about an extent has 128 bytes.
const ADDRESS: u64 = 0x0000_ffff_ffff_ff80;
/// `e_addr` and `e_size_esn`, whose low bits count.
const EXTENT_ADDRESS: u64 = 8;
const EXTENT_SIZE: u64 = 16;
/// Of a block for jemalloc's own data: the same of its unused rest, behind the block's size and the next block.
const REST_ADDRESS: u64 = 24;
const REST_SIZE: u64 = 32;
/// Pages that are searched for the end of an extent.
const NEAR: u64 = 512;
/// Mappings, the largest, by which the root is looked for, and places that may have it.
const TRIED: usize = 8;

/// Where the tree of a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExtentTree(u64);

impl ExtentTree {
    /// The tree in which one of the mappings is found by where they start, with its root in one of the places in
    /// `data`. Other data may lie where the root could be: each place is a part of its own.
    pub(super) fn find(
        peek: &mut impl Peek,
        data: &[Range<u64>],
        starts: impl Iterator<Item = u64>,
    ) -> Option<Self> {
        let starts: Vec<u64> = starts.take(TRIED).collect();
        data.iter().take(TRIED).find_map(|data| {
            peek.begin_part();
            starts.iter().find_map(|start| {
                let own = own_block(peek, *start);
                Self::find_in(peek, data, own.map_or(*start, |block| block.end))
            })
        })
    }

    /// The root in this data, if it leads to an extent near an address.
    fn find_in(peek: &mut impl Peek, data: &Range<u64>, address: u64) -> Option<Self> {
        let branch = branch_of(address)?;
        let last = data.end.checked_sub(ROOT_BYTES)?;
        let mut roots = (data.start..=last).step_by(8);
        roots.find_map(|root| {
            let is_used = peek.word(root + branch).is_some_and(|leaf| leaf != 0);
            let tree = is_used.then_some(Self(root))?;
            tree.extent_near(peek, address).map(|_| tree)
        })
    }

    /// The end of the extent, or of the block for jemalloc's own data, that has an address.
    pub(super) fn end_of_piece(self, peek: &mut impl Peek, at: u64) -> Option<u64> {
        let extent = self.extent_near(peek, at);
        let extent = extent.filter(|extent| extent.contains(&at));
        extent.or_else(|| own_block(peek, at)).map(|it| it.end)
    }

    /// The first extent that begins or ends in one of the pages from an address on.
    fn extent_near(self, peek: &mut impl Peek, at: u64) -> Option<Range<u64>> {
        let page = at / PAGE * PAGE;
        let mut pages = (0..NEAR).map_while(|next| page.checked_add(next * PAGE));
        // Without the branch there is nothing to find in any page.
        let found = pages.find_map(|page| match self.leaf(peek, page) {
            Some(leaf) => about_in(peek, leaf, page).map(|about| Some((page, about))),
            None => Some(None),
        });
        let (page, about) = found.flatten()?;
        let start = peek.word(about + EXTENT_ADDRESS)? / PAGE * PAGE;
        let size = peek.word(about + EXTENT_SIZE)? / PAGE * PAGE;
        let extent = start..start.checked_add(size)?;
        let ends = extent.contains(&page).then(|| [start, extent.end - PAGE])?;
        let mut leads_back = |end: u64| {
            let leaf = self.leaf(peek, end);
            leaf.and_then(|leaf| about_in(peek, leaf, end)) == Some(about)
        };
        (leads_back(ends[0]) && leads_back(ends[1])).then_some(extent)
    }

    /// The leaf for a page, by the root.
    fn leaf(self, peek: &mut impl Peek, page: u64) -> Option<u64> {
        peek.word(self.0.checked_add(branch_of(page)?)?)
    }
}

/// What jemalloc keeps about the extent of a page, by the leaf for it.
fn about_in(peek: &mut impl Peek, leaf: u64, page: u64) -> Option<u64> {
    let entry = leaf.checked_add(((page / PAGE) & LEAF) * 8)?;
    let is_entry = leaf != 0 && entry.is_multiple_of(8);
    let about = peek.word(is_entry.then_some(entry)?)? & ADDRESS;
    (about != 0).then_some(about)
}

/// Where the root has the branch of an address, if it is one of 48 bits.
fn branch_of(address: u64) -> Option<u64> {
    let branch = (address / PAGE) >> LEVEL_BITS;
    (branch <= LEAF).then_some(branch * 8)
}

/// Whether `data`, which lies behind a file's mapping, may be the file's data that begins as zeros, with room for the root.
pub(super) fn has_room_for_root(file: &Mapping, data: &Mapping) -> bool {
    file.kind == Kind::File
        && file.end == data.start
        && data.name == Mapping::UNNAMED
        && data.perms == "rw-p"
        && (ROOT_BYTES..2 * ROOT_BYTES).contains(&data.size_bytes())
}

/// The block for jemalloc's own data that begins at an address.
fn own_block(peek: &mut impl Peek, at: u64) -> Option<Range<u64>> {
    if !at.is_multiple_of(UNIT) {
        return None;
    }
    let size = peek.word(at)?;
    let block = at..at.checked_add(size).filter(|_| size.is_multiple_of(UNIT))?;
    let rest = peek.word(at + REST_ADDRESS)?;
    let ends = rest.checked_add(peek.word(at + REST_SIZE)?)?;
    (size > 0 && block.contains(&rest.checked_sub(1)?) && ends == block.end).then_some(block)
}
