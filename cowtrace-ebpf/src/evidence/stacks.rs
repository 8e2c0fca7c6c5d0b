//! The stacks that a write comes from, by the numbers that its evidence carries.

use super::{native, python};
use crate::{
    kernel::SavedRegisters,
    program::KnownProgram,
    thread::{TracedThread, Turn},
    walk::{Hook, StackWalk},
};

/// Numbers of a write's stacks, 0 for one that is not known.
#[derive(Clone, Copy, Default)]
pub struct StackNumbers {
    /// [`cowtrace_common::python::PythonStack`].
    pub python_stack: u64,
    /// [`cowtrace_common::native::NativeStack`].
    pub native_stack: u64,
}

/// Whether there is any stack to walk in a process that runs this program.
#[inline(always)]
pub fn are_walked(program: KnownProgram) -> bool {
    native::is_walked() || (python::is_walked() && program.interpreter != 0)
}

/// The stacks of the current thread, as far as they are asked for. `registers` are its user mode's.
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
    if python::is_walked() {
        stacks.python_stack = python::stack(walk, thread, program);
    }
    if native::is_walked()
        && let Ok(registers) = registers()
    {
        stacks.native_stack = native::stack(walk, registers);
    }
    stacks
}
