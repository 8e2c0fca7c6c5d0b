//! Which pages of its mappings a process has present, from /proc/PID/pagemap
//! (Documentation/admin-guide/mm/pagemap.rst).
//!
//! smaps is not used: for each mapping it holds the lock of the process's memory, and meanwhile the
//! process can neither map nor unmap memory (25 ms for 2 GiB). pagemap releases the lock every 2
//! MiB. Sparse mappings, such as the 16 TiB that sanitizers reserve, are scanned instead, which
//! skips holes.

use std::{fs::File, ops::Range, os::unix::fs::FileExt as _, path::Path, sync::OnceLock};

use super::{
    huge::huge_page_bytes,
    merging::may_be_merged,
    process::{Resident, read_resident},
    scan::{Pages, scan_pages, zero_frame},
    urgent::Urgent,
};
use crate::run::{Kind, Mapping};

/// Entries read at a time: 16 KiB of them, which cover 8 MiB of small pages and take about 0.2 ms.
const ENTRIES: usize = 2048;
/// Largest gap in pages between mappings that are read together: reading an entry costs less than a
/// call.
const NEAR: u64 = 64;
/// Limit of pages that are read one by one, present or not: this many times the present pages, and
/// at least 1 GiB of small pages.
const READ_PER_PRESENT: u64 = 4;
const READ_AT_LEAST: u64 = 262_144;

/// Counts the present pages of some of a process's mappings, given by index, and fills in what else
/// the kernel says about them. The zero page does not count where its frame number can be read
/// (`CAP_SYS_ADMIN`, or Linux 6.7 for scanned mappings).
pub fn count_pages(
    root: &Path,
    pid: u32,
    page_bytes: u64,
    mappings: &mut [Mapping],
    wanted: &[usize],
) {
    let Ok(file) = File::open(root.join(format!("{pid}/pagemap"))) else {
        return;
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
        zero: *ZERO.get_or_init(|| zero_frame(page_bytes)),
        bytes: vec![0; ENTRIES * 8],
        urgent: Urgent::begin(),
    };
    reader.read_all(&dense, mappings);
    if !reader.scan_all(&sparse, mappings) {
        share_out(&sparse, mappings, there);
    }
    let may_be_merged = may_be_merged(root, pid);
    for &at in wanted {
        mappings[at].mergeable = may_be_merged && mappings[at].anonymous_pages > 0;
    }
}

/// Frame number of the zero page, if the kernel shows frame numbers.
static ZERO: OnceLock<Option<u64>> = OnceLock::new();

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
    fn add(&mut self, entry: u64, zero: Option<u64>) {
        const PRESENT: u64 = 1 << 63;
        const OF_FILE: u64 = 1 << 61;
        const FRAME: u64 = (1 << 55) - 1;
        if entry & PRESENT == 0 || zero == Some(entry & FRAME) {
            return;
        }
        if entry & OF_FILE == 0 {
            self.anonymous += 1;
        } else {
            self.of_file += 1;
        }
    }
}

/// Reads the pages of one process.
struct PagemapReader {
    file: File,
    page_bytes: u64,
    zero: Option<u64>,
    bytes: Vec<u8>,
    urgent: Urgent,
}

impl PagemapReader {
    /// Reads mappings, given in order of address; those close to each other in one go.
    fn read_all(&mut self, order: &[usize], mappings: &mut [Mapping]) {
        let mut rest = order;
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
            self.read(span.start..end, these, mappings);
            rest = later;
        }
    }

    /// Reads a span and counts the present pages of the mappings in it, given in order of address.
    fn read(&mut self, span: Range<u64>, inside: &[usize], mappings: &mut [Mapping]) {
        let mut inside = inside.iter().copied().peekable();
        let (mut at, mut pages) = (span.start, Pages::default());
        while at < span.end {
            let entries = usize::try_from((span.end - at) / self.page_bytes);
            let entries = entries.unwrap_or(ENTRIES).min(ENTRIES);
            let bytes = &mut self.bytes[..entries * 8];
            self.urgent.pause();
            // A process that has exited has no pages.
            let read = self.file.read_at(bytes, at / self.page_bytes * 8);
            let read = read.unwrap_or(0);
            if read < 8 {
                return;
            }
            for entry in bytes[..read].chunks_exact(8) {
                let Some(&mapping) = inside.peek() else {
                    return;
                };
                if at >= mappings[mapping].start {
                    let entry = u64::from_ne_bytes(entry.try_into().unwrap_or_default());
                    pages.add(entry, self.zero);
                }
                at += self.page_bytes;
                if at >= mappings[mapping].end {
                    put_pages(std::mem::take(&mut pages), &mut mappings[mapping]);
                    inside.next();
                }
            }
        }
    }

    /// Scans mappings; false if this kernel cannot.
    fn scan_all(&mut self, sparse: &[usize], mappings: &mut [Mapping]) -> bool {
        let urgent = &mut self.urgent;
        sparse.iter().all(|&at| {
            let mapping = &mut mappings[at];
            let span = mapping.start..mapping.end;
            let pages = scan_pages(&self.file, span, self.page_bytes, urgent);
            pages.map(|pages| put_pages(pages, mapping)).is_some()
        })
    }
}

#[cfg(test)]
mod tests;
