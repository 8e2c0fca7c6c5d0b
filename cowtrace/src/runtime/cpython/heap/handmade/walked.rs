//! Walks of handmade heaps of every version.

use std::{ops::Range, time::Duration};

use super::{
    super::{
        bytes::anonymous_mapping,
        contents,
        find::{Found, Limits, LivingInterpreter, finish_walk, prepare_walk},
        grown,
        memory::Memory,
        offsets::Offsets,
        regions::{PAGE, Regions},
        walk::Walk,
    },
    objects::{Heap, RUNTIME, START, TYPE},
};
use crate::{
    memory::PresentPages,
    run::{Grown, HeapContents, Mapping},
    runtime::cpython::layout::Layout,
};

/// Versions that are supported.
pub(crate) fn versions() -> Vec<Offsets> {
    let by_number = (0x0308..=0x030c).filter_map(Offsets::of_version).copied();
    // Places for the roots, as a release could have them.
    let layout = Layout::of_version(0x030c_00f0).map(|layout| Layout {
        modules: 944,
        ..layout
    });
    let by_table = [0x030d, 0x030e, 0x030f].into_iter();
    let by_table = by_table.filter_map(|version| Offsets::of_table(version, false, &layout?));
    by_number.chain(by_table).collect()
}

impl Heap {
    #[cfg(test)]
    pub(crate) fn find(&self, addresses: Vec<u64>) -> Result<Found, &'static str> {
        self.find_in(addresses, &[super::objects::ALL], u16::MAX)
    }

    /// Finds what holds these addresses if only some ranges are mapped, and only some of every 16
    /// pages are present.
    pub(crate) fn find_in(
        &self,
        addresses: Vec<u64>,
        mapped: &[Range<u64>],
        present: u16,
    ) -> Result<Found, &'static str> {
        let (mut walk, pages) = self.walk(addresses, mapped, present)?;
        Ok(finish_walk(&mut walk, &pages))
    }

    /// Counts all objects in the same memory.
    pub(crate) fn count_in(
        &self,
        mapped: &[Range<u64>],
        present: u16,
    ) -> Result<HeapContents, &'static str> {
        let (mut walk, _) = self.walk(Vec::new(), mapped, present)?;
        Ok(contents::count_in(&mut walk, RUNTIME))
    }

    /// What lives on these pages of the same memory, as if they were new.
    pub(crate) fn grown_in(
        &self,
        new: &[Range<u64>],
        mapped: &[Range<u64>],
        present: u16,
    ) -> Result<Grown, &'static str> {
        let (mut walk, _) = self.walk(Vec::new(), mapped, present)?;
        let new = PresentPages::of_ranges(new.to_vec());
        Ok(grown::grown_in(&mut walk, RUNTIME, &new))
    }

    /// The walk that will find them, and the pages of each address.
    pub(crate) fn walk(
        &self,
        mut addresses: Vec<u64>,
        mapped: &[Range<u64>],
        present: u16,
    ) -> Result<(Walk<'_>, Vec<u32>), &'static str> {
        addresses.sort_unstable();
        addresses.dedup();
        let pages = vec![1; addresses.len()];
        let mappings: Vec<Mapping> = mapped
            .iter()
            .map(|range| anonymous_mapping(range.start, range.end, "rw-p"))
            .collect();
        let regions = Regions::of(&mappings, 1 << 10, |first, entries| {
            for (page, entry) in (first..).zip(entries.chunks_exact_mut(8)) {
                let bit = u64::from(present >> (page % 16) & 1);
                entry.copy_from_slice(&(bit << 63).to_ne_bytes());
            }
        });
        let read = move |at: u64, to: &mut [u8]| {
            let from = at
                .checked_sub(START)
                .and_then(|at| usize::try_from(at).ok());
            let found = from.and_then(|from| self.bytes.get(from..from.checked_add(to.len())?));
            found.map(|found| to.copy_from_slice(found)).is_some()
        };
        let memory = Memory::new(regions, 4 * PAGE as usize, Box::new(read));
        let interpreter = LivingInterpreter {
            type_type: TYPE,
            runtime: RUNTIME,
            offsets: vec![self.offsets],
        };
        let limits = Limits {
            time: Duration::from_secs(2),
            ..Limits::default()
        };
        Ok((
            prepare_walk(memory, &interpreter, addresses, &limits)?,
            pages,
        ))
    }
}
