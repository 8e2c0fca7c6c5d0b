//! Handmade memory of a process, for tests.

#[cfg(test)]
use super::{
    memory::Memory,
    regions::{PAGE, Regions},
};
use crate::run::{Kind, Mapping};

/// A process's memory at one address, all of it present.
#[cfg(test)]
pub(super) struct Bytes {
    start: u64,
    bytes: Vec<u8>,
}

#[cfg(test)]
impl Bytes {
    pub(super) fn new(start: u64, length: usize) -> Self {
        Self {
            start,
            bytes: vec![0; length],
        }
    }

    pub(super) fn put(&mut self, at: u64, words: &[u64]) {
        let at = usize::try_from(at - self.start).unwrap();
        for (to, word) in self.bytes[at..].chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
    }

    pub(super) fn word(&self, at: u64) -> u64 {
        let at = usize::try_from(at - self.start).unwrap();
        u64::from_ne_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    pub(super) fn text_at(&mut self, at: u64, text: &str) {
        let at = usize::try_from(at - self.start).unwrap();
        self.bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
    }

    pub(super) fn memory(&self) -> Memory<'_> {
        let end = self.start + self.bytes.len() as u64;
        let mapping = anonymous_mapping(self.start, end, "rw-p");
        let regions = Regions::of(&[mapping], 1 << 10, |_, entries| entries.fill(0xff));
        let read = |at: u64, to: &mut [u8]| {
            let from = at
                .checked_sub(self.start)
                .and_then(|at| usize::try_from(at).ok());
            let found = from.and_then(|from| self.bytes.get(from..from.checked_add(to.len())?));
            found.map(|found| to.copy_from_slice(found)).is_some()
        };
        Memory::new(regions, 4 * PAGE as usize, Box::new(read))
    }
}

/// A mapping of anonymous memory.
pub(super) fn anonymous_mapping(start: u64, end: u64, perms: &str) -> Mapping {
    Mapping {
        start,
        end,
        name: Mapping::UNNAMED.into(),
        kind: Kind::Anon,
        perms: perms.into(),
        offset: 0,
        resident_pages: 0,
        anonymous_pages: 0,
        huge_page_bytes: 0,
        mergeable: false,
    }
}
