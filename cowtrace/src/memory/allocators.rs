//! Which allocator an anonymous mapping belongs to, where what it holds shows it: what the allocator keeps about its
//! memory leads to the mapping and back. That a library is there says nothing: others map memory, too.

mod jemalloc;
mod peek;
mod zend;

use std::{cmp::Reverse, ops::Range, path::Path};

use crate::run::{Kind, Mapping};
use jemalloc::{ExtentTree, has_room_for_root};
use peek::{Peek, ProcessPeek, UNIT};
use zend::ZendHeaps;

/// Largest mappings of a process that are looked at.
const MOST_MAPPINGS: usize = 256;
/// Pieces that are followed from the beginning of a mapping, or units among which the first chunk of PHP is looked for.
const FOLLOWED: usize = 256;
/// Places that are looked at behind them.
const PROBES: u64 = 16;

/// Where a process has memory that may be an allocator's, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LargeMemory {
    /// Large anonymous mappings without a name, the largest first.
    mappings: Vec<Range<u64>>,
    /// What may have the root of jemalloc's tree.
    zero_data: Vec<Range<u64>>,
}

impl LargeMemory {
    /// Of all mappings of a process, in order, with the pages that are present.
    pub fn of<'a>(mappings: impl Iterator<Item = &'a Mapping>) -> Self {
        let mut found = Self::default();
        let mut before = None;
        for mapping in mappings {
            if before.is_some_and(|before| has_room_for_root(before, mapping)) {
                found.zero_data.push(mapping.start..mapping.end);
            }
            if is_open(mapping) {
                found.mappings.push(mapping.start..mapping.end);
            }
            before = Some(mapping);
        }
        found
            .mappings
            .sort_by_key(|it| (Reverse(it.end - it.start), it.start));
        found.mappings.truncate(MOST_MAPPINGS);
        found
    }

    /// The mappings that are to be looked at, the largest first.
    #[must_use]
    pub fn mappings(&self) -> &[Range<u64>] {
        &self.mappings
    }
}

/// Whether only its contents can show what a mapping is for.
fn is_open(mapping: &Mapping) -> bool {
    mapping.kind == Kind::Anon
        && mapping.name == Mapping::UNNAMED
        && mapping.perms == "rw-p"
        && mapping.resident_pages > 0
        && mapping.size_bytes() >= UNIT
}

/// The name of the allocator that fills each of the `wanted` ones of a process's mappings, if one does. Reads the
/// process's memory, so not where anything waits.
#[must_use]
pub fn find_allocators(
    root: &Path,
    pid: u32,
    page_bytes: u64,
    memory: &LargeMemory,
    wanted: &[Range<u64>],
) -> Vec<Option<&'static str>> {
    match ProcessPeek::open(root, pid, page_bytes) {
        Some(mut peek) => names(&mut peek, memory, wanted),
        None => vec![None; wanted.len()],
    }
}

fn names(
    peek: &mut impl Peek,
    memory: &LargeMemory,
    wanted: &[Range<u64>],
) -> Vec<Option<&'static str>> {
    let mut heaps = ZendHeaps::default();
    // A mapping may hold nothing but blocks that another one's heap lists.
    for mapping in &memory.mappings {
        heaps.look_for(peek, units(mapping));
    }
    peek.begin_part();
    let mut is_zend =
        |mapping: &Range<u64>| is_filled(mapping, |place| heaps.end_of_piece(peek, place));
    let name = |mapping| is_zend(mapping).then_some(Mapping::ZEND_HEAP);
    let mut names: Vec<_> = wanted.iter().map(name).collect();
    let open = wanted.iter().zip(&mut names);
    let open: Vec<_> = open.filter(|(_, name)| name.is_none()).collect();
    let starts = open.iter().map(|(mapping, _)| mapping.start);
    if let Some(tree) = ExtentTree::find(peek, &memory.zero_data, starts) {
        peek.begin_part();
        for (mapping, name) in open {
            let is_ours = is_filled(mapping, |place| tree.end_of_piece(peek, place));
            *name = is_ours.then_some(Mapping::JEMALLOC);
        }
    }
    names
}

/// Whether pieces of an allocator fill at least nine tenths of a mapping, as far as it is looked at. `end_of` gives the
/// end of the piece that has an address.
fn is_filled(mapping: &Range<u64>, mut end_of: impl FnMut(u64) -> Option<u64>) -> bool {
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

/// Where the first units of a mapping begin.
fn units(mapping: &Range<u64>) -> impl Iterator<Item = u64> {
    let (first, end) = (unit_from(mapping.start), mapping.end);
    let all = (0..).map(move |unit| first.saturating_add(unit * UNIT));
    all.take_while(move |at| *at < end).take(FOLLOWED)
}

/// The first beginning of a unit from an address on.
const fn unit_from(at: u64) -> u64 {
    at.div_ceil(UNIT).saturating_mul(UNIT)
}

#[cfg(test)]
mod tests;
