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
/// Offset of `ip` in `struct pt_regs` (x86-64), bytes.
#[unsafe(no_mangle)]
static REGS_IP: Global<u32> = Global::new(0);

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
    /// The instruction pointer at the time of the fault.
    #[inline(always)]
    pub fn instruction(self) -> Result<u64, i32> {
        read(self.0, REGS_IP.load())
    }

    /// Whether these are still the registers of an exception at `instruction`.
    ///
    /// An exception saves -1 as `orig_ax` where a system call saves its number
    /// (arch/x86/entry/entry_64.S), so the registers of a fault that has ended are told from
    /// those of the system call that follows on the same stack.
    #[inline(always)]
    pub fn hold_exception_at(self, instruction: u64) -> bool {
        const NO_SYSTEM_CALL: i64 = -1;
        let orig_ax: Result<i64, i32> = read(self.0, REGS_ORIG_AX.load());
        if orig_ax != Ok(NO_SYSTEM_CALL) {
            return false;
        }
        self.instruction() == Ok(instruction)
    }
}
