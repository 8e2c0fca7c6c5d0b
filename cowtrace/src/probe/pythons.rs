//! The interpreters whose frames the kernel side walks, and the stacks that it found.

use std::mem::{self, offset_of};
use std::sync::atomic::Ordering::{Relaxed, Release};

use aya::{
    Ebpf, Pod,
    maps::{HashMap, Map, MapData},
};
use cowtrace_common::{
    object::map,
    python::{INTERPRETERS, Interpreter, PythonStack},
};

use super::{error::ProbeError, shared::SharedArray};

/// The kernel side's tables for Python.
pub struct Pythons {
    interpreters: SharedArray,
    stacks: HashMap<MapData, u64, RawPythonStack>,
    next: u32,
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct RawPythonStack(PythonStack);

// SAFETY: plain numbers without padding; any bytes are valid.
unsafe impl Pod for RawPythonStack {}

impl Pythons {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let Some(Map::Array(data)) = ebpf.map(map::PYTHONS) else {
            return Err(ProbeError::NoMap(map::PYTHONS));
        };
        let interpreters = SharedArray::map(data.fd(), INTERPRETERS, size_of::<Interpreter>())
            .map_err(|error| ProbeError::Mapping {
                name: map::PYTHONS,
                error,
            })?;
        let stacks = ebpf
            .take_map(map::PYTHON_STACKS)
            .ok_or(ProbeError::NoMap(map::PYTHON_STACKS))?;
        Ok(Self {
            interpreters,
            stacks: HashMap::try_from(stacks).map_err(ProbeError::map(map::PYTHON_STACKS))?,
            next: 1,
        })
    }

    /// Gives an interpreter a number; `None` if all numbers are in use.
    pub fn add(&mut self, interpreter: &Interpreter) -> Option<u32> {
        if self.next >= INTERPRETERS {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let element = number as usize;
        // SAFETY: plain numbers without padding.
        let words: [u32; size_of::<Interpreter>() / 4] = unsafe { mem::transmute(*interpreter) };
        // The address that says that all is there comes last.
        let rest = words.into_iter().enumerate();
        for (place, word) in rest.skip(size_of::<u64>() / 4) {
            let offset = place * size_of::<u32>();
            self.interpreters.u32(element, offset).store(word, Relaxed);
        }
        self.interpreters
            .u64(element, offset_of!(Interpreter, interpreters_head))
            .store(interpreter.interpreters_head, Release);
        Some(number)
    }

    /// A stack by its number.
    #[must_use]
    pub fn stack(&self, number: u64) -> Option<PythonStack> {
        Some(self.stacks.get(&number, 0).ok()?.0)
    }
}
