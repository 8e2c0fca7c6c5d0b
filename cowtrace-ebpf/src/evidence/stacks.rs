//! The stacks of a writer, by the numbers that its evidence has.

use super::{native, python};
use crate::{
    kernel::SavedRegisters,
    program::KnownProgram,
    thread::{TracedThread, Turn},
    walk::{Hook, StackWalk},
};

/// Numbers of a writer's stacks, 0 for an unknown one.
#[derive(Clone, Copy, Default)]
pub struct StackNumbers {
    /// Number of a [`cowtrace_common::python::PythonStack`].
    pub python_stack: u64,
    /// Number of a [`cowtrace_common::native::NativeStack`].
    pub native_stack: u64,
}

/// Whether this trace walks any stack of processes that run this program.
#[inline(always)]
pub fn are_walked(program: KnownProgram) -> bool {
    native::walks_native_stacks() || (python::walks_python_frames() && program.interpreter != 0)
}

/// Keeps the stacks of the open fault's writer with the thread until the fault copies its page.
#[inline(always)]
pub fn keep_until_copy(mut thread: TracedThread, stacks: StackNumbers) {
    let fault = thread.get_mut();
    fault.python_stack = stacks.python_stack;
    if native::walks_native_stacks() {
        fault.native_stack = stacks.native_stack;
    }
}

/// The stacks that were kept with the thread.
#[inline(always)]
pub fn kept_with(thread: TracedThread) -> StackNumbers {
    let fault = thread.get();
    let mut stacks = StackNumbers {
        python_stack: fault.python_stack,
        native_stack: 0,
    };
    if native::walks_native_stacks() {
        stacks.native_stack = fault.native_stack;
    }
    stacks
}

/// The stacks of the current thread that this trace walks. `registers` gives its user-mode registers.
#[inline(always)]
pub fn of_writer(
    thread: TracedThread,
    program: KnownProgram,
    hook: Hook,
    turn: Turn,
    registers: impl FnOnce() -> Result<SavedRegisters, i32>,
) -> StackNumbers {
    let mut stacks = StackNumbers::default();
    if !are_walked(program) {
        return stacks;
    }
    let Some(walk) = StackWalk::begin(hook, turn) else {
        return stacks;
    };
    if python::walks_python_frames() {
        stacks.python_stack = python::python_stack_number(walk, thread, program, hook);
    }
    if native::walks_native_stacks()
        && let Ok(registers) = registers()
    {
        stacks.native_stack = native::native_stack_number(walk, registers, hook);
    }
    stacks
}
