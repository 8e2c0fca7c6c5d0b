//! How the process's memory is read while stacks are walked.

use aya_ebpf::helpers::{self, generated::bpf_probe_read_user};
use cowtrace_common::{loss::Loss, python::WINDOW_BYTES};

use crate::{
    maps,
    thread::Turn,
    walk::{Hook, StackWalk},
};

/// No process has addresses from here on: reading them fails without a fault (x86-64).
const NO_ADDRESS: u64 = 1 << 47;

/// Pages of memory are of this size or a multiple of it.
const PAGE_BYTES: u64 = 4096;

impl StackWalk {
    /// The place of the program that runs.
    #[inline(always)]
    pub fn begin(hook: Hook, turn: Turn) -> Option<&'static mut Self> {
        let walk = maps::walk(hook as u32 * 2 + (turn as u32 - 1))?;
        // SAFETY: this program's own place on this CPU, on which no other instance of it runs.
        let walk = unsafe { &mut *walk };
        walk.is_skipped_for_faults = u64::from(hook as u32 == Hook::KernelWrite as u32);
        Some(walk)
    }

    /// Fills the block from the process's memory, without faulting.
    #[inline(always)]
    pub fn read(&mut self, address: u64, bytes: u32) -> Option<()> {
        let block = self.block.as_mut_ptr().cast();
        // SAFETY: all callers ask for at most the block's size; the helper checks the address itself.
        let result = unsafe { bpf_probe_read_user(block, bytes, address as *const _) };
        if result == 0 {
            return Some(());
        }
        self.count_fault(address);
        None
    }

    /// A word of the process's memory; the block stays as it is.
    #[inline(always)]
    pub fn peek(&self, address: u64) -> Option<u64> {
        // SAFETY: the helper checks the address itself and fails with EFAULT on a bad one.
        let word = unsafe { helpers::bpf_probe_read_user::<u64>(address as *const _) };
        if word.is_err() {
            self.count_fault(address);
        }
        word.ok()
    }

    #[inline(always)]
    fn count_fault(&self, address: u64) {
        if self.is_skipped_for_faults != 0 && address < NO_ADDRESS {
            maps::lose(Loss::HookFaults, 1);
        }
    }

    /// Forgets what was read before.
    #[inline(always)]
    pub fn forget(&mut self) {
        // No address of a frame.
        self.start = 1;
        self.reach = 0;
    }

    /// Has a frame of some bytes in the block, with what lies up to `below` bytes before it and
    /// `above` bytes from it on, at most a window in all: each read costs more than what it copies.
    ///
    /// Of its page only, so that reading fails, by a fault of its own, only if the frame cannot be
    /// read.
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

    /// The word of a frame in the block at an offset in bytes.
    #[inline(always)]
    pub fn member(&self, frame: u64, offset: u32) -> u64 {
        let at = frame
            .wrapping_sub(self.start)
            .wrapping_add(u64::from(offset));
        self.block[(at / 8) as usize & (WINDOW_BYTES / 8 - 1)]
    }
}
