//! Counts of this process's own memory, and of a pagemap that is a plain file.

use super::*;
use crate::memory::{page_bytes, read_layout_text, read_mappings};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use proptest::prelude::*;
use std::{ffi::c_void, fs, num::NonZeroUsize, ptr::NonNull};

const PAGE: u64 = 4096;

/// Memory of this process, unmapped at the end.
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

    /// Present pages, and the anonymous ones among them.
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

/// Reading new memory maps the zero page, which takes no memory.
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

/// Memory as sanitizers and runtimes reserve it. Its pagemap entries would take 2 GiB.
#[test]
fn sparse_memory_is_counted_without_reading_its_holes() {
    let pages = (1 << 40) / page_bytes();
    let memory = Memory::anonymous(1 << 40);
    for page in [0, 1, 2, 1000, pages / 2, pages / 2 + 5, pages - 1] {
        memory.write(page);
    }
    memory.read(pages / 3);
    let argument = scan_pages(
        &File::open("/proc/self/pagemap").unwrap(),
        memory.0.as_ptr() as u64..memory.0.as_ptr() as u64 + page_bytes(),
        page_bytes(),
        &mut Urgent::begin(),
    );
    // Linux 6.7; before, pages that no other mapping accounts for count as being here.
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
    // 1003 pages are present, 3 of them belong to files.
    let found: Vec<u64> = mappings.iter().map(|it| it.resident_pages).collect();
    assert_eq!(found, [100, 225, 675]);
    fs::remove_dir_all(root).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Any bounds of mappings, and any gaps between them.
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
            // In anonymous memory, what is marked as a file's is the huge zero page.
            let pages = mapping.start / PAGE..mapping.end / PAGE;
            let expected = pages.filter(|page| !page.is_multiple_of(3) && !page.is_multiple_of(5)).count() as u64;
            prop_assert_eq!(mapping.resident_pages, expected);
        }
    }
}
