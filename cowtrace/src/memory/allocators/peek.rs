//! Words of a process's memory, of pages that it has: reading another page would give it one.

use std::{collections::HashMap, path::Path};

use crate::memory::{
    pagemap::{PageEntry, PagemapFile},
    target::read_target,
    urgent::Urgent,
};

/// Allocators take memory in units of 2 MiB. Smaller mappings are not looked at.
pub(super) const UNIT: u64 = 2 << 20;
/// Pages that are looked up in a part of the work, 4 MiB of them: some microseconds each.
const MOST_PAGES: usize = 1024;
/// Most words that one search looks at, which takes 12 ms. Only memory without a tree of jemalloc needs all of them.
const MOST_WORDS: u64 = 1 << 20;

/// Memory that words are read from. Whoever owns it chooses what it holds.
pub(super) trait Peek {
    /// The word at an address, which is a multiple of 8.
    fn word(&mut self, at: u64) -> Option<u64>;

    /// Begins another part of the work, which has bounds of its own: what is searched in vain must not take anything
    /// from the next search.
    fn begin_part(&mut self);
}

/// The memory of a process.
pub(super) struct ProcessPeek {
    pid: u32,
    page_bytes: u64,
    pagemap: PagemapFile,
    /// The bytes of the pages that were read in this part, one behind the other.
    bytes: Vec<u8>,
    /// Where they begin, by address of the page; `None` if the process does not have it.
    pages: HashMap<u64, Option<usize>>,
    /// The page that was used last: most words come from the same.
    last: Option<(u64, Option<usize>)>,
    /// Words that may still be used in this part.
    left: u64,
}

impl ProcessPeek {
    pub(super) fn open(root: &Path, pid: u32, page_bytes: u64) -> Option<Self> {
        Some(Self {
            pid,
            page_bytes,
            pagemap: PagemapFile::open(root, pid, page_bytes).ok()?,
            bytes: Vec::new(),
            pages: HashMap::new(),
            last: None,
            left: MOST_WORDS,
        })
    }

    /// Where the bytes of a page begin.
    fn page(&mut self, page: u64) -> Option<usize> {
        if let Some((_, found)) = self.last.filter(|(last, _)| *last == page) {
            return found;
        }
        let found = match self.pages.get(&page) {
            Some(known) => *known,
            None if self.pages.len() >= MOST_PAGES => return None,
            None => {
                let read = self.read(page);
                self.pages.insert(page, read);
                read
            }
        };
        self.last = Some((page, found));
        found
    }

    fn read(&mut self, page: u64) -> Option<usize> {
        let _urgent = Urgent::begin();
        let mut entries = self.pagemap.entries(page, 1);
        let is_there = entries.next().is_some_and(PageEntry::is_present);
        let (begin, bytes) = (self.bytes.len(), usize::try_from(self.page_bytes).ok()?);
        if !is_there {
            return None;
        }
        self.bytes.resize(begin.checked_add(bytes)?, 0);
        let is_read = read_target(self.pid, page, &mut self.bytes[begin..]);
        if !is_read {
            self.bytes.truncate(begin);
        }
        is_read.then_some(begin)
    }
}

impl Peek for ProcessPeek {
    fn word(&mut self, at: u64) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let page = at / self.page_bytes * self.page_bytes;
        let begin = self.page(page)?;
        let within = begin.checked_add(usize::try_from(at - page).ok()?)?;
        let word = self.bytes.get(within..within.checked_add(8)?)?;
        Some(u64::from_ne_bytes(word.try_into().ok()?))
    }

    fn begin_part(&mut self) {
        self.bytes.clear();
        self.pages.clear();
        self.last = None;
        self.left = MOST_WORDS;
    }
}
