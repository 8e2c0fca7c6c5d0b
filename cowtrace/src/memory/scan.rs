//! Present pages of sparse memory: `PAGEMAP_SCAN` (Linux 6.7), which skips holes instead of listing
//! each of their pages. It holds the memory's lock while it scans, so each call covers little.

use std::{
    fs::File,
    num::NonZeroUsize,
    ops::Range,
    os::{fd::AsRawFd as _, unix::fs::FileExt as _},
};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::urgent::Urgent;

/// Most pages found per call: as many as pagemap reads under one lock.
const PAGES: usize = 512;
/// Most bytes of addresses per call: page tables may exist but be empty.
const SPAN: u64 = 4 << 30;

/// The present pages of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pages {
    /// Pages that belong to no file.
    pub(super) anonymous: u64,
    /// Pages of a file.
    pub(super) of_file: u64,
}

/// `struct pm_scan_arg` of linux/fs.h.
#[repr(C)]
#[derive(Default)]
pub(super) struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`: consecutive pages of the same kind.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Alike {
    start: u64,
    end: u64,
    categories: u64,
}

const OF_FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
const ZERO: u64 = 1 << 5;

nix::ioctl_readwrite!(pagemap_scan, b'f', 16, ScanArgument);

/// Counts the present pages of a span; none if this kernel cannot, or the process has exited.
pub(super) fn scan_pages(
    pagemap: &File,
    span: Range<u64>,
    page_bytes: u64,
    urgent: &mut Urgent,
) -> Option<Pages> {
    let mut found = [Alike::default(); PAGES];
    let (mut at, mut pages) = (span.start, Pages::default());
    while at < span.end {
        urgent.pause();
        let mut argument = ScanArgument {
            size: size_of::<ScanArgument>() as u64,
            start: at,
            end: span.end.min(at.saturating_add(SPAN)),
            vec: found.as_mut_ptr() as u64,
            vec_len: PAGES as u64,
            max_pages: PAGES as u64,
            // Swapped pages are included only so that they count as found.
            category_anyof_mask: PRESENT | SWAPPED,
            return_mask: PRESENT | OF_FILE | ZERO,
            ..ScanArgument::default()
        };
        // SAFETY: the argument has the type that the call takes, and the vector has as many entries
        // as it says; both outlive the call.
        let count = unsafe { pagemap_scan(pagemap.as_raw_fd(), &raw mut argument) }.ok()?;
        for alike in found.iter().take(usize::try_from(count).unwrap_or(0)) {
            let here = alike.end.saturating_sub(alike.start) / page_bytes;
            match alike.categories {
                kind if kind & PRESENT == 0 || kind & ZERO != 0 => {}
                kind if kind & OF_FILE != 0 => pages.of_file += here,
                _ => pages.anonymous += here,
            }
        }
        if argument.walk_end <= at {
            return None;
        }
        at = argument.walk_end;
    }
    Some(pages)
}

/// Frame number of the zero page, which the first read of new memory maps; none if frame numbers
/// are hidden (without `CAP_SYS_ADMIN`).
pub(super) fn zero_frame(page_bytes: u64) -> Option<u64> {
    const FRAME: u64 = (1 << 55) - 1;
    let length = NonZeroUsize::new(usize::try_from(page_bytes).ok()?)?;
    let access = ProtFlags::PROT_READ;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let page = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_PRIVATE) }.ok()?;
    // SAFETY: a byte of the mapping.
    std::hint::black_box(unsafe { page.cast::<u8>().as_ptr().read_volatile() });
    let mut entry = [0; 8];
    let read = File::open("/proc/self/pagemap")
        .and_then(|file| file.read_exact_at(&mut entry, page.as_ptr() as u64 / page_bytes * 8));
    // SAFETY: nothing refers to the mapping any more.
    let _ = unsafe { munmap(page, length.get()) };
    read.ok()?;
    let frame = u64::from_ne_bytes(entry) & FRAME;
    (frame != 0).then_some(frame)
}
