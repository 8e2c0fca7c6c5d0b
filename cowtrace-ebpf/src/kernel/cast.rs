//! Plain loads of kernel memory, which the kernel protects from bad addresses. A load costs next to
//! nothing, a call of a helper some tens of nanoseconds.

use core::mem;

use aya_ebpf::Global;
use cowtrace_common::cast::CAST_CALL;

/// Id of `struct pt_regs` in the kernel's types. 0 if the kernel does not have the cast: the verifier
/// then removes the code that uses it.
#[unsafe(no_mangle)]
static REGISTERS_TYPE: Global<u32> = Global::new(0);

/// Whether this kernel allows plain loads.
#[inline(always)]
pub fn is_available() -> bool {
    REGISTERS_TYPE.load() != 0
}

/// Reads two words of saved registers (`struct pt_regs`), at `offset` and after it. A word that cannot be
/// read is 0. `None` if the kernel does not allow plain loads.
#[inline(always)]
pub fn two_registers(registers: u64, offset: u32) -> Option<[u64; 2]> {
    if !is_available() {
        return None;
    }
    let first = (as_registers(registers) + u64::from(offset)) as *const u64;
    // SAFETY: the verifier allows reads of the structure's members at any address; the kernel loads 0
    // from a bad one.
    Some(unsafe { [first.read_volatile(), first.add(1).read_volatile()] })
}

/// Reads `N` words at a kernel address as if they were the first words of `struct pt_regs`, which has 21.
/// A word that cannot be read is 0. Call it only if [`is_available`].
#[inline(always)]
pub fn kernel_words<const N: usize>(address: u64) -> [u64; N] {
    let first = as_registers(address) as *const u64;
    let mut words = [0; N];
    for (place, word) in words.iter_mut().enumerate() {
        // SAFETY: as in `two_registers`; every caller reads fewer than 21 words.
        *word = unsafe { first.add(place).read_volatile() };
    }
    words
}

#[inline(always)]
fn as_registers(address: u64) -> u64 {
    // SAFETY: the user side replaced this number by the id of the kernel's function.
    let cast: extern "C" fn(u64, u64) -> u64 = unsafe { mem::transmute(CAST_CALL as usize) };
    cast(address, u64::from(REGISTERS_TYPE.load()))
}
