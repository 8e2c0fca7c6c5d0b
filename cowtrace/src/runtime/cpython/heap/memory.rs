//! A process's memory through a small cache of pages, and a bit for each object in it. What cannot
//! be read appears as zeros, which is not an object.

use std::path::{Path, PathBuf};

use super::regions::{CHUNK, ChunkPlace, PAGE, PAGES_A_CHUNK, Regions};

const CHUNK_BYTES: usize = CHUNK as usize;
const PAGE_BYTES: usize = PAGE as usize;
/// Pages that are read at once where objects are followed in order. Otherwise one at a time: the
/// elements of a set are all over the memory.
const AHEAD: usize = 8;
/// How many sequences in order are recognized at the same time.
const STREAMS: usize = 8;
const NONE: u32 = u32::MAX;
/// Smallest distance between objects, bytes: from the size of an object, and the alignment of
/// `PyObject_Malloc`.
const GRAIN: u32 = 16;
/// Words of marks per chunk.
const MARK_WORDS: usize = CHUNK_BYTES / GRAIN as usize / 64;

/// Reads bytes from an address; false if some of them cannot be read.
pub(crate) type ReadMemory<'a> = dyn Fn(u64, &mut [u8]) -> bool + 'a;

pub(super) struct Memory<'a> {
    pub(super) regions: Regions,
    /// Where the regions are read again: the root of /proc, and the process.
    source: Option<(PathBuf, u32)>,
    read: Box<ReadMemory<'a>>,
    /// The content of the slots, one page each.
    bytes: Vec<u8>,
    /// Page of each slot.
    holds: Vec<u32>,
    is_recent: Vec<bool>,
    /// The next slot to check for reuse.
    hand: usize,
    /// Slot of each page.
    slots: Vec<u32>,
    /// The next page of each sequence that is read in order, and the sequence seen last.
    expected: [u32; STREAMS],
    stream: usize,
    /// Buffer for reading ahead.
    ahead: Vec<u8>,
    pub(super) bytes_read: u64,
}

impl<'a> Memory<'a> {
    /// With a cache of this many bytes.
    pub(super) fn new(regions: Regions, cache_bytes: usize, read: Box<ReadMemory<'a>>) -> Self {
        let pages = regions.chunks() * PAGES_A_CHUNK;
        let slots = (cache_bytes / PAGE_BYTES).min(pages).max(2 * AHEAD);
        Self {
            bytes: vec![0; slots * PAGE_BYTES],
            holds: vec![NONE; slots],
            is_recent: vec![false; slots],
            hand: 0,
            slots: vec![NONE; pages],
            expected: [NONE; STREAMS],
            stream: 0,
            ahead: vec![0; AHEAD * PAGE_BYTES],
            regions,
            source: None,
            read,
            bytes_read: 0,
        }
    }

    /// With a process whose memory is looked at again by [`Self::renew`].
    pub(super) fn of_process(self, proc_root: &Path, pid: u32) -> Self {
        Self {
            source: Some((proc_root.to_owned(), pid)),
            ..self
        }
    }

    /// Looks at what memory there is now, and forgets what was read.
    pub(super) fn renew(&mut self) {
        if let Some((proc_root, pid)) = &self.source {
            self.regions.read_again(proc_root, *pid);
            let pages = self.regions.chunks() * PAGES_A_CHUNK;
            self.slots.resize(pages, NONE);
        }
        self.forget();
    }

    /// Forgets what was read: the process has gone on meanwhile.
    pub(super) fn forget(&mut self) {
        for page in &mut self.holds {
            let page = std::mem::replace(page, NONE);
            if let Some(slot) = self.slots.get_mut(page as usize) {
                *slot = NONE;
            }
        }
        self.is_recent.fill(false);
        self.expected = [NONE; STREAMS];
    }

    /// How many pages to read, starting with this one: more than one if it was expected.
    fn pages_to_read(&mut self, page: u32) -> usize {
        let stream = self.expected.iter().position(|next| *next == page);
        if let Some(stream) = stream {
            self.stream = stream;
            AHEAD
        } else {
            self.stream = (self.stream + 1) % STREAMS;
            1
        }
    }

    /// Reads a page into the cache and returns its slot; where objects are followed in order, also
    /// the pages after it. An absent page is zeros.
    #[cold]
    fn load(&mut self, page: u32) -> u32 {
        let chunk = page / PAGES_A_CHUNK as u32;
        let first = page as usize % PAGES_A_CHUNK;
        let present = self.regions.present_from(chunk, first);
        let present = present.min(self.pages_to_read(page));
        self.expected[self.stream] = page + present.max(1) as u32;
        let bytes = &mut self.ahead[..present.max(1) * PAGE_BYTES];
        let at = self.regions.start_of(chunk) + (first * PAGE_BYTES) as u64;
        if present == 0 || !(self.read)(at, bytes) {
            bytes.fill(0);
        }
        self.bytes_read += (present * PAGE_BYTES) as u64;
        let mut slot = NONE;
        for index in (0..present.max(1)).rev() {
            let page = page + index as u32;
            if self.slots[page as usize] == NONE {
                slot = self.take_slot(page);
                let start = slot as usize * PAGE_BYTES;
                let from = &self.ahead[index * PAGE_BYTES..(index + 1) * PAGE_BYTES];
                self.bytes[start..start + PAGE_BYTES].copy_from_slice(from);
            }
        }
        slot
    }

    /// Gives a page the slot of one that has not been used lately.
    fn take_slot(&mut self, page: u32) -> u32 {
        while std::mem::take(&mut self.is_recent[self.hand]) {
            self.hand = (self.hand + 1) % self.holds.len();
        }
        let slot = self.hand;
        self.hand = (self.hand + 1) % self.holds.len();
        let before = std::mem::replace(&mut self.holds[slot], page);
        if before != NONE {
            self.slots[before as usize] = NONE;
        }
        self.slots[page as usize] = slot as u32;
        slot as u32
    }

    #[inline]
    fn bytes_at(&mut self, place: ChunkPlace) -> &[u8] {
        let page = place.chunk * PAGES_A_CHUNK as u32 + place.offset / PAGE as u32;
        let mut slot = self.slots[page as usize];
        if slot == NONE {
            slot = self.load(page);
        }
        self.is_recent[slot as usize] = true;
        let start = slot as usize * PAGE_BYTES;
        let offset = place.offset as usize % PAGE_BYTES;
        &self.bytes[start + offset..start + PAGE_BYTES]
    }

    #[inline]
    pub(super) fn place(&mut self, at: u64) -> Option<ChunkPlace> {
        self.regions.place(at)
    }

    /// The word at a place, which is a multiple of 8.
    #[inline]
    pub(super) fn word_at(&mut self, place: ChunkPlace) -> u64 {
        let bytes = self.bytes_at(place).first_chunk();
        u64::from_ne_bytes(*bytes.unwrap_or(&[0; 8]))
    }

    /// The word at an address, which is a multiple of 8.
    #[inline]
    pub(super) fn word(&mut self, at: u64) -> Option<u64> {
        let place = self.place(at)?;
        (place.offset % 8 == 0).then(|| self.word_at(place))
    }

    pub(super) fn half_word(&mut self, at: u64) -> Option<u32> {
        let word = self.word(at & !7)?;
        Some((word >> ((at & 4) * 8)) as u32)
    }

    pub(super) fn byte(&mut self, at: u64) -> Option<u8> {
        let word = self.word(at & !7)?;
        Some((word >> ((at & 7) * 8)) as u8)
    }

    /// Fills a buffer from an address that is a multiple of 8; returns how many words were read.
    #[inline]
    pub(super) fn words(&mut self, at: u64, to: &mut [u64]) -> usize {
        let mut done = 0;
        while done < to.len() {
            let Some(at) = at.checked_add(done as u64 * 8) else {
                break;
            };
            let Some(place) = self.place(at).filter(|place| place.offset % 8 == 0) else {
                break;
            };
            let bytes = self.bytes_at(place);
            for (word, bytes) in to[done..].iter_mut().zip(bytes.chunks_exact(8)) {
                *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
                done += 1;
            }
        }
        done
    }

    /// Fills a buffer from any address, also from mappings outside the walk, such as those of names
    /// in a program.
    pub(super) fn anywhere(&mut self, at: u64, to: &mut [u8]) -> bool {
        let mut done = 0;
        while done < to.len() {
            let Some(place) = at.checked_add(done as u64).and_then(|at| self.place(at)) else {
                let at = at.saturating_add(done as u64);
                return self.regions.left(at) == 0 && (self.read)(at, &mut to[done..]);
            };
            let bytes = self.bytes_at(place);
            let length = bytes.len().min(to.len() - done);
            to[done..done + length].copy_from_slice(&bytes[..length]);
            done += length;
        }
        true
    }
}

/// Which objects have been seen: one bit for each place where one can be.
pub(super) struct Marks(Vec<u64>);

impl Marks {
    pub(super) fn new(chunks: usize) -> Self {
        Self(vec![0; chunks * MARK_WORDS])
    }

    #[inline]
    pub(super) fn has(&self, place: ChunkPlace) -> bool {
        let (word, bit) = Self::index(place);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Marks a place; false if it was marked already.
    #[inline]
    pub(super) fn set(&mut self, place: ChunkPlace) -> bool {
        let (word, bit) = Self::index(place);
        let Some(word) = self.0.get_mut(word) else {
            return false;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether any place is marked from one on, in this many bytes of the same chunk.
    pub(super) fn has_any(&self, place: ChunkPlace, bytes: u64) -> bool {
        let first = place.offset.next_multiple_of(GRAIN);
        let end = u64::from(place.offset) + bytes;
        let mut offsets = (first..).step_by(GRAIN as usize);
        offsets
            .by_ref()
            .take_while(|offset| u64::from(*offset) < end)
            .any(|offset| self.has(ChunkPlace { offset, ..place }))
    }

    /// Makes room for this many chunks.
    pub(super) fn grow(&mut self, chunks: usize) {
        self.0.resize(chunks * MARK_WORDS, 0);
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    #[inline]
    fn index(place: ChunkPlace) -> (usize, u64) {
        let grain = place.offset / GRAIN;
        let word = place.chunk as usize * MARK_WORDS + (grain / 64) as usize;
        (word, 1 << (grain % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_the_range_that_has_it() {
        let mut marks = Marks::new(1);
        let place = |offset| ChunkPlace { chunk: 0, offset };
        marks.set(place(0x120));
        let ranges = [(0x100, 0x20), (0x100, 0x21), (0x111, 0x10), (0x121, 0x100)];
        let found = ranges.map(|(offset, bytes)| marks.has_any(place(offset), bytes));
        assert_eq!(found, [false, true, true, false]);
    }
}
