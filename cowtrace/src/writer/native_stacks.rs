//! Native stacks by name: from numbers of the kernel side to functions and their callers.

use std::collections::HashMap;

use super::{place::CodePlace, program::Program, stacks::Stacks};
use crate::{
    native::{Address, NamedFunction as Function, Names},
    run::{NativeFrame, Stack},
};

/// Native stacks by name.
#[derive(Default)]
pub(super) struct NativeStacks {
    named: Stacks<NativeFrame>,
    known: HashMap<(Address, u64), u32>,
}

impl NativeStacks {
    /// Number of a writer's stack: the function that wrote, and its callers.
    pub(super) fn of(&mut self, code: CodePlace, program: &Program, names: &Names) -> Option<u32> {
        let number = code.native_stack?;
        let address = code.address();
        if let Some(&stack) = self.known.get(&(address, number)) {
            return Some(stack);
        }
        let innermost = names.of(address)?;
        let (callers, end) = names.callers(address, program.chain(number)?);
        let mut frames = Vec::new();
        for function in std::iter::once(Some(innermost)).chain(callers) {
            frames.extend(
                frames_of(function)
                    .into_iter()
                    .map(|it| self.named.frame(it)),
            );
        }
        let stack = self.named.add(frames, end);
        self.known.insert((address, number), stack);
        Some(stack)
    }

    /// The same, if it was looked for before.
    pub(super) fn known(&self, code: CodePlace) -> Option<u32> {
        let key = (code.address(), code.native_stack?);
        self.known.get(&key).copied()
    }

    /// The frames and the stacks so far.
    pub(super) fn parts(&self) -> (Vec<NativeFrame>, Vec<Stack>) {
        self.named.parts()
    }

    /// Returns the frames and the stacks, in the order of their numbers.
    pub(super) fn into_parts(self) -> (Vec<NativeFrame>, Vec<Stack>) {
        self.named.into_parts()
    }
}

/// A function with the functions inlined into it, innermost first.
fn frames_of(function: Option<&Function>) -> Vec<NativeFrame> {
    let frame = |name: Option<&String>, inlined| NativeFrame {
        function: name.cloned(),
        module: function.map(|function| function.module.clone()),
        inlined,
    };
    let inlined = function.into_iter().flat_map(|function| &function.inlined);
    inlined
        .map(|name| frame(Some(name), true))
        .chain([frame(function.map(|function| &function.function), false)])
        .collect()
}
