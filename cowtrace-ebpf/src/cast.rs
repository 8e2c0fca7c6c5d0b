//! Kernel memory by plain loads. Each call of a helper costs some tens of nanoseconds; a load that
//! the kernel guards itself costs none of that.

use core::mem;

use aya_ebpf::Global;
use cowtrace_common::cast::CAST_CALL;

/// Id of `struct pt_regs` in the kernel's types; 0 where the kernel has no such cast, and then the
/// verifier removes it as dead code.
#[unsafe(no_mangle)]
static REGISTERS_TYPE: Global<u32> = Global::new(0);

/// Reads two words of saved registers (`struct pt_regs`), at `offset` and after it; 0 for one that
/// cannot be read. `None` where the kernel cannot do this.
#[inline(always)]
pub fn two_registers(registers: u64, offset: u32) -> Option<[u64; 2]> {
    let structure = REGISTERS_TYPE.load();
    if structure == 0 {
        return None;
    }
    // SAFETY: the user side has put the kernel's function in the place of this number.
    let cast: extern "C" fn(u64, u64) -> u64 = unsafe { mem::transmute(CAST_CALL as usize) };
    let first = (cast(registers, u64::from(structure)) + u64::from(offset)) as *const u64;
    // SAFETY: the verifier lets members of the structure be read, at any address; the kernel loads 0
    // where there is nothing.
    Some(unsafe { [first.read_volatile(), first.add(1).read_volatile()] })
}
