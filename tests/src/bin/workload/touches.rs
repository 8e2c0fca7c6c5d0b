//! Cases of new memory: a child touches pages for the first time, in each way that there is.

use std::{fs::File, num::NonZeroUsize};

use anyhow::{Context as _, Result};
use nix::{
    libc,
    sys::mman::{MapFlags, ProtFlags, mmap_anonymous},
};
use serde_json::Value;

use crate::{
    PAGES,
    child::{Child, writer},
    memory::{Memory, PAGE},
};

/// Memory that nobody has touched.
pub(crate) fn untouched() -> Result<Memory> {
    Memory::anonymous(PAGES)
}

/// Shared memory that nobody has touched.
pub(crate) fn untouched_shared() -> Result<Memory> {
    Memory::shared(PAGES)
}

/// Four huge pages that nobody has touched.
pub(crate) fn untouched_huge() -> Result<Memory> {
    Memory::huge(4 * 512)
}

/// The child writes each page.
pub(crate) fn written(memory: &Memory) -> Result<Vec<Value>> {
    in_child(memory.pages(), || {
        memory.write_all();
        Ok(())
    })
}

/// The kernel writes each page: read(2) into new memory.
pub(crate) fn read_into(memory: &Memory) -> Result<Vec<Value>> {
    let zero = File::open("/dev/zero")?;
    in_child(memory.pages(), || memory.read_file_into(&zero))
}

/// The child reads each page, which gives it the page of zeros, and writes it then.
pub(crate) fn read_first(memory: &Memory) -> Result<Vec<Value>> {
    in_child(memory.pages(), || {
        memory.read_all();
        memory.write_all();
        Ok(())
    })
}

/// A system call fills new memory in advance.
pub(crate) fn populated(_: &Memory) -> Result<Vec<Value>> {
    in_child(PAGES, || {
        forbid_huge_pages()?;
        let length = NonZeroUsize::new(PAGES * PAGE).context("no pages")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        unsafe { mmap_anonymous(None, length, access, flags) }?;
        Ok(())
    })
}

/// The heap grows.
pub(crate) fn grown_heap(_: &Memory) -> Result<Vec<Value>> {
    in_child(PAGES, || {
        forbid_huge_pages()?;
        // SAFETY: the end of the heap moves up; the allocator notices and goes on above.
        let end = unsafe { libc::sbrk(isize::try_from(PAGES * PAGE)?) };
        // An old end within a page belongs to a page that may be there already: start at the next.
        let first = (end as usize).next_multiple_of(PAGE);
        for page in 0..PAGES {
            // SAFETY: within the memory that the heap just got, but for the last byte's page at most.
            unsafe { ((first + page * PAGE) as *mut u8).write_volatile(1) };
        }
        Ok(())
    })
}

/// The main thread's stack grows.
pub(crate) fn grown_stack(_: &Memory) -> Result<Vec<Value>> {
    in_child(PAGES, || {
        forbid_huge_pages()?;
        let here = 0u8;
        let top = &raw const here as usize;
        // A gap, so that nothing of it was in use before; the kernel grows the stack as far as its limit.
        for page in 16..16 + PAGES {
            // SAFETY: below everything that this thread uses of its stack, within its limit of 8 MiB.
            unsafe { ((top - page * PAGE) as *mut u8).write_volatile(1) };
        }
        Ok(())
    })
}

/// Keeps the kernel from filling this process's memory in huge pages: whether it can depends on where the memory
/// happens to lie, and with that the number of page faults.
pub(crate) fn forbid_huge_pages() -> Result<()> {
    // The kernel looks at all bits of each.
    const YES: libc::c_ulong = 1;
    const NO: libc::c_ulong = 0;
    // SAFETY: sets a flag of this process's memory.
    let set = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, YES, NO, NO, NO) };
    nix::errno::Errno::result(set).context("huge pages cannot be forbidden")?;
    Ok(())
}

/// Runs it in a child, and tells that it touched this many pages.
fn in_child(pages: usize, touch: impl FnOnce() -> Result<()>) -> Result<Vec<Value>> {
    let mut child = Child::fork(|| touch().map(|()| pages as u64))?;
    let told = writer(child.pid(), usize::try_from(child.result()?)?, 0);
    child.release()?;
    Ok(vec![told])
}
