//! Memory for walks of stacks: each program that walks stacks has its own on each CPU.

use cowtrace_common::{
    native::NativeStack,
    python::{FRAME_BYTES, MOST_WINDOW_BYTES, PythonStack},
};

/// Hooks that walk stacks.
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
    /// A page of new memory is allocated or mapped.
    Touch = 4,
}

/// Walks on a CPU at one time: one for each program. A task may be preempted in one program while
/// another task runs another program, but never the same one.
pub const SEATS: u32 = 10;

/// A walk under way: the stacks so far, and the memory read last.
#[repr(C)]
pub struct StackWalk {
    /// The Python stack.
    pub python: PythonStack,
    /// The native stack.
    pub native: NativeStack,
    /// What the walk last read from the process's memory.
    pub block: [u64; MOST_WINDOW_BYTES / 8],
    /// Never read nor written. Verifiers that do not compare two unknown numbers take a read of frames to be longer
    /// by one than the block.
    pub beyond: [u64; FRAME_BYTES / 8],
    /// Address of the block in the process, while frames are read.
    pub start: u64,
    /// Bytes after `start` up to the last frame address for which the whole frame is in the block.
    pub reach: u64,
    /// 1 in a hook that the kernel skips for page faults by its own reads.
    pub is_skipped_for_faults: u64,
}
