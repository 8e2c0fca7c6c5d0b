//! Memory of the cases: mapped, written page by page, and looked up in pagemap.

use std::{
    fs::File,
    io::{IoSlice, Read as _, Seek as _, SeekFrom, Write as _},
    num::NonZeroUsize,
    os::fd::BorrowedFd,
    ptr::NonNull,
};

use anyhow::{Context as _, Result};
use nix::{
    libc::c_void,
    sys::{
        mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap},
        uio::{RemoteIoVec, process_vm_writev},
    },
};

pub(crate) const PAGE: usize = 4096;
const HUGE_PAGE: usize = 2 << 20;

/// A mapping of this process; inherited like any other.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    base: NonNull<c_void>,
    pages: usize,
}

// SAFETY: plain memory; the cases that share it between threads want the race.
unsafe impl Send for Memory {}
// SAFETY: as above; every access is volatile or atomic.
unsafe impl Sync for Memory {}

impl Memory {
    /// Private anonymous memory in small pages, untouched so far.
    pub(crate) fn anonymous(pages: usize) -> Result<Self> {
        let memory = Self::map(pages, MapFlags::MAP_PRIVATE)?;
        memory.advise(MmapAdvise::MADV_NOHUGEPAGE)?;
        Ok(memory)
    }

    /// Shared anonymous memory.
    pub(crate) fn shared(pages: usize) -> Result<Self> {
        Self::map(pages, MapFlags::MAP_SHARED)
    }

    /// Private anonymous memory, aligned for huge pages and advised to use them.
    pub(crate) fn huge(pages: usize) -> Result<Self> {
        let whole = Self::map(pages + HUGE_PAGE / PAGE, MapFlags::MAP_PRIVATE)?;
        let start = whole.base.as_ptr() as usize;
        let offset = start.next_multiple_of(HUGE_PAGE) - start;
        // SAFETY: the mapping is larger by one huge page, so the aligned start lies in it.
        let base = unsafe { whole.base.byte_add(offset) };
        let memory = Self { base, pages };
        memory.advise(MmapAdvise::MADV_HUGEPAGE)?;
        Ok(memory)
    }

    /// A private mapping of a new file, in small pages. (The first write to a huge page of a file
    /// unmaps it whole, so the writes after it would not be to present pages.)
    pub(crate) fn file(pages: usize) -> Result<Self> {
        let file = scratch_file(pages)?;
        let length = NonZeroUsize::new(pages * PAGE).context("no pages")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(None, length, access, MapFlags::MAP_PRIVATE, &file, 0) }?;
        let memory = Self { base, pages };
        memory.advise(MmapAdvise::MADV_NOHUGEPAGE)?;
        Ok(memory)
    }

    fn map(pages: usize, sharing: MapFlags) -> Result<Self> {
        let length = NonZeroUsize::new(pages * PAGE).context("no pages")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap_anonymous(None, length, access, sharing) }?;
        Ok(Self { base, pages })
    }

    /// Private huge pages of hugetlbfs; the same number is reserved for a child's copies.
    pub(crate) fn hugetlb(huge_pages: usize) -> Result<Self> {
        const POOL: &str = "/proc/sys/vm/nr_hugepages";
        let there: usize = std::fs::read_to_string(POOL)
            .context("this kernel has no hugetlbfs")?
            .trim()
            .parse()?;
        std::fs::write(POOL, there.max(2 * huge_pages).to_string())?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB;
        Self::map(huge_pages * HUGE_PAGE / PAGE, flags)
            .context("the kernel has no huge pages to give (2 MiB each)")
    }

    pub(crate) fn advise(self, advice: MmapAdvise) -> Result<()> {
        // SAFETY: advice about huge pages changes no content.
        unsafe { madvise(self.base, self.pages * PAGE, advice) }.context("madvise")
    }

    pub(crate) fn start(self) -> u64 {
        self.base.as_ptr() as u64
    }

    pub(crate) fn end(self) -> u64 {
        self.start() + (self.pages * PAGE) as u64
    }

    pub(crate) fn pages(self) -> usize {
        self.pages
    }

    fn byte(self, page: usize) -> *mut u8 {
        assert!(page < self.pages);
        // SAFETY: within the mapping, as just asserted.
        unsafe { self.base.as_ptr().cast::<u8>().add(page * PAGE) }
    }

    pub(crate) fn write(self, page: usize) {
        // SAFETY: a byte of the mapping; volatile, so that it is really written.
        unsafe { self.byte(page).write_volatile(page as u8) };
    }

    /// Address of a page.
    pub(crate) fn address(self, page: usize) -> *mut c_void {
        self.byte(page).cast()
    }

    /// Writes the same nonzero value into every page.
    pub(crate) fn write_same(self) {
        for page in 0..self.pages {
            // SAFETY: as in `write`.
            unsafe { self.byte(page).write_volatile(0x55) };
        }
    }

    pub(crate) fn write_all(self) {
        (0..self.pages).for_each(|page| self.write(page));
    }

    pub(crate) fn read(self, page: usize) {
        // SAFETY: a byte of the mapping.
        std::hint::black_box(unsafe { self.byte(page).read_volatile() });
    }

    pub(crate) fn read_all(self) {
        (0..self.pages).for_each(|page| self.read(page));
    }

    /// Replaces the upper half by a private file mapping.
    pub(crate) fn map_file_over_second_half(self) -> Result<()> {
        let half = self.pages / 2;
        let file = scratch_file(self.pages - half)?;
        let start = NonZeroUsize::new(self.byte(half) as usize);
        let length = NonZeroUsize::new((self.pages - half) * PAGE).context("no pages")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED;
        // SAFETY: replaces pages of this mapping only.
        unsafe { mmap(start, length, access, flags, &file, 0) }?;
        Ok(())
    }

    /// Makes the kernel write every page: read(2) into the memory.
    pub(crate) fn read_file_into(self, file: &File) -> Result<()> {
        (0..self.pages).try_for_each(|page| self.read_page_into(file, page))
    }

    /// Makes the kernel write a page.
    pub(crate) fn read_page_into(self, mut file: &File, page: usize) -> Result<()> {
        // SAFETY: one page of the mapping, which nothing else refers to.
        let buffer = unsafe { std::slice::from_raw_parts_mut(self.byte(page), PAGE) };
        Ok(file.read_exact(buffer)?)
    }

    /// Writes every page of another process's memory, at the same addresses.
    pub(crate) fn write_into(self, pid: u32) -> Result<()> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid)?);
        for page in 0..self.pages {
            let remote = RemoteIoVec {
                base: self.byte(page) as usize,
                len: 1,
            };
            process_vm_writev(pid, &[IoSlice::new(&[1])], &[remote])?;
        }
        Ok(())
    }

    /// Removes write permission and restores it.
    pub(crate) fn protect_and_unprotect(self) -> Result<()> {
        let length = self.pages * PAGE;
        // SAFETY: nothing touches the mapping between the two calls.
        unsafe {
            mprotect(self.base, length, ProtFlags::PROT_READ)?;
            mprotect(
                self.base,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            )?;
        }
        Ok(())
    }

    /// Removes all access to a page.
    pub(crate) fn forbid(self, page: usize) -> Result<()> {
        let Some(page) = NonNull::new(self.address(page)) else {
            anyhow::bail!("no page");
        };
        // SAFETY: a page of the mapping, which nothing touches afterwards.
        Ok(unsafe { mprotect(page, PAGE, ProtFlags::PROT_NONE) }?)
    }

    /// Unmaps it.
    pub(crate) fn unmap(self) -> Result<()> {
        // SAFETY: the whole mapping, which nobody uses any more.
        Ok(unsafe { munmap(self.base, self.pages * PAGE) }?)
    }

    /// Page frame of each page, 0 for an absent page (bits 0-54 of its entry).
    pub(crate) fn frames(self) -> Result<Vec<u64>> {
        const FRAME: u64 = (1 << 55) - 1;
        let entries = self.entries()?.into_iter();
        Ok(entries.map(|entry| entry & FRAME).collect())
    }

    /// Each page's entry of pagemap (Documentation/admin-guide/mm/pagemap.rst; needs root).
    pub(crate) fn entries(self) -> Result<Vec<u64>> {
        let mut file = File::open("/proc/thread-self/pagemap")?;
        file.seek(SeekFrom::Start(self.start() / PAGE as u64 * 8))?;
        let mut bytes = vec![0; self.pages * 8];
        file.read_exact(&mut bytes)?;
        let words = bytes
            .chunks_exact(8)
            .filter_map(|word| Some(u64::from_ne_bytes(word.try_into().ok()?)));
        Ok(words.collect())
    }
}

/// A file with this many pages that nobody else can open.
pub(crate) fn scratch_file(pages: usize) -> Result<File> {
    let path = std::env::temp_dir().join(format!("cowtrace-workload-{}", std::process::id()));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(path)?;
    file.write_all(&vec![7; pages * PAGE])?;
    Ok(file)
}

/// How many present pages of `memory` are in another frame after `write`: the copies.
pub(crate) fn changed_by(memory: Memory, write: impl FnOnce() -> Result<()>) -> Result<u64> {
    let before = memory.frames()?;
    write()?;
    let after = memory.frames()?;
    Ok(changed(&before, &after))
}

/// Waits for one byte of input; false at the end of input.
pub(crate) fn wait_for_byte(fd: BorrowedFd<'_>) -> bool {
    matches!(nix::unistd::read(fd, &mut [0]), Ok(1))
}

/// How many pages that were present before are now in another frame.
pub(crate) fn changed(before: &[u64], after: &[u64]) -> u64 {
    let moved = |(before, after): &(&u64, &u64)| **before != 0 && before != after;
    before.iter().zip(after).filter(moved).count() as u64
}
