//! The stacks that a write comes from, by the numbers that its evidence carries.

use super::{native, python};
use crate::{
    kernel::Registers,
    program::Program,
    thread::{TracedThread, Turn},
    walk::{Hook, Walk},
};

/// Numbers of a write's stacks, 0 for one that is not known.
#[derive(Clone, Copy, Default)]
pub struct Stacks {
    /// [`cowtrace_common::python::Stack`].
    pub python: u64,
    /// [`cowtrace_common::native::NativeStack`].
    pub native: u64,
}

/// Whether there is any stack to walk in a process that runs this program.
#[inline(always)]
pub fn are_walked(program: Program) -> bool {
    native::is_asked_for() || (python::is_asked_for() && program.interpreter != 0)
}

/// The stacks of the current thread, as far as they are asked for. `registers` are its user mode's.
#[inline(always)]
pub fn of_writer(
    thread: TracedThread,
    program: Program,
    hook: Hook,
    turn: Turn,
    registers: impl FnOnce() -> Result<Registers, i32>,
) -> Stacks {
    let mut stacks = Stacks::default();
    if !are_walked(program) {
        return stacks;
    }
    let Some(walk) = Walk::begin(hook, turn) else {
        return stacks;
    };
    if python::is_asked_for() {
        stacks.python = python::stack(walk, thread, program);
    }
    if native::is_asked_for()
        && let Ok(registers) = registers()
    {
        stacks.native = native::stack(walk, registers);
    }
    stacks
}
