//! Where the kernel has all physical memory mapped, so that a process's memory can be read without
//! the process's own translations (x86-64).

/// What it takes to follow page tables from the kernel side. All 0 while it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct DirectMap {
    /// Kernel address of physical address 0 (`page_offset_base`).
    pub base: u64,
    /// The bits of a page table's entry that are a physical address, as far as memory reaches.
    pub frame_mask: u64,
    /// Levels of page tables: 4 or 5.
    pub levels: u64,
}

/// Alignment of [`DirectMap::base`], whatever the kernel adds to it at boot, bytes
/// (`PUD_SIZE`, arch/x86/mm/kaslr.c).
pub const BASE_ALIGNMENT: u64 = 1 << 30;

/// Bases that the kernel side tries in one run of its search.
pub const TRIES: u32 = 32;

/// Words that the search looks for: a page of the user side's has them at its start.
pub const MARK_WORDS: usize = 2;
