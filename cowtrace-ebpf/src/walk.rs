//! Memory in which stacks are put together, one place for each program that walks them.

use cowtrace_common::{
    native::NativeStack,
    python::{PythonStack, WINDOW_BYTES},
};

/// Hooks in which stacks are walked.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Hook {
    /// A user-mode fault, or the end of a write to a protected page.
    Write = 0,
    /// A kernel-mode fault.
    KernelWrite = 1,
    /// The end of a first write to a page of a private file mapping.
    FirstWrite = 2,
    /// The end of a write to a page of hugetlbfs.
    HugeWrite = 3,
}

/// Places for walks on a CPU: one for each program. A task may be preempted in one program while
/// another task runs the next, but never the same.
pub const SEATS: u32 = 8;

/// Stacks under construction.
#[repr(C)]
pub struct StackWalk {
    /// Of Python.
    pub python: PythonStack,
    /// Of native code.
    pub native: NativeStack,
    /// What was read last of the process's memory.
    pub block: [u64; WINDOW_BYTES / 8],
    /// Where it begins, while frames are read.
    pub start: u64,
    /// How far after that a frame can begin and lie in it whole.
    pub reach: u64,
    /// 1 in a hook that the kernel skips for faults of its own reading.
    pub is_skipped_for_faults: u64,
}
