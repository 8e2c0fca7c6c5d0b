//! Kernel memory by plain loads. Each call of a helper costs some tens of nanoseconds; a load that
//! the kernel guards itself costs none of that.

use core::mem;

use aya_ebpf::Global;
use cowtrace_common::cast::CAST_CALL;

/// Id of `struct pt_regs` in the kernel's types; 0 where the kernel has no such cast, and then the
/// verifier removes it as dead code.
#[unsafe(no_mangle)]
static REGISTERS_TYPE: Global<u32> = Global::new(0);

/// Whether this kernel can do it.
#[inline(always)]
pub fn is_available() -> bool {
    REGISTERS_TYPE.load() != 0
}

/// Reads two words of saved registers (`struct pt_regs`), at `offset` and after it; 0 for one that
/// cannot be read. `None` where the kernel cannot do this.
#[inline(always)]
pub fn two_registers(registers: u64, offset: u32) -> Option<[u64; 2]> {
    if !is_available() {
        return None;
    }
    let first = (as_registers(registers) + u64::from(offset)) as *const u64;
    // SAFETY: the verifier lets members of the structure be read, at any address; the kernel loads 0
    // where there is nothing.
    Some(unsafe { [first.read_volatile(), first.add(1).read_volatile()] })
}

/// Reads as many words as there are at an address of the kernel's, as if they were the first of
/// `struct pt_regs`, which has 21; 0 for those that cannot be read. Only where it is available.
#[inline(always)]
pub fn words<const N: usize>(address: u64) -> [u64; N] {
    let first = as_registers(address) as *const u64;
    let mut words = [0; N];
    for (place, word) in words.iter_mut().enumerate() {
        // SAFETY: as in `two_registers`; all callers ask for a few words.
        *word = unsafe { first.add(place).read_volatile() };
    }
    words
}

#[inline(always)]
fn as_registers(address: u64) -> u64 {
    // SAFETY: the user side has put the kernel's function in the place of this number.
    let cast: extern "C" fn(u64, u64) -> u64 = unsafe { mem::transmute(CAST_CALL as usize) };
    cast(address, u64::from(REGISTERS_TYPE.load()))
}
