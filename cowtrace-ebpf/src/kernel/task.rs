//! Tasks and their address spaces.

use aya_ebpf::{Global, helpers::bpf_get_current_task};

use super::{reading::read_member, registers::SavedRegisters};

/// Offset of `pid` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_PID: Global<u32> = Global::new(0);
/// Offset of `tgid` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_TGID: Global<u32> = Global::new(0);
/// Offset of `mm` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_MM: Global<u32> = Global::new(0);
/// Offset of `exit_code` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_EXIT_CODE: Global<u32> = Global::new(0);
/// Offset of `signal` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_SIGNAL: Global<u32> = Global::new(0);
/// Offset of `oom_mm` in `struct signal_struct`, bytes.
#[unsafe(no_mangle)]
static SIGNAL_OOM_MM: Global<u32> = Global::new(0);
/// Offset of the thread pointer in `struct task_struct`, bytes: `thread.fsbase` on x86-64, `thread.uw.tp_value` on
/// arm64.
#[unsafe(no_mangle)]
static TASK_THREAD_POINTER: Global<u32> = Global::new(0);
/// Offset of `stack` in `struct task_struct`, bytes.
#[unsafe(no_mangle)]
static TASK_STACK: Global<u32> = Global::new(0);
/// Offset of the user-mode registers from the start of a task's stack, bytes: its size less
/// `struct pt_regs`.
#[unsafe(no_mangle)]
static STACK_REGISTERS: Global<u32> = Global::new(0);
/// Offset of `owner` in `struct mm_struct`, bytes; 0 if the kernel has no such member (no
/// memory cgroups).
#[unsafe(no_mangle)]
static MM_OWNER: Global<u32> = Global::new(0);
/// A `struct task_struct` by its kernel address.
#[derive(Clone, Copy)]
pub struct KernelTask(pub u64);

impl KernelTask {
    /// The task that runs now.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: a helper without arguments.
        Self(unsafe { bpf_get_current_task() })
    }

    /// Task id.
    #[inline(always)]
    pub fn tid(self) -> Result<u32, i32> {
        read_member(self.0, TASK_PID.load())
    }

    /// Process id (thread group id).
    #[inline(always)]
    pub fn tgid(self) -> Result<u32, i32> {
        read_member(self.0, TASK_TGID.load())
    }

    /// Its thread pointer, the address from which it finds its thread-local storage.
    #[inline(always)]
    pub fn thread_pointer(self) -> Result<u64, i32> {
        read_member(self.0, TASK_THREAD_POINTER.load())
    }

    /// Its saved user-mode registers.
    #[inline(always)]
    pub fn user_registers(self) -> Result<SavedRegisters, i32> {
        let stack: u64 = read_member(self.0, TASK_STACK.load())?;
        Ok(SavedRegisters(stack + u64::from(STACK_REGISTERS.load())))
    }

    /// Its process's status as wait(2) gives it, once it exits.
    #[inline(always)]
    pub fn wait_status(self) -> Result<u32, i32> {
        read_member(self.0, TASK_EXIT_CODE.load())
    }

    /// Whether the kernel chose its process to be killed for lack of memory.
    #[inline(always)]
    pub fn is_out_of_memory(self) -> Result<bool, i32> {
        let signal: u64 = read_member(self.0, TASK_SIGNAL.load())?;
        let oom_mm: u64 = read_member(signal, SIGNAL_OOM_MM.load())?;
        Ok(oom_mm != 0)
    }

    /// Kernel address of the address space, 0 for a kernel thread.
    #[inline(always)]
    pub fn mm(self) -> Result<Mm, i32> {
        read_member(self.0, TASK_MM.load()).map(Mm)
    }
}

/// An address space (`struct mm_struct`), by its kernel address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mm(pub u64);

impl Mm {
    /// Task id of the main thread of the process that it belongs to.
    #[inline(always)]
    pub fn owner(self) -> Option<u32> {
        let offset = MM_OWNER.load();
        if offset == 0 {
            return None;
        }
        match read_member::<u64>(self.0, offset) {
            Ok(task) if task != 0 => KernelTask(task).tid().ok(),
            _ => None,
        }
    }
}
