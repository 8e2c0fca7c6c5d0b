//! The memory of a process that may be read: present pages of private, writable mappings. They are
//! numbered by chunks, so that tables over them are dense; a chunk keeps its number when the memory is
//! looked at again. An absent page is never read, because reading would make it present.

use std::{collections::HashMap, fs::File, os::unix::fs::FileExt as _, path::Path};

use crate::{
    memory::{self, PROCESS_ADDRESSES},
    run::Mapping,
};

/// Bytes in a page. Of machines with larger ones no process is walked.
pub(super) const PAGE: u64 = 4096;
/// Unit of reading and numbering, bytes. Chunks begin at its multiples, so two regions may share one.
pub(super) const CHUNK: u64 = 1 << 16;
/// Address space whose entries are read at once, bytes.
const WINDOW: u64 = CHUNK * 64;
pub(super) const PAGES_A_CHUNK: usize = (CHUNK / PAGE) as usize;
/// Most address space that is searched for present pages, bytes.
const MAX_VIRTUAL: u64 = 256 << 30;
/// Bit of an entry of /proc/PID/pagemap: the page is present.
const PRESENT: u64 = 1 << 63;
const NONE: u32 = u32::MAX;
/// Regions used last, by address.
const HINTS: usize = 1024;

#[derive(Clone, Copy)]
struct HeapRegion {
    start: u64,
    end: u64,
    /// Index of its first entry in `chunks`.
    first: usize,
}

/// The readable memory of a process.
pub(super) struct Regions {
    all: Vec<HeapRegion>,
    /// Number of each chunk, by region and position in it.
    chunks: Vec<u32>,
    /// Address of each chunk.
    starts: Vec<u64>,
    /// Present pages of each chunk, one bit each.
    present: Vec<u16>,
    hints: Vec<u32>,
    max_chunks: usize,
    /// Whether memory was left out to stay within the bounds.
    pub(super) is_partial: bool,
}

/// A place in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkPlace {
    pub(super) chunk: u32,
    pub(super) offset: u32,
}

impl HeapRegion {
    /// Where its first chunk begins.
    const fn base(&self) -> u64 {
        self.start - self.start % CHUNK
    }
}

impl Regions {
    /// The readable memory of a process; none if the process cannot be read.
    pub(super) fn read(proc_root: &Path, pid: u32, max_chunks: usize) -> Option<Self> {
        let mut found = Self::none(max_chunks);
        found.read_again(proc_root, pid).then_some(found)
    }

    /// Reads what there is now; false, and nothing has changed, if the process cannot be read.
    pub(super) fn read_again(&mut self, proc_root: &Path, pid: u32) -> bool {
        let layout = memory::read_layout_text(proc_root, pid).ok();
        let mappings = layout.and_then(|text| memory::read_mappings(&text).ok());
        let pagemap = File::open(proc_root.join(format!("{pid}/pagemap"))).ok();
        let (Some(mappings), Some(pagemap)) = (mappings, pagemap) else {
            return false;
        };
        self.renew(&mappings, |first_page, entries| {
            let at = first_page * 8;
            // A region that cannot be read is left out.
            let read = pagemap.read_at(entries, at).unwrap_or(0);
            entries[read..].fill(0);
        });
        true
    }

    /// From mappings and their pagemap entries, which the function returns for a page number.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of(
        mappings: &[Mapping],
        max_chunks: usize,
        pagemap: impl FnMut(u64, &mut [u8]),
    ) -> Self {
        let mut found = Self::none(max_chunks);
        found.renew(mappings, pagemap);
        found
    }

    fn none(max_chunks: usize) -> Self {
        Self {
            all: Vec::new(),
            chunks: Vec::new(),
            starts: Vec::new(),
            present: Vec::new(),
            hints: vec![0; HINTS],
            max_chunks,
            is_partial: false,
        }
    }

    /// Takes over what there is now.
    fn renew(&mut self, mappings: &[Mapping], mut pagemap: impl FnMut(u64, &mut [u8])) {
        let known = (0u32..).zip(&self.starts);
        let known: HashMap<u64, u32> = known.map(|(number, start)| (*start, number)).collect();
        self.all = joined(mappings);
        self.chunks.clear();
        self.present.fill(0);
        self.hints.fill(0);
        let mut virtual_bytes = 0;
        let mut entries = [0; (WINDOW / PAGE) as usize * 8];
        for index in 0..self.all.len() {
            let HeapRegion { start, end, .. } = self.all[index];
            self.all[index].first = self.chunks.len();
            virtual_bytes += end - start;
            if virtual_bytes > MAX_VIRTUAL {
                self.is_partial = true;
                self.all[index].end = start;
                continue;
            }
            let mut at = start;
            while at < end {
                let until = (at - at % WINDOW + WINDOW).min(end);
                let entries = &mut entries[..((until - at) / PAGE) as usize * 8];
                pagemap(at / PAGE, entries);
                self.add(at, entries, &known);
                at = until;
            }
        }
    }

    /// Numbers the chunks from an address on.
    fn add(&mut self, mut at: u64, mut entries: &[u8], known: &HashMap<u64, u32>) {
        while !entries.is_empty() {
            let first = (at % CHUNK / PAGE) as usize;
            let pages = (PAGES_A_CHUNK - first).min(entries.len() / 8);
            let (chunk, after) = entries.split_at(pages * 8);
            let mut bits = 0;
            for (page, entry) in (first..).zip(chunk.chunks_exact(8)) {
                let entry = u64::from_ne_bytes(entry.try_into().unwrap_or_default());
                bits |= u16::from(entry & PRESENT != 0) << page;
            }
            let number = self.number_of(at - at % CHUNK, bits, known);
            self.chunks.push(number);
            at += pages as u64 * PAGE;
            entries = after;
        }
    }

    /// The number of a chunk with these present pages.
    fn number_of(&mut self, start: u64, bits: u16, known: &HashMap<u64, u32>) -> u32 {
        if bits == 0 {
            return NONE;
        }
        let last = self.starts.last().filter(|last| **last == start);
        let number = match (last, known.get(&start)) {
            (Some(_), _) => self.starts.len() as u32 - 1,
            (None, Some(number)) => *number,
            (None, None) if self.starts.len() >= self.max_chunks => {
                self.is_partial = true;
                return NONE;
            }
            (None, None) => {
                self.starts.push(start);
                self.present.push(0);
                self.starts.len() as u32 - 1
            }
        };
        if let Some(present) = self.present.get_mut(number as usize) {
            *present |= bits;
        }
        number
    }

    /// Chunks with present pages.
    pub(super) fn chunks(&self) -> usize {
        self.starts.len()
    }

    /// Bytes of all chunks.
    pub(super) fn bytes(&self) -> u64 {
        self.chunks() as u64 * CHUNK
    }

    pub(super) fn start_of(&self, chunk: u32) -> u64 {
        self.starts.get(chunk as usize).copied().unwrap_or(0)
    }

    /// How many present pages follow each other, starting with one of a chunk.
    pub(super) fn present_from(&self, chunk: u32, first: usize) -> usize {
        let present = self.present.get(chunk as usize).copied().unwrap_or(0);
        (u32::from(present) >> first).trailing_ones() as usize
    }

    /// Addresses of the present pages, in order.
    pub(super) fn present_pages(&self) -> impl Iterator<Item = u64> {
        let chunks = 0..self.chunks() as u32;
        chunks.flat_map(move |chunk| {
            let start = self.start_of(chunk) / PAGE * PAGE;
            let pages = 0..PAGES_A_CHUNK;
            pages
                .filter(move |page| self.present_from(chunk, *page) > 0)
                .map(move |page| start.saturating_add(page as u64 * PAGE))
        })
    }

    fn region(&mut self, at: u64) -> Option<HeapRegion> {
        let hint = (at >> 20) as usize % HINTS;
        let likely = self.all.get(self.hints[hint] as usize)?;
        if (likely.start..likely.end).contains(&at) {
            return Some(*likely);
        }
        let after = self.all.partition_point(|region| region.start <= at);
        let index = after.checked_sub(1)?;
        let region = *self.all.get(index)?;
        if at >= region.end {
            return None;
        }
        self.hints[hint] = index as u32;
        Some(region)
    }

    /// The place of an address; none if its chunk has nothing to read.
    #[inline]
    pub(super) fn place(&mut self, at: u64) -> Option<ChunkPlace> {
        if !PROCESS_ADDRESSES.contains(&at) {
            return None;
        }
        let region = self.region(at)?;
        let index = ((at - region.base()) / CHUNK) as usize;
        let chunk = *self.chunks.get(region.first + index)?;
        (chunk != NONE).then_some(ChunkPlace {
            chunk,
            offset: (at % CHUNK) as u32,
        })
    }

    /// Whether all pages from an address on are present.
    pub(super) fn are_present(&mut self, at: u64, bytes: u64) -> bool {
        let mut pages = at / PAGE..at.saturating_add(bytes).div_ceil(PAGE);
        pages.all(|page| {
            let place = self.place(page * PAGE);
            place.is_some_and(|it| {
                self.present_from(it.chunk, (it.offset / PAGE as u32) as usize) > 0
            })
        })
    }

    /// Bytes from an address to the end of its region; 0 outside all regions.
    pub(super) fn left(&mut self, at: u64) -> u64 {
        self.region(at).map_or(0, |region| region.end - at)
    }

    /// The region that an address is in.
    pub(super) fn bounds(&mut self, at: u64) -> Option<std::ops::Range<u64>> {
        self.region(at).map(|region| region.start..region.end)
    }

    /// The next address after this one in the same region whose chunk has present pages.
    pub(super) fn next_present(&mut self, at: u64) -> Option<u64> {
        let region = self.region(at)?;
        let base = region.base();
        let skipped = ((at - base) / CHUNK) as usize + 1;
        let all = (region.end - base).div_ceil(CHUNK) as usize;
        let chunks = self
            .chunks
            .get(region.first + skipped..region.first + all)?;
        let found = chunks.iter().position(|chunk| *chunk != NONE)?;
        Some(base + (skipped + found) as u64 * CHUNK)
    }
}

/// The mappings that fork shares copy-on-write. Adjacent ones are joined, because a program's
/// madvise(2) may split a mapping inside an allocation.
fn joined(mappings: &[Mapping]) -> Vec<HeapRegion> {
    let mut regions: Vec<HeapRegion> = Vec::new();
    for mapping in mappings {
        if !mapping.is_copy_on_write() || !mapping.perms.starts_with('r') {
            continue;
        }
        match regions.last_mut() {
            Some(last) if last.end == mapping.start => {
                last.end = mapping.end;
            }
            Some(last) if last.end > mapping.start => {}
            _ => regions.push(HeapRegion {
                start: mapping.start,
                end: mapping.end,
                first: 0,
            }),
        }
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::{super::bytes::anonymous_mapping, *};

    fn regions(mappings: &[Mapping], is_present: impl Fn(u64) -> bool) -> Regions {
        Regions::of(mappings, 1 << 16, |first, entries| {
            for (page, entry) in (first..).zip(entries.chunks_exact_mut(8)) {
                let bits = if is_present(page) { PRESENT } else { 0 };
                entry.copy_from_slice(&bits.to_ne_bytes());
            }
        })
    }

    #[test]
    fn only_present_pages_of_writable_private_memory_are_there() {
        let mappings = [
            anonymous_mapping(0x100_0000, 0x102_0000, "rw-p"),
            anonymous_mapping(0x102_0000, 0x103_0000, "rw-p"),
            anonymous_mapping(0x103_0000, 0x104_0000, "r--p"),
            anonymous_mapping(0x104_0000, 0x105_0000, "rw-s"),
        ];
        let mut found = regions(&mappings, |page| page != 0x1001 && page < 0x1010);
        assert_eq!(found.chunks(), 1);
        let place = found.place(0x100_2008).unwrap();
        assert_eq!((place.chunk, place.offset), (0, 0x2008));
        assert_eq!(
            [0, 1, 2].map(|page| found.present_from(0, page)),
            [1, 0, 14]
        );
        assert_eq!(found.place(0x101_0000), None);
        assert_eq!(found.place(0x103_0000), None);
        assert_eq!(found.left(0x101_0000), 0x2_0000);
        assert_eq!((found.left(8), found.left(0x104_0000)), (0, 0));
    }

    #[test]
    fn a_chunk_keeps_its_number_when_memory_is_looked_at_again() {
        let all = |_: u64, entries: &mut [u8]| entries.fill(0xff);
        let first = [anonymous_mapping(0x100_3000, 0x103_0000, "rw-p")];
        let mut found = Regions::of(&first, 1 << 16, all);
        let before = found.place(0x102_0008).unwrap();
        assert_eq!((before.chunk, before.offset), (2, 8));
        let later = [
            anonymous_mapping(0xff_f000, 0x103_1000, "rw-p"),
            anonymous_mapping(0x200_0000, 0x201_0000, "rw-p"),
        ];
        found.renew(&later, all);
        assert_eq!(found.chunks(), 6);
        assert_eq!(found.place(0x102_0008), Some(before));
        let new = found.place(0x200_0000).unwrap();
        assert!(new.chunk > 2);
        assert!(found.are_present(0x100_0000, 0x3_1000));
        assert!(!found.are_present(0x103_0000, 0x2000));
        found.renew(&later[1..], all);
        assert_eq!(found.place(0x102_0008), None);
        assert_eq!(found.place(0x200_0000), Some(new));
    }

    #[test]
    fn two_regions_may_share_a_chunk() {
        let mappings = [
            anonymous_mapping(0x100_0000, 0x100_2000, "rw-p"),
            anonymous_mapping(0x100_8000, 0x100_9000, "rw-p"),
        ];
        let mut found = Regions::of(&mappings, 1 << 16, |_, entries| entries.fill(0xff));
        let places = [0x100_1000, 0x100_8010].map(|at| found.place(at).unwrap());
        assert_eq!(
            places.map(|it| (it.chunk, it.offset)),
            [(0, 0x1000), (0, 0x8010)]
        );
        assert_eq!(found.place(0x100_4000), None);
        assert_eq!(
            [0, 1, 2, 8].map(|page| found.present_from(0, page)),
            [2, 1, 0, 1]
        );
        assert_eq!(found.chunks(), 1);
    }

    #[test]
    fn what_goes_beyond_the_bound_is_left_out_and_said() {
        let mappings = [anonymous_mapping(0x100_0000, 0x200_0000, "rw-p")];
        let mut found = Regions::of(&mappings, 3, |_, entries| entries.fill(0xff));
        assert_eq!(found.chunks(), 3);
        assert!(found.is_partial && found.place(0x103_0000).is_none());
        let huge = [anonymous_mapping(1 << 32, 1 << 46, "rw-p")];
        let found = Regions::of(&huge, 3, |_, entries| entries.fill(0xff));
        assert!(found.is_partial && found.chunks() == 0);
    }
}
