//! Words of a process's memory, of pages that it has: reading another page would give it one.

use std::{collections::HashMap, path::Path};

use crate::memory::{
    pagemap::{PageEntry, PagemapFile},
    target::read_target,
};

/// Allocators take memory in units of 2 MiB. Smaller mappings are not looked at.
pub(super) const UNIT: u64 = 2 << 20;
/// Pages that are read in all, 4 MiB of them: 2 us each.
const MOST_PAGES: usize = 1024;

/// Memory that words are read from. Whoever owns it chooses what it holds.
pub(super) trait Peek {
    /// The word at an address, which is a multiple of 8.
    fn word(&mut self, at: u64) -> Option<u64>;
}

/// The memory of a process.
pub(super) struct ProcessPeek {
    pid: u32,
    page_bytes: u64,
    pagemap: PagemapFile,
    /// By address; `None` if the process does not have it.
    pages: HashMap<u64, Option<Vec<u8>>>,
}

impl ProcessPeek {
    pub(super) fn open(root: &Path, pid: u32, page_bytes: u64) -> Option<Self> {
        Some(Self {
            pid,
            page_bytes,
            pagemap: PagemapFile::open(root, pid, page_bytes).ok()?,
            pages: HashMap::new(),
        })
    }

    fn read(&mut self, page: u64) -> Option<Vec<u8>> {
        let mut entries = self.pagemap.entries(page, 1);
        let is_there = entries.next().is_some_and(PageEntry::is_present);
        let mut bytes = vec![0; usize::try_from(self.page_bytes).ok()?];
        (is_there && read_target(self.pid, page, &mut bytes)).then_some(bytes)
    }
}

impl Peek for ProcessPeek {
    fn word(&mut self, at: u64) -> Option<u64> {
        let page = at / self.page_bytes * self.page_bytes;
        if !self.pages.contains_key(&page) {
            if self.pages.len() >= MOST_PAGES {
                return None;
            }
            let read = self.read(page);
            self.pages.insert(page, read);
        }
        let bytes = self.pages.get(&page)?.as_ref()?;
        let within = usize::try_from(at - page).ok()?;
        let word = bytes.get(within..within.checked_add(8)?)?;
        Some(u64::from_ne_bytes(word.try_into().ok()?))
    }
}
