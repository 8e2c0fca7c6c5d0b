//! Which pages of its mappings a process has present: /proc/PID/pagemap
//! (Documentation/admin-guide/mm/pagemap.rst).
//!
//! Not smaps, which holds the memory's lock for as long as a mapping takes: 25 ms for 2 GiB, in which
//! the process can map and unmap nothing. pagemap lets go of it every 2 MiB. Mappings that are sparse,
//! of which sanitizers make one of 16 TiB, are scanned, which passes over holes.

use std::{fs::File, ops::Range, os::unix::fs::FileExt as _, path::Path, sync::OnceLock};

use super::{
    huge::huge_page_bytes,
    merging::may_be_merged,
    process::{Resident, resident},
    scan::{scan, zero_frame},
    urgent::Urgent,
};
use crate::run::{Kind, Mapping};

/// Entries that are read at a time: 16 KiB of them, for 8 MiB of small pages, some 0.2 ms.
const ENTRIES: usize = 2048;
/// Mappings that are read together lie at most so many pages apart: an entry costs less than a call.
const NEAR: u64 = 64;
/// Pages that are read one by one, present or not: so many times those that are present, and at least
/// 1 GiB of small ones.
const READ_PER_PRESENT: u64 = 4;
const READ_AT_LEAST: u64 = 262_144;

/// What pages of a mapping are present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pages {
    /// That belong to no file.
    pub(super) anonymous: u64,
    /// Of a file.
    pub(super) of_file: u64,
}

/// Counts the present pages of some of a process's mappings, given by their places, and finds out what
/// else the kernel tells of them. The page of zeros is no page, where its number can be known (`CAP_SYS_ADMIN`, or Linux 6.7 for what is scanned).
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
    let there = resident(root, pid, page_bytes);
    if there.huge_pages > 0 {
        for &at in wanted {
            mappings[at].huge_page_bytes = huge_page_bytes(root, pid, &mappings[at]);
        }
    }
    let mut dense = wanted.to_vec();
    dense.sort_by_key(|&at| mappings[at].size_bytes());
    let sparse = dense.split_off(dense_count(&dense, mappings, there, page_bytes));
    dense.sort_unstable();
    let mut reader = Reader {
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

/// Frame of the page of zeros, as far as frames are told.
static ZERO: OnceLock<Option<u64>> = OnceLock::new();

/// How many of the mappings, given by size, are read page by page.
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

/// Where sparse mappings cannot be scanned: they have what is in no other, in proportion to their
/// sizes.
fn share_out(sparse: &[usize], mappings: &mut [Mapping], there: Resident) {
    let elsewhere: u64 = mappings.iter().map(|mapping| mapping.anonymous_pages).sum();
    let left = there.anonymous.saturating_sub(elsewhere);
    let size = |mapping: &Mapping| u128::from(mapping.size_bytes());
    let whole: u128 = sparse.iter().map(|&at| size(&mappings[at])).sum();
    for &at in sparse {
        let share = u128::from(left) * size(&mappings[at]) / whole.max(1);
        let anonymous = u64::try_from(share).unwrap_or(left);
        put(
            Pages {
                anonymous,
                of_file: 0,
            },
            &mut mappings[at],
        );
    }
}

fn put(pages: Pages, mapping: &mut Mapping) {
    // What anonymous memory has of a file is the huge page of zeros.
    let of_file = if mapping.kind == Kind::File {
        pages.of_file
    } else {
        0
    };
    mapping.resident_pages = pages.anonymous + of_file;
    mapping.anonymous_pages = match mapping.huge_page_bytes {
        0 => pages.anonymous,
        // They belong to hugetlbfs, whoever has them.
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
struct Reader {
    file: File,
    page_bytes: u64,
    zero: Option<u64>,
    bytes: Vec<u8>,
    urgent: Urgent,
}

impl Reader {
    /// Reads mappings, given by address, those that lie close together in one go.
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

    /// Reads a span, and counts the mappings that are in it, given by address.
    fn read(&mut self, span: Range<u64>, inside: &[usize], mappings: &mut [Mapping]) {
        let mut inside = inside.iter().copied().peekable();
        let (mut at, mut pages) = (span.start, Pages::default());
        while at < span.end {
            let entries = usize::try_from((span.end - at) / self.page_bytes);
            let entries = entries.unwrap_or(ENTRIES).min(ENTRIES);
            let bytes = &mut self.bytes[..entries * 8];
            self.urgent.pause();
            // A process that has ended has no pages.
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
                    put(std::mem::take(&mut pages), &mut mappings[mapping]);
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
            let pages = scan(&self.file, span, self.page_bytes, urgent);
            pages.map(|pages| put(pages, mapping)).is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{page_bytes, read_layout_text, read_mappings};
    use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
    use proptest::prelude::*;
    use std::{ffi::c_void, fs, num::NonZeroUsize, ptr::NonNull};

    const PAGE: u64 = 4096;

    /// Own memory, unmapped at the end.
    struct Memory(NonNull<c_void>, usize);

    impl Memory {
        fn anonymous(bytes: u64) -> Self {
            let length = NonZeroUsize::new(usize::try_from(bytes).unwrap()).unwrap();
            let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
            // SAFETY: a new mapping at an address of the kernel's choice.
            let base = unsafe { mmap_anonymous(None, length, access, flags) }.unwrap();
            // SAFETY: advice about huge pages changes no content.
            unsafe { madvise(base, length.get(), MmapAdvise::MADV_NOHUGEPAGE) }.unwrap();
            Self(base, length.get())
        }

        fn of_file(file: &File, bytes: u64) -> Self {
            let length = NonZeroUsize::new(usize::try_from(bytes).unwrap()).unwrap();
            let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            // SAFETY: a new mapping at an address of the kernel's choice.
            let base = unsafe { mmap(None, length, access, MapFlags::MAP_PRIVATE, file, 0) };
            Self(base.unwrap(), length.get())
        }

        fn byte(&self, page: u64) -> *mut u8 {
            let at = usize::try_from(page * page_bytes()).unwrap();
            assert!(at < self.1);
            // SAFETY: within the mapping, as just asserted.
            unsafe { self.0.cast::<u8>().as_ptr().add(at) }
        }

        fn write(&self, page: u64) {
            // SAFETY: a byte of the mapping.
            unsafe { self.byte(page).write_volatile(1) };
        }

        fn read(&self, page: u64) {
            // SAFETY: a byte of the mapping.
            std::hint::black_box(unsafe { self.byte(page).read_volatile() });
        }

        /// Present pages, and those of them that are anonymous.
        fn count(&self) -> (u64, u64) {
            let (root, pid) = (Path::new("/proc"), std::process::id());
            let mut mappings = read_mappings(&read_layout_text(root, pid).unwrap()).unwrap();
            let all: Vec<usize> = (0..mappings.len()).collect();
            count_pages(root, pid, page_bytes(), &mut mappings, &all);
            let here = self.0.as_ptr() as u64..self.0.as_ptr() as u64 + self.1 as u64;
            let within = mappings.iter().filter(|it| here.contains(&it.start));
            within.fold((0, 0), |sum, it| {
                (sum.0 + it.resident_pages, sum.1 + it.anonymous_pages)
            })
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: nothing uses the mapping any more.
            let _ = unsafe { munmap(self.0, self.1) };
        }
    }

    #[test]
    fn pages_that_were_written_are_present() {
        let memory = Memory::anonymous(1000 * page_bytes());
        (0..1000).step_by(3).for_each(|page| memory.write(page));
        assert_eq!(memory.count(), (334, 334));
    }

    /// Reading new memory finds the page of zeros, which takes no memory.
    #[test]
    fn the_page_of_zeros_is_no_page_where_frames_are_told() {
        let memory = Memory::anonymous(100 * page_bytes());
        (0..50).for_each(|page| memory.read(page));
        memory.write(7);
        let found = if zero_frame(page_bytes()).is_some() {
            1
        } else {
            50
        };
        assert_eq!(memory.count(), (found, found));
    }

    #[test]
    fn pages_of_a_file_are_told_from_those_that_were_written() {
        let path = std::env::temp_dir().join(format!("cowtrace-pages-{}", std::process::id()));
        fs::write(&path, vec![7; 20 * usize::try_from(page_bytes()).unwrap()]).unwrap();
        let file = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let memory = Memory::of_file(&file, 20 * page_bytes());
        (0..20).for_each(|page| memory.read(page));
        (0..5).for_each(|page| memory.write(page));
        assert_eq!(memory.count(), (20, 5));
    }

    /// As sanitizers and runtimes reserve it. Reading each page's entry would be 2 GiB.
    #[test]
    fn sparse_memory_is_counted_without_reading_its_holes() {
        let pages = (1 << 40) / page_bytes();
        let memory = Memory::anonymous(1 << 40);
        for page in [0, 1, 2, 1000, pages / 2, pages / 2 + 5, pages - 1] {
            memory.write(page);
        }
        memory.read(pages / 3);
        let argument = scan(
            &File::open("/proc/self/pagemap").unwrap(),
            memory.0.as_ptr() as u64..memory.0.as_ptr() as u64 + page_bytes(),
            page_bytes(),
            &mut Urgent::begin(),
        );
        // Linux 6.7; before, what is in no other mapping is taken to be here.
        match argument {
            Some(_) => assert_eq!(memory.count(), (7, 7)),
            None => assert!(memory.count().0 >= 7),
        }
    }

    /// A /proc with one process, whose pagemap is a file.
    fn fixture(
        name: &str,
        resident: u64,
        entries: impl Fn(u64) -> u64,
        pages: u64,
    ) -> std::path::PathBuf {
        let root = std::env::temp_dir().join(format!("cowtrace-map-{}-{name}", std::process::id()));
        fs::create_dir_all(root.join("9")).unwrap();
        fs::write(
            root.join("9/statm"),
            format!("{pages} {resident} 3 1 0 1 0\n"),
        )
        .unwrap();
        let bytes: Vec<u8> = (0..pages)
            .flat_map(|page| entries(page).to_ne_bytes())
            .collect();
        fs::write(root.join("9/pagemap"), bytes).unwrap();
        root
    }

    fn mapping(first: u64, end: u64) -> Mapping {
        let text = format!("{:x}-{:x} rw-p 0 0:0 0\n", first * PAGE, end * PAGE);
        read_mappings(text.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn what_cannot_be_scanned_has_what_is_in_no_other() {
        let root = fixture("sparse", 1003, |page| u64::from(page < 100) << 63, 100);
        let whole = 1 << 30;
        let mut mappings = [
            mapping(0, 100),
            mapping(100, 100 + whole),
            mapping(whole * 2, whole * 5),
        ];
        count_pages(&root, 9, PAGE, &mut mappings, &[0, 1, 2]);
        // 1003 pages are present, 3 of them of files.
        let found: Vec<u64> = mappings.iter().map(|it| it.resident_pages).collect();
        assert_eq!(found, [100, 225, 675]);
        fs::remove_dir_all(root).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Wherever mappings begin and end, and whatever lies between them.
        #[test]
        fn mappings_that_are_read_together_have_their_own_pages(
            sizes in proptest::collection::vec((0u64..100, 1u64..9000), 1..8),
        ) {
            let entry = |page: u64| u64::from(!page.is_multiple_of(3)) << 63 | u64::from(page.is_multiple_of(5)) << 61;
            let (mut at, mut mappings) = (1, Vec::new());
            for (gap, pages) in &sizes {
                mappings.push(mapping(at + gap, at + gap + pages));
                at += gap + pages;
            }
            let root = fixture(&format!("near-{at}-{}", sizes.len()), 1000, entry, at);
            let wanted: Vec<usize> = (0..mappings.len()).collect();
            count_pages(&root, 9, PAGE, &mut mappings, &wanted);
            fs::remove_dir_all(root).unwrap();
            for mapping in &mappings {
                // Of anonymous memory: what is marked as a file's is the huge page of zeros.
                let pages = mapping.start / PAGE..mapping.end / PAGE;
                let expected = pages.filter(|page| !page.is_multiple_of(3) && !page.is_multiple_of(5)).count() as u64;
                prop_assert_eq!(mapping.resident_pages, expected);
            }
        }
    }
}
