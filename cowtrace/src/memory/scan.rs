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
    let mut pages = Pages::default();
    let is_whole = scan_alike(pagemap, span, urgent, |alike| {
        let here = alike.end.saturating_sub(alike.start) / page_bytes;
        match alike.categories {
            kind if kind & PRESENT == 0 || kind & ZERO != 0 => {}
            kind if kind & OF_FILE != 0 => pages.of_file += here,
            _ => pages.anonymous += here,
        }
        true
    });
    is_whole.then_some(pages)
}

/// The parts of a span in which pages of no file are present or in swap, in whole units of `unit` bytes,
/// by address and apart from each other. None if this kernel cannot tell, the process has ended, or
/// there are more than `most` parts.
pub(super) fn scan_anonymous(
    pagemap: &File,
    span: Range<u64>,
    unit: u64,
    most: usize,
    urgent: &mut Urgent,
) -> Option<Vec<Range<u64>>> {
    let mut parts: Vec<Range<u64>> = Vec::new();
    let is_whole = scan_alike(pagemap, span.clone(), urgent, |alike| {
        if alike.categories & (OF_FILE | ZERO) != 0 {
            return true;
        }
        let start = (alike.start / unit * unit).max(span.start);
        let end = alike.end.checked_next_multiple_of(unit);
        let end = end.unwrap_or(u64::MAX).min(span.end);
        match parts.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => parts.push(start..end),
        }
        parts.len() <= most
    });
    is_whole.then_some(parts)
}

/// Finds what is present or in swap of a span, by address, for as long as `each` wants more; whether it
/// came to the end.
fn scan_alike(
    pagemap: &File,
    span: Range<u64>,
    urgent: &mut Urgent,
    mut each: impl FnMut(Alike) -> bool,
) -> bool {
    let mut found = [Alike::default(); PAGES];
    let mut at = span.start;
    while at < span.end {
        urgent.pause();
        let mut argument = ScanArgument {
            size: size_of::<ScanArgument>() as u64,
            start: at,
            end: span.end.min(at.saturating_add(SPAN)),
            vec: found.as_mut_ptr() as u64,
            vec_len: PAGES as u64,
            max_pages: PAGES as u64,
            category_anyof_mask: PRESENT | SWAPPED,
            return_mask: PRESENT | OF_FILE | ZERO,
            ..ScanArgument::default()
        };
        // SAFETY: the argument is what the call takes, and the vector has as many places as it says;
        // both outlive the call.
        let count = unsafe { pagemap_scan(pagemap.as_raw_fd(), &raw mut argument) };
        let count = count.ok().and_then(|count| usize::try_from(count).ok());
        let Some(count) = count.filter(|_| argument.walk_end > at) else {
            return false;
        };
        if !found.iter().take(count).all(|alike| each(*alike)) {
            return false;
        }
        at = argument.walk_end;
    }
    true
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
