//! Kernel structures, read at offsets that the user side takes from the running kernel's BTF and
//! patches in at load. The only file that does pointer arithmetic on kernel addresses.

use aya_ebpf::{Global, helpers::bpf_probe_read_kernel};

/// Offset of `pid` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_PID: Global<u32> = Global::new(0);
/// Offset of `tgid` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_TGID: Global<u32> = Global::new(0);
/// Offset of `mm` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_MM: Global<u32> = Global::new(0);
/// Offset of `orig_ax` in `struct pt_regs` (x86-64), bytes.
#[unsafe(no_mangle)]
static REGS_ORIG_AX: Global<u32> = Global::new(0);

/// Words of `struct pt_regs` (x86-64).
const REGISTERS: usize = 21;
/// An exception saves this as `orig_ax` where a system call saves its number
/// (arch/x86/entry/entry_64.S).
const NO_SYSTEM_CALL: u64 = u64::MAX;

#[inline(always)]
fn read<T>(base: u64, offset: u32) -> Result<T, i32> {
    let field = (base + u64::from(offset)) as *const T;
    // SAFETY: the helper checks the address itself and fails with EFAULT on a bad one.
    unsafe { bpf_probe_read_kernel(field) }
}

/// A `struct task_struct` by its kernel address.
#[derive(Clone, Copy)]
pub struct Task(pub u64);

impl Task {
    /// Task id.
    #[inline(always)]
    pub fn tid(self) -> Result<u32, i32> {
        read(self.0, TASK_PID.load())
    }

    /// Process id (thread group id).
    #[inline(always)]
    pub fn tgid(self) -> Result<u32, i32> {
        read(self.0, TASK_TGID.load())
    }

    /// Kernel address of the address space, 0 for a kernel thread.
    #[inline(always)]
    pub fn mm(self) -> Result<u64, i32> {
        read(self.0, TASK_MM.load())
    }
}

/// Saved registers (`struct pt_regs`) by their kernel address.
#[derive(Clone, Copy)]
pub struct Registers(pub u64);

impl Registers {
    /// Whether an exception saved these, and not a system call.
    ///
    /// User-mode registers are always saved at the same place of a task's stack, so this tells a
    /// fault that goes on from a system call after it.
    #[inline(always)]
    pub fn are_an_exceptions(self) -> bool {
        read(self.0, REGS_ORIG_AX.load()) == Ok(NO_SYSTEM_CALL)
    }

    /// A digest of all registers, never 0.
    ///
    /// Kernel-mode registers lie in the middle of the stack and stay there, in part, after the
    /// fault: two words may survive the calls that follow by chance, all of them do not.
    #[inline(always)]
    pub fn digest(self) -> Result<u64, i32> {
        let words: [u64; REGISTERS] = read(self.0, 0)?;
        let mut digest = 0u64;
        for word in words {
            digest = (digest ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
        }
        Ok(digest | 1)
    }
}
