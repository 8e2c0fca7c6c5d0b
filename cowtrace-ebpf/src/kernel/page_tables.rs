//! A process's memory, found by its page tables and read through the kernel's own mapping of physical
//! memory (x86-64).
//!
//! A hook inside a page fault must not read the process's memory by the process's own addresses: the
//! processor would keep the translation that it used, which the fault is about to change. If the fault
//! only makes the page writable again, the kernel does not flush that translation, and Intel's processors
//! fault once more on it (docs/kernel.md). Reads through the kernel's mapping leave neither a translation
//! nor an accessed bit.

use aya_ebpf::Global;
use cowtrace_common::direct_map::{BASE_ALIGNMENT, DirectMap, MARK_WORDS, TRIES};

use super::{
    cast,
    reading::{read_at, read_member},
    task::KernelTask,
};
use crate::maps;

/// Offset of `pgd` in `struct mm_struct`, bytes; 0 if this trace does not follow page tables.
#[unsafe(no_mangle)]
static MM_PGD: Global<u32> = Global::new(0);

/// An entry maps memory (`_PAGE_PRESENT`).
const PRESENT: u64 = 1;
/// An entry above the lowest level maps memory, not a table (`_PAGE_PSE`).
const HUGE: u64 = 1 << 7;
const PAGE_SHIFT: u32 = 12;
const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;
/// Bits of an address that one level of tables translates.
const LEVEL_BITS: u32 = 9;
/// Lowest bit of the top table's index in an address, with 4 levels of tables and with 5.
const TOP_SHIFT: u32 = 39;
const TOP_SHIFT_OF_5: u32 = 48;
/// With 4 levels of tables, all bits of a kernel address from this one on are set.
const ALIKE_BITS: u32 = 47;

/// Whether this trace follows page tables. If not, the verifier removes the code that does.
#[inline(always)]
pub fn can_be_followed() -> bool {
    MM_PGD.load() != 0
}

/// Kernel address of the current process's top table.
#[inline(always)]
pub fn of_current() -> Option<u64> {
    let mm = KernelTask::current().mm().ok()?;
    read_member(mm.0, MM_PGD.load())
        .ok()
        .filter(|&top| top != 0)
}

/// Words of the process with these tables, from `address` on, which is a multiple of 8. Words in an
/// absent second page are 0. `None` if the first page is absent, or if the kernel's mapping of physical
/// memory is unknown.
#[inline(always)]
pub fn words_of_process<const N: usize>(top: u64, address: u64) -> Option<[u64; N]> {
    let map = maps::direct_map()?;
    if map.base == 0 {
        return None;
    }
    let place = find_byte(map, top, address)?;
    let in_page = PAGE_BYTES - (address & (PAGE_BYTES - 1));
    if in_page >= 8 * N as u64 {
        return Some(words_at(place));
    }
    let next = find_byte(map, top, address + in_page);
    let mut words = [0; N];
    for (number, word) in words.iter_mut().enumerate() {
        let at = 8 * number as u64;
        if at < in_page {
            [*word] = words_at(place + at);
        } else if let Some(next) = next {
            [*word] = words_at(next + at - in_page);
        }
    }
    Some(words)
}

/// Searches for the kernel's mapping of physical memory. At `address` the current process has `mark`, two
/// words that are nowhere else. The process's top table lies in the mapping, so this tries the next few
/// possible bases below it, and stores the one with which the tables lead to the mark.
#[inline(always)]
pub fn search_direct_map_at(
    address: u64,
    mark: [u64; MARK_WORDS],
    frame_mask: u64,
    first_try: u64,
) {
    let Some(top) = of_current() else {
        return;
    };
    let is_4_levels = top >> ALIKE_BITS == u64::MAX >> ALIKE_BITS;
    let highest = top & !(BASE_ALIGNMENT - 1);
    for number in 0..u64::from(TRIES) {
        let map = DirectMap {
            base: highest.wrapping_sub((first_try + number) * BASE_ALIGNMENT),
            frame_mask,
            levels: if is_4_levels { 4 } else { 5 },
        };
        if let Some(place) = find_byte(&map, top, address)
            && words_at(place) == mark
        {
            maps::set_direct_map(map);
            return;
        }
    }
}

/// Kernel address, in the mapping of physical memory, of a byte of the process with these tables.
#[inline(always)]
fn find_byte(map: &DirectMap, top: u64, address: u64) -> Option<u64> {
    let mut table = top;
    if map.levels == 5 {
        let entry = table_entry(table, address, TOP_SHIFT_OF_5);
        if entry & PRESENT == 0 {
            return None;
        }
        table = map.base + (entry & map.frame_mask);
    }
    for level in 0..4 {
        let shift = TOP_SHIFT - level * LEVEL_BITS;
        let entry = table_entry(table, address, shift);
        if entry & PRESENT == 0 {
            return None;
        }
        if shift == PAGE_SHIFT || (entry & HUGE != 0 && level > 0) {
            let within = (1 << shift) - 1;
            let physical = (entry & map.frame_mask & !within) | (address & within);
            return Some(map.base + physical);
        }
        table = map.base + (entry & map.frame_mask);
    }
    None
}

#[inline(always)]
fn table_entry(table: u64, address: u64, shift: u32) -> u64 {
    let index = (address >> shift) & ((1 << LEVEL_BITS) - 1);
    let [entry] = words_at(table + 8 * index);
    entry
}

/// Words at a kernel address; those that cannot be read are 0.
#[inline(always)]
fn words_at<const N: usize>(address: u64) -> [u64; N] {
    if cast::is_available() {
        return cast::kernel_words(address);
    }
    read_at(address).unwrap_or([0; N])
}
