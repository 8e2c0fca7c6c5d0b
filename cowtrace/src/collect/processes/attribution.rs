//! Which region a copy belongs to: the parent's mappings as they were at fork, against addresses.
//!
//! Addresses are equal in parent and child at fork, so a child's address finds its parent's
//! region. Pure arithmetic; [`layouts`](super::layouts) reads the mappings.

mod filled;
mod index;

use std::{collections::HashMap, ops::Range, rc::Rc};

use filled::FilledRegions;
use index::RegionIndex;

use crate::run::{Kind, Mapping, Region, Sources};

/// A process's mappings at one moment, each with the region it belongs to.
#[derive(Debug, Default)]
pub(in crate::collect) struct MappingLayout {
    entries: Vec<Entry>,
    is_counted: bool,
}

#[derive(Debug)]
struct Entry {
    mapping: Mapping,
    region: u32,
}

/// Where a range lies in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collect) struct MappedPlace<'a> {
    /// The region.
    pub(in crate::collect) region: u32,
    /// The mapping, as it was when the layout was read.
    pub(in crate::collect) mapping: &'a Mapping,
    /// Whether another mapping that can be copied also lies in the range.
    pub(in crate::collect) is_mixed: bool,
}

impl MappingLayout {
    /// Where a range lies: of the mappings in it that can be copied, the one that has most of it;
    /// if none can, the one that has most of it; none if no mapping has any.
    pub(in crate::collect) fn place(&self, start: u64, bytes: u64) -> Option<MappedPlace<'_>> {
        let end = start.saturating_add(bytes);
        let first = self
            .entries
            .partition_point(|entry| entry.mapping.end <= start);
        let overlap = |entry: &Entry| entry.mapping.end.min(end) - entry.mapping.start.max(start);
        let inside: Vec<&Entry> = self.entries[first..]
            .iter()
            .take_while(|entry| entry.mapping.start < end)
            .collect();
        let writable = |entry: &&Entry| entry.mapping.is_copy_on_write();
        let candidates = inside.iter().copied().filter(writable).count();
        let best = inside
            .into_iter()
            .max_by_key(|entry| (writable(entry), overlap(entry)))?;
        Some(MappedPlace {
            region: best.region,
            mapping: &best.mapping,
            is_mixed: candidates > 1,
        })
    }

    /// The region that an address lies in.
    pub(in crate::collect) fn region_at(&self, address: u64) -> Option<u32> {
        let first = self
            .entries
            .partition_point(|entry| entry.mapping.end <= address);
        let entry = self.entries.get(first)?;
        entry.mapping.contains(address).then_some(entry.region)
    }

    /// Every mapping, by address.
    pub(in crate::collect) fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.entries.iter().map(|entry| &entry.mapping)
    }

    /// Whether the present pages of its mappings could be counted.
    pub(in crate::collect) const fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Present pages that a child can copy, as far as they were counted.
    pub(in crate::collect) fn inherited_pages(&self) -> u64 {
        self.mappings()
            .filter(|mapping| mapping.is_copy_on_write())
            .map(|mapping| mapping.resident_pages)
            .sum()
    }
}

/// The regions of a run, and which layouts they stand in.
#[derive(Debug, Default)]
pub(in crate::collect) struct RegionTable {
    regions: Vec<Region>,
    index: RegionIndex,
    filled: FilledRegions,
}

impl RegionTable {
    /// Takes a process's mappings in. A mapping that has grown or shrunk stays the same region.
    pub(in crate::collect) fn layout(
        &mut self,
        process: u32,
        mut mappings: Vec<Mapping>,
        is_counted: bool,
    ) -> Rc<MappingLayout> {
        mappings.sort_by_key(|mapping| mapping.start);
        let entries = mappings
            .into_iter()
            .map(|mapping| Entry {
                region: self.region_of(process, &mapping),
                mapping,
            })
            .collect();
        Rc::new(MappingLayout {
            entries,
            is_counted,
        })
    }

    fn region_of(&mut self, process: u32, mapping: &Mapping) -> u32 {
        let new = u32::try_from(self.regions.len()).unwrap_or(u32::MAX);
        let id = self.index.region_of(process, mapping, new);
        if let Some(region) = self.regions.get_mut(id as usize) {
            region.mapping = Mapping {
                start: region.mapping.start.min(mapping.start),
                end: region.mapping.end.max(mapping.end),
                ..mapping.clone()
            };
            return id;
        }
        self.regions.push(Region {
            id,
            process_id: process,
            mapping: mapping.clone(),
            inheritors: 0,
            inherited_pages: 0,
            copied_pages: 0,
            unshared_pages: 0,
        });
        id
    }

    /// Notes that a process inherited a layout.
    pub(in crate::collect) fn inherit(&mut self, layout: &MappingLayout) {
        for entry in layout
            .entries
            .iter()
            .filter(|entry| entry.mapping.is_copy_on_write())
        {
            if let Some(region) = self.regions.get_mut(entry.region as usize) {
                region.inheritors += 1;
                region.inherited_pages += entry.mapping.resident_pages;
            }
        }
    }

    /// Notes that a process had inherited a layout only to pass it on.
    pub(in crate::collect) fn disinherit(&mut self, layout: &MappingLayout) {
        for entry in layout
            .entries
            .iter()
            .filter(|entry| entry.mapping.is_copy_on_write())
        {
            if let Some(region) = self.regions.get_mut(entry.region as usize) {
                region.inheritors = region.inheritors.saturating_sub(1);
                let pages = entry.mapping.resident_pages;
                region.inherited_pages = region.inherited_pages.saturating_sub(pages);
            }
        }
    }

    /// Adds copies to a region's sums.
    pub(in crate::collect) fn count(&mut self, region: u32, copied: &Sources) {
        if let Some(region) = self.regions.get_mut(region as usize) {
            region.copied_pages += copied.total();
            region.unshared_pages += copied.total() - copied.zero;
        }
    }

    /// Takes in which allocator fills a mapping of a region, if one does.
    pub(in crate::collect) fn note_allocator(
        &mut self,
        region: u32,
        mapping: Range<u64>,
        name: Option<&'static str>,
    ) {
        self.filled.note(region, mapping, name);
    }

    /// The regions worth telling as they are now, with copies that are not counted here yet: those
    /// with copies, and all that `keep` names.
    pub(in crate::collect) fn so_far(
        &self,
        live: &HashMap<u32, Sources>,
        keep: impl Fn(&Region) -> bool,
    ) -> Vec<Region> {
        let with_live = |region: &Region| {
            let live = live.get(&region.id);
            let copied = region.copied_pages + live.map_or(0, Sources::total);
            (copied > 0 || keep(region)).then(|| {
                let zero = live.map_or(0, |live| live.zero);
                self.filled.shown(Region {
                    copied_pages: copied,
                    unshared_pages: region.unshared_pages + live.map_or(0, Sources::total) - zero,
                    ..region.clone()
                })
            })
        };
        self.regions.iter().filter_map(with_live).collect()
    }

    /// The regions worth telling: those with copies, and all of the processes that `keep` names.
    pub(in crate::collect) fn into_regions(self, keep: impl Fn(u32) -> bool) -> Vec<Region> {
        let told = |region: &Region| region.copied_pages > 0 || keep(region.process_id);
        let shown = |region| self.filled.shown(region);
        self.regions.into_iter().filter(told).map(shown).collect()
    }
}

/// The source of copies that the backend does not know, from the mapping they were made in: only
/// a private file mapping can hold both file and anonymous pages.
pub(in crate::collect) fn refine_unknown(pages: u64, mapping: Option<&Mapping>) -> Sources {
    let mut sources = Sources::default();
    let is_file = |mapping: &Mapping| mapping.kind == Kind::File && mapping.resident_pages > 0;
    match mapping {
        Some(mapping) if mapping.mergeable => sources.unknown = pages,
        Some(mapping) if mapping.kind.is_anonymous() => sources.anon = pages,
        Some(mapping) if is_file(mapping) && mapping.anonymous_pages == 0 => sources.file = pages,
        Some(mapping) if is_file(mapping) && mapping.anonymous_pages == mapping.resident_pages => {
            sources.anon = pages;
        }
        _ => sources.unknown = pages,
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, end: u64, name: &str) -> Mapping {
        Mapping {
            start,
            end,
            name: name.into(),
            kind: Kind::Anon,
            perms: "rw-p".into(),
            offset: 0,
            resident_pages: (end - start) / 4096,
            anonymous_pages: (end - start) / 4096,
            huge_page_bytes: 0,
            mergeable: false,
        }
    }

    #[test]
    fn an_address_finds_the_mapping_around_it_and_none_in_a_hole() {
        let mut table = RegionTable::default();
        let layout = table.layout(
            0,
            vec![
                mapping(0x20_0000, 0x30_0000, "b"),
                mapping(0x1000, 0x2000, "a"),
            ],
            true,
        );
        assert_eq!(layout.place(0x1000, 0x1000).unwrap().region, 0);
        assert_eq!(layout.place(0x2f_f000, 0x1000).unwrap().region, 1);
        assert_eq!(layout.place(0x2000, 0x1000), None);
        assert_eq!(layout.place(0x30_0000, 0x1000), None);
    }

    #[test]
    fn a_range_over_two_mappings_goes_to_the_larger_part_and_says_so() {
        let mut table = RegionTable::default();
        let layout = table.layout(
            0,
            vec![
                mapping(0x1_0000, 0x1_3000, "a"),
                mapping(0x1_3000, 0x3_0000, "b"),
            ],
            true,
        );
        let place = layout.place(0x1_0000, 0x1_0000).unwrap();
        assert_eq!(
            (place.region, place.mapping.name.as_str(), place.is_mixed),
            (1, "b", true)
        );
        assert!(!layout.place(0x2_0000, 0x1_0000).unwrap().is_mixed);
    }

    #[test]
    fn a_range_with_one_writable_mapping_is_that_mappings() {
        let mut table = RegionTable::default();
        let code = Mapping {
            perms: "r-xp".into(),
            ..mapping(0x1_0000, 0x1_f000, "/lib/x.so")
        };
        let data = mapping(0x1_f000, 0x2_1000, "/lib/x.so");
        let layout = table.layout(0, vec![code, data], true);
        let place = layout.place(0x1_0000, 0x1_0000).unwrap();
        assert_eq!((place.region, place.is_mixed), (1, false));
    }

    #[test]
    fn a_grown_mapping_stays_the_same_region() {
        let mut table = RegionTable::default();
        let before = table.layout(0, vec![mapping(0x1000, 0x2000, "[inheritance]")], true);
        let after = table.layout(0, vec![mapping(0x1000, 0x9000, "[inheritance]")], true);
        assert_eq!(
            before.place(0x1000, 0x1000).unwrap().region,
            after.place(0x8000, 0x1000).unwrap().region
        );
        assert_eq!(
            before.place(0x8000, 0x1000),
            None,
            "the worker forked before has no such memory"
        );
        assert_eq!(table.into_regions(|_| true).len(), 1);
    }

    #[test]
    fn the_same_addresses_in_another_process_are_another_region() {
        let mut table = RegionTable::default();
        let one = table.layout(0, vec![mapping(0x1000, 0x2000, "[inheritance]")], true);
        let two = table.layout(7, vec![mapping(0x1000, 0x2000, "[inheritance]")], true);
        assert_ne!(
            one.place(0x1000, 1).unwrap().region,
            two.place(0x1000, 1).unwrap().region
        );
    }

    #[test]
    fn a_region_is_called_by_its_allocator_as_far_as_that_was_found() {
        let mut table = RegionTable::default();
        let anon = |end| vec![mapping(0x10_0000, end, Mapping::UNNAMED)];
        let names = |table: &RegionTable| {
            let regions = table.so_far(&HashMap::new(), |_| true);
            let names = regions.into_iter().map(|region| region.mapping.name);
            names.collect::<Vec<_>>()
        };
        table.layout(0, anon(0x20_0000), true);
        table.note_allocator(0, 0x10_0000..0x20_0000, Some("[jemalloc]"));
        assert_eq!(names(&table), ["[jemalloc]"]);
        // It stays the same region, whose new part nobody has looked at.
        table.layout(0, anon(0x30_0000), true);
        assert_eq!(names(&table), ["[anon]"]);
        table.note_allocator(0, 0x10_0000..0x30_0000, Some("[jemalloc]"));
        assert_eq!(names(&table), ["[jemalloc]"]);
        // A small part of it that is not recognized, and all of it.
        table.note_allocator(0, 0x2f_0000..0x30_0000, None);
        assert_eq!(names(&table), ["[jemalloc]"]);
        table.note_allocator(0, 0x10_0000..0x30_0000, None);
        assert_eq!(names(&table), ["[anon]"]);
        table.note_allocator(0, 0x10_0000..0x30_0000, Some("[zend heap]"));
        let at_end = table.into_regions(|_| true);
        assert_eq!(at_end[0].mapping.name, "[zend heap]");
    }

    #[test]
    fn zero_page_fills_unshare_nothing_and_the_owners_copies_do() {
        let mut table = RegionTable::default();
        let layout = table.layout(0, vec![mapping(0x1000, 0x5000, "m")], true);
        table.inherit(&layout);
        let inheritors = Sources {
            anon: 1,
            zero: 2,
            ..Sources::default()
        };
        let owners = Sources {
            anon: 1,
            ..Sources::default()
        };
        table.count(0, &inheritors);
        table.count(0, &owners);
        let regions = table.into_regions(|_| false);
        assert_eq!(regions[0].copied_pages, 4);
        assert_eq!(regions[0].unshared_fraction(), Some(0.5));
    }

    #[test]
    fn a_file_mapping_tells_its_source_only_when_all_its_pages_agree() {
        let mut file = Mapping {
            kind: Kind::File,
            ..mapping(0x1000, 0x5000, "/lib/x.so")
        };
        assert_eq!(refine_unknown(3, Some(&file)).anon, 3);
        file.anonymous_pages = 1;
        assert_eq!(refine_unknown(3, Some(&file)).unknown, 3);
        file.anonymous_pages = 0;
        assert_eq!(refine_unknown(3, Some(&file)).file, 3);
        assert_eq!(refine_unknown(3, None).unknown, 3);
    }
}
