//! Atomic addition in map memory.
//!
//! In assembly, since the compiler's atomic operations may use the instruction that also fetches the old
//! value, which kernels before 5.12 refuse.

use core::arch::asm;

/// Adds to a counter shared with other CPUs.
///
/// # Safety
/// `counter` points into a map value, aligned to 8 bytes.
#[inline(always)]
pub unsafe fn add_u64(counter: *mut u64, amount: u64) {
    // SAFETY: the caller's promise; the instruction accesses only these 8 bytes.
    unsafe {
        asm!("lock *(u64 *)({counter} + 0) += {amount}",
            counter = in(reg) counter, amount = in(reg) amount, options(nostack));
    }
}

/// Adds to a counter shared with other CPUs; adding `u32::MAX` subtracts 1.
///
/// # Safety
/// `counter` points into a map value, aligned to 4 bytes.
#[inline(always)]
pub unsafe fn add_u32(counter: *mut u32, amount: u32) {
    // SAFETY: the caller's promise; the instruction accesses only these 4 bytes.
    unsafe {
        asm!("lock *(u32 *)({counter} + 0) += {amount}",
            counter = in(reg) counter, amount = in(reg) u64::from(amount), options(nostack));
    }
}
