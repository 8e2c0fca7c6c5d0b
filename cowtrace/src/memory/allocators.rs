//! Which allocator an anonymous mapping belongs to, where what it holds shows it: what the allocator keeps about its
//! memory leads to the mapping and back. That a library is there says nothing: others map memory, too.

mod jemalloc;
mod peek;
mod zend;

use std::path::Path;

use crate::run::{Kind, Mapping};
use jemalloc::ExtentTree;
use peek::{Peek, ProcessPeek, UNIT};
use zend::ZendHeaps;

const JEMALLOC: &str = "[jemalloc]";
const ZEND_HEAP: &str = "[zend heap]";
/// Largest mappings of a process that are looked at.
const MOST_MAPPINGS: usize = 256;
/// Pieces that are followed from the beginning of a mapping.
const FOLLOWED: usize = 256;
/// Places that are looked at behind them.
const PROBES: u64 = 16;

/// Names those of some mappings, given by index, that an allocator fills. `mappings` are all of the process, sorted,
/// with the pages that are present.
pub fn name_by_contents(
    root: &Path,
    pid: u32,
    page_bytes: u64,
    mappings: &mut [Mapping],
    wanted: &[usize],
) {
    let is_open = |mapping: &Mapping| {
        mapping.kind == Kind::Anon
            && mapping.name == Mapping::UNNAMED
            && mapping.perms == "rw-p"
            && mapping.resident_pages > 0
            && mapping.size_bytes() >= UNIT
    };
    let mut wanted = wanted.to_vec();
    wanted.retain(|&at| is_open(&mappings[at]));
    if wanted.is_empty() {
        return;
    }
    let Some(mut peek) = ProcessPeek::open(root, pid, page_bytes) else {
        return;
    };
    wanted.sort_by_key(|&at| std::cmp::Reverse(mappings[at].size_bytes()));
    wanted.truncate(MOST_MAPPINGS);
    for (at, name) in names(&mut peek, mappings, &wanted) {
        name.clone_into(&mut mappings[at].name);
    }
}

fn names(
    peek: &mut impl Peek,
    mappings: &[Mapping],
    wanted: &[usize],
) -> Vec<(usize, &'static str)> {
    let open: Vec<&Mapping> = wanted.iter().map(|&at| &mappings[at]).collect();
    let tree = ExtentTree::find(peek, mappings, &open);
    let mut heaps = ZendHeaps::default();
    // A mapping may hold nothing but blocks that another one's heap lists.
    let others = mappings
        .iter()
        .filter(|it| it.kind == Kind::Anon && it.size_bytes() >= UNIT);
    for mapping in others.take(MOST_MAPPINGS) {
        let _ = heaps.end_of_piece(peek, unit_from(mapping.start));
    }
    let mut found = Vec::new();
    for &at in wanted {
        let mapping = &mappings[at];
        if is_filled(mapping, |place| heaps.end_of_piece(peek, place)) {
            found.push((at, ZEND_HEAP));
        } else if let Some(tree) = tree
            && is_filled(mapping, |place| tree.end_of_piece(peek, place))
        {
            found.push((at, JEMALLOC));
        }
    }
    found
}

/// Whether pieces of an allocator fill at least nine tenths of a mapping, as far as it is looked at. `end_of` gives the
/// end of the piece that has an address.
fn is_filled(mapping: &Mapping, mut end_of: impl FnMut(u64) -> Option<u64>) -> bool {
    let (mut at, mut filled) = (mapping.start, 0);
    for _ in 0..FOLLOWED {
        if at >= mapping.end {
            break;
        }
        let end = end_of(at).filter(|end| *end > at);
        if let Some(end) = end {
            filled += end.min(mapping.end) - at;
        }
        at = end.unwrap_or_else(|| unit_from(at.saturating_add(1)));
    }
    let at = at.min(mapping.end);
    let rest = mapping.end - at;
    let probes = (0..PROBES).map(|probe| (at + rest / PROBES * probe) / UNIT * UNIT);
    let hits = probes.filter(|place| end_of(*place).is_some()).count() as u64;
    // Both ends of a large piece may be too far away.
    let is_rest_filled = rest < UNIT || hits * 4 >= PROBES * 3;
    filled >= (at - mapping.start) / 10 * 9 && filled > 0 && is_rest_filled
}

/// The first beginning of a unit from an address on.
const fn unit_from(at: u64) -> u64 {
    at.div_ceil(UNIT).saturating_mul(UNIT)
}

#[cfg(test)]
mod tests;
