//! The kernel's own mapping of all physical memory. Through it the kernel side reads a process's memory
//! without the process's address translations (x86-64).

/// What the kernel side needs to follow page tables. All 0 until the search has found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct DirectMap {
    /// Kernel address of physical address 0 (`page_offset_base`).
    pub base: u64,
    /// Mask of the physical address in a page table's entry.
    pub frame_mask: u64,
    /// Levels of page tables: 4 or 5.
    pub levels: u64,
}

/// Alignment of [`DirectMap::base`], bytes. The random offset that the kernel adds at boot is a
/// multiple of it (`PUD_SIZE`, arch/x86/mm/kaslr.c).
pub const BASE_ALIGNMENT: u64 = 1 << 30;

/// Possible bases that one run of the kernel side's search tries.
pub const TRIES: u32 = 32;

/// Words of the mark that the search looks for. The user side puts it at the start of a page of its own.
pub const MARK_WORDS: usize = 2;
