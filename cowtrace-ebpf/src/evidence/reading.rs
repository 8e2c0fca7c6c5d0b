//! Reads of the process's memory during a walk, and what a walk lost.

use aya_ebpf::helpers::{self, generated::bpf_probe_read_user};
use cowtrace_common::{loss::Loss, python::MOST_WINDOW_BYTES};

use crate::{
    maps,
    thread::Turn,
    walk::{Hook, StackWalk},
};

/// End of the addresses that a process can have (x86-64): reads from here on fail without a fault.
const NO_ADDRESS: u64 = 1 << 47;

/// Smallest size of a page; other sizes are multiples of it.
const PAGE_BYTES: u64 = 4096;

/// Counts a stack that found no room: `of_copies` if the hook is one of copies.
#[inline(always)]
pub(super) fn count_unkept(hook: Hook, of_copies: Loss) {
    let cause = match hook {
        Hook::Touch => Loss::TouchesFull,
        _ => of_copies,
    };
    maps::count_loss(cause, 1);
}

impl StackWalk {
    /// The walk of the program that runs.
    #[inline(always)]
    pub fn begin(hook: Hook, turn: Turn) -> Option<&'static mut Self> {
        let walk = maps::walk_of_program(hook as u32 * 2 + (turn as u32 - 1))?;
        // SAFETY: this program's own walk on this CPU, where no other instance of it runs.
        let walk = unsafe { &mut *walk };
        walk.is_skipped_for_faults = u64::from(hook as u32 == Hook::KernelWrite as u32);
        Some(walk)
    }

    /// Fills the block from the process's memory; `None` if the memory cannot be read.
    #[inline(always)]
    pub fn read(&mut self, address: u64, bytes: u32) -> Option<()> {
        let block = self.block.as_mut_ptr().cast();
        // SAFETY: no caller reads more than the block's size; the helper checks the address.
        let result = unsafe { bpf_probe_read_user(block, bytes, address as *const _) };
        if result == 0 {
            return Some(());
        }
        self.count_fault(address);
        None
    }

    /// A word of the process's memory; the block does not change.
    #[inline(always)]
    pub fn peek(&self, address: u64) -> Option<u64> {
        // SAFETY: the helper checks the address and fails with EFAULT on a bad one.
        let word = unsafe { helpers::bpf_probe_read_user::<u64>(address as *const _) };
        if word.is_err() {
            self.count_fault(address);
        }
        word.ok()
    }

    #[inline(always)]
    fn count_fault(&self, address: u64) {
        if self.is_skipped_for_faults != 0 && address < NO_ADDRESS {
            maps::count_loss(Loss::HookFaults, 1);
        }
    }

    /// Marks the block as empty.
    #[inline(always)]
    pub fn forget(&mut self) {
        // No frame has this address: it is odd.
        self.start = 1;
        self.reach = 0;
    }

    /// Makes sure that a frame of `bytes` bytes is in the block. If it is not, reads it together with up
    /// to `below` bytes before its address and up to `above` bytes from its address on, at most the block's size
    /// in all: a read costs more than the bytes that it copies.
    ///
    /// Reads only in the frame's page where the frame fits, so that a read fails, after a page fault,
    /// only if the frame itself cannot be read.
    #[inline(always)]
    pub fn load(&mut self, frame: u64, bytes: u64, below: u64, above: u64) -> Option<()> {
        if frame.wrapping_sub(self.start) <= self.reach {
            return Some(());
        }
        let in_page = frame & (PAGE_BYTES - 1);
        let before = in_page.min(below);
        let after = (PAGE_BYTES - in_page).min(above).max(bytes);
        self.start = frame.wrapping_sub(before);
        self.reach = (before + after).wrapping_sub(bytes);
        self.read(self.start, (before + after) as u32)
    }

    /// The word at an offset, in bytes, of a frame that is in the block.
    #[inline(always)]
    pub fn member(&self, frame: u64, offset: u32) -> u64 {
        let at = frame
            .wrapping_sub(self.start)
            .wrapping_add(u64::from(offset));
        self.block[(at / 8) as usize & (MOST_WINDOW_BYTES / 8 - 1)]
    }
}
