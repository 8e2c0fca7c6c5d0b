//! Where in a program something was done.

use crate::native::Address;

/// Where in a program something was done. Native names are looked up later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CodePlace {
    pub(super) program: u32,
    pub(super) instruction: u64,
    pub(super) python_stack: Option<u32>,
    /// The kernel side's number of the native stack.
    pub(super) native_stack: Option<u64>,
    /// The process, if the code is its own: another process may have different code at the same
    /// place.
    pub(super) process: Option<u32>,
}

impl CodePlace {
    /// A place of which only the program is known.
    pub(super) const fn unknown(self) -> Self {
        Self {
            program: self.program,
            instruction: 0,
            python_stack: None,
            native_stack: None,
            process: None,
        }
    }

    /// Where it happened.
    pub(super) fn address(&self) -> Address {
        Address {
            program: self.program,
            process: self.process,
            at: self.instruction,
            is_return: false,
        }
    }

    /// A return address.
    pub(super) fn returning(&self, at: u64) -> Address {
        Address {
            at,
            is_return: true,
            ..self.address()
        }
    }
}
