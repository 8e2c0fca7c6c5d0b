//! Which pages of its mappings a process has present, from /proc/PID/pagemap
//! (Documentation/admin-guide/mm/pagemap.rst).
//!
//! smaps is not used: for each mapping it holds the lock of the process's memory, and meanwhile the
//! process can neither map nor unmap memory (25 ms for 2 GiB). pagemap releases the lock every 2
//! MiB. Sparse mappings, such as the 16 TiB that sanitizers reserve, are scanned instead, which
//! skips holes.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _, path::Path, sync::OnceLock};

use super::{
    huge::huge_page_bytes,
    merging::may_be_merged,
    process::{Resident, read_resident},
    scan::{Pages, scan_pages, zero_frame},
    urgent::Urgent,
};
use crate::run::{Kind, Mapping};

/// Entries read at a time: 16 KiB of them, which cover 8 MiB of small pages and take about 0.2 ms.
pub(super) const ENTRIES: usize = 2048;
/// Largest gap in pages between mappings that are read together: reading an entry costs less than a
/// call.
const NEAR: u64 = 64;
/// Limit of pages that are read one by one, present or not: this many times the present pages, and
/// at least 1 GiB of small pages.
const READ_PER_PRESENT: u64 = 4;
const READ_AT_LEAST: u64 = 262_144;

/// Counts the present pages of some of a process's mappings, given by index, and fills in what else
/// the kernel says about them. The zero page does not count where its frame number can be read
/// (`CAP_SYS_ADMIN`, or Linux 6.7 for scanned mappings). Returns whether it could read them: it may not have the
/// right to, and the process may end meanwhile.
pub fn count_pages(
    root: &Path,
    pid: u32,
    page_bytes: u64,
    mappings: &mut [Mapping],
    wanted: &[usize],
) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let Ok(file) = PagemapFile::open(root, pid, page_bytes) else {
        return false;
    };
    let there = read_resident(root, pid, page_bytes);
    if there.huge_pages > 0 {
        for &at in wanted {
            mappings[at].huge_page_bytes = huge_page_bytes(root, pid, &mappings[at]);
        }
    }
    let mut dense = wanted.to_vec();
    dense.sort_by_key(|&at| mappings[at].size_bytes());
    let sparse = dense.split_off(dense_count(&dense, mappings, there, page_bytes));
    dense.sort_unstable();
    let mut reader = PagemapReader {
        file,
        page_bytes,
        zero: known_zero_frame(page_bytes),
        urgent: Urgent::begin(),
    };
    let is_whole = reader.read_all(&dense, mappings);
    if !reader.scan_all(&sparse, mappings) {
        share_out(&sparse, mappings, there);
    }
    let may_be_merged = may_be_merged(root, pid);
    for &at in wanted {
        mappings[at].mergeable = may_be_merged && mappings[at].anonymous_pages > 0;
    }
    is_whole
}

/// Frame number of the zero page, if the kernel shows frame numbers.
pub(super) fn known_zero_frame(page_bytes: u64) -> Option<u64> {
    static ZERO: OnceLock<Option<u64>> = OnceLock::new();
    *ZERO.get_or_init(|| zero_frame(page_bytes))
}

/// How many of the mappings, sorted by size, are read page by page.
fn dense_count(by_size: &[usize], mappings: &[Mapping], there: Resident, page_bytes: u64) -> usize {
    let present = there.pages.saturating_add(there.huge_pages);
    let mut left = READ_AT_LEAST.saturating_add(present.saturating_mul(READ_PER_PRESENT));
    let is_dense = |at: &&usize| {
        let pages = mappings[**at].size_bytes() / page_bytes;
        let fits = pages <= left;
        left = left.saturating_sub(pages);
        fits
    };
    by_size.iter().take_while(is_dense).count()
}

/// An estimate for kernels that cannot scan sparse mappings: the present pages that no other
/// mapping accounts for, divided in proportion to the mappings' sizes.
fn share_out(sparse: &[usize], mappings: &mut [Mapping], there: Resident) {
    let elsewhere: u64 = mappings.iter().map(|mapping| mapping.anonymous_pages).sum();
    let left = there.anonymous.saturating_sub(elsewhere);
    let size = |mapping: &Mapping| u128::from(mapping.size_bytes());
    let whole: u128 = sparse.iter().map(|&at| size(&mappings[at])).sum();
    for &at in sparse {
        let share = u128::from(left) * size(&mappings[at]) / whole.max(1);
        let anonymous = u64::try_from(share).unwrap_or(left);
        put_pages(
            Pages {
                anonymous,
                of_file: 0,
            },
            &mut mappings[at],
        );
    }
}

fn put_pages(pages: Pages, mapping: &mut Mapping) {
    // In anonymous memory, pages marked as a file's are the huge zero page.
    let of_file = if mapping.kind == Kind::File {
        pages.of_file
    } else {
        0
    };
    mapping.resident_pages = pages.anonymous + of_file;
    mapping.anonymous_pages = match mapping.huge_page_bytes {
        0 => pages.anonymous,
        // These pages belong to hugetlbfs, whoever maps them.
        _ => 0,
    };
}

impl Pages {
    fn add(&mut self, entry: PageEntry, zero: Option<u64>) {
        if !entry.is_present() || zero == Some(entry.frame()) {
            return;
        }
        if entry.is_of_file() {
            self.of_file += 1;
        } else {
            self.anonymous += 1;
        }
    }
}

/// What the kernel says of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageEntry(pub(super) u64);

impl PageEntry {
    pub(super) fn is_present(self) -> bool {
        self.0 & 1 << 63 != 0
    }

    /// In swap, or on its way from one frame to another.
    pub(super) fn is_swapped(self) -> bool {
        !self.is_present() && self.0 & 1 << 62 != 0
    }

    /// Of a file, or of memory that is shared on purpose.
    pub(super) fn is_of_file(self) -> bool {
        self.0 & 1 << 61 != 0
    }

    /// A page of anonymous memory: not of a file, and not the page of zeros, whose frame is `zero`.
    pub(super) fn is_anonymous(self, zero: Option<u64>) -> bool {
        self.is_present() && !self.is_of_file() && zero != Some(self.frame())
    }

    /// Mapped by this process alone.
    pub(super) fn is_exclusive(self) -> bool {
        self.0 & 1 << 56 != 0
    }

    /// The page's frame, or its place in swap; 0 if this process may not know.
    pub(super) fn frame(self) -> u64 {
        self.0 & ((1 << 55) - 1)
    }
}

/// Reads the entries of a process's pages. The file means the memory that the process had when it was
/// opened: it has no entries any more when the process has ended or runs another program.
pub(super) struct PagemapFile {
    pub(super) file: File,
    page_bytes: u64,
    bytes: Vec<u8>,
}

impl PagemapFile {
    pub(super) fn open(root: &Path, pid: u32, page_bytes: u64) -> io::Result<Self> {
        Ok(Self {
            file: File::open(root.join(format!("{pid}/pagemap")))?,
            page_bytes,
            bytes: vec![0; ENTRIES * 8],
        })
    }

    /// The entries of at most so many pages from an address on, and of at most [`ENTRIES`]; none if the
    /// process has ended.
    pub(super) fn entries(
        &mut self,
        at: u64,
        pages: u64,
    ) -> impl ExactSizeIterator<Item = PageEntry> {
        let entries = usize::try_from(pages).unwrap_or(ENTRIES).min(ENTRIES);
        let bytes = &mut self.bytes[..entries * 8];
        let read = self.file.read_at(bytes, at / self.page_bytes * 8);
        let entry =
            |bytes: &[u8]| PageEntry(u64::from_ne_bytes(bytes.try_into().unwrap_or_default()));
        self.bytes[..read.unwrap_or(0)].chunks_exact(8).map(entry)
    }
}

/// Reads the pages of one process.
struct PagemapReader {
    file: PagemapFile,
    page_bytes: u64,
    zero: Option<u64>,
    urgent: Urgent,
}

impl PagemapReader {
    /// Reads mappings, given in order of address; those close to each other in one go. False if the process
    /// has ended meanwhile.
    fn read_all(&mut self, order: &[usize], mappings: &mut [Mapping]) -> bool {
        let (mut rest, mut is_whole) = (order, true);
        while let Some(&first) = rest.first() {
            let span = mappings[first].start..mappings[first].end;
            let most = span.start.saturating_add(ENTRIES as u64 * self.page_bytes);
            let near = NEAR * self.page_bytes;
            let (mut end, mut together) = (span.end, 1);
            for next in rest[1..].iter().map(|&next| &mappings[next]) {
                if next.start > end.saturating_add(near) || next.start < end || next.end > most {
                    break;
                }
                end = next.end;
                together += 1;
            }
            let (these, later) = rest.split_at(together);
            is_whole &= self.read(span.start..end, these, mappings);
            rest = later;
        }
        is_whole
    }

    /// Reads a span and counts the present pages of the mappings in it, given in order of address. False if
    /// the process has ended.
    fn read(&mut self, span: Range<u64>, inside: &[usize], mappings: &mut [Mapping]) -> bool {
        let mut inside = inside.iter().copied().peekable();
        let (mut at, mut pages) = (span.start, Pages::default());
        while at < span.end {
            self.urgent.pause();
            let entries = self.file.entries(at, (span.end - at) / self.page_bytes);
            // A process that has ended has no pages.
            if entries.len() == 0 {
                return false;
            }
            for entry in entries {
                let Some(&mapping) = inside.peek() else {
                    return true;
                };
                if at >= mappings[mapping].start {
                    pages.add(entry, self.zero);
                }
                at += self.page_bytes;
                if at >= mappings[mapping].end {
                    put_pages(std::mem::take(&mut pages), &mut mappings[mapping]);
                    inside.next();
                }
            }
        }
        true
    }

    /// Scans mappings; false if this kernel cannot.
    fn scan_all(&mut self, sparse: &[usize], mappings: &mut [Mapping]) -> bool {
        let urgent = &mut self.urgent;
        sparse.iter().all(|&at| {
            let mapping = &mut mappings[at];
            let span = mapping.start..mapping.end;
            let pages = scan_pages(&self.file.file, span, self.page_bytes, urgent);
            pages.map(|pages| put_pages(pages, mapping)).is_some()
        })
    }
}

#[cfg(test)]
mod tests;
