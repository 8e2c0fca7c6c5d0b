//! What a write hit in CPython: an object's reference count or its garbage collector's header,
//! told by the type pointer beside it.
//!
//! Builds with a global interpreter lock, 3.8 and later: an object begins with its reference count
//! and, 8 bytes on, the address of its type (`Include/object.h`). One that the collector follows has
//! two words in front: `_gc_next` and `_gc_prev` (`Include/internal/pycore_gc.h`). So for a write at
//! `A` the type of the object stands at `A + 8` if it was the reference count, at `A + 24` if it was
//! `_gc_next`, at `A + 16` if `_gc_prev`.

mod interpreter;
mod types;

use std::path::Path;

use cowtrace_common::evidence::Evidence;

use super::native::Code;
use crate::run::WriteKind;

/// The types of an interpreter, as far as they have been met.
pub(super) struct Types {
    known: types::Known,
}

impl Types {
    /// The interpreter in a process; none if it runs none that is understood.
    pub(in crate::writer) fn find(proc_root: &Path, pids: &[u32], code: &Code) -> Option<Self> {
        let type_type = pids
            .iter()
            .find_map(|&pid| interpreter::find_type_type(proc_root, pid, code))?;
        Some(Self {
            known: types::Known::new(type_type),
        })
    }

    /// The kind of a write and the type of the object, by its address.
    pub(in crate::writer) fn classify(
        &mut self,
        evidence: &Evidence,
        pids: &[u32],
    ) -> (WriteKind, u64) {
        let [at_8, at_16, at_24] = evidence.words;
        let candidates = [
            (WriteKind::Refcount, at_8),
            (WriteKind::Gc, at_24),
            (WriteKind::Gc, at_16),
        ];
        // Counts and headers are whole words: a write elsewhere is into the object's own data.
        if !evidence.address.is_multiple_of(8) {
            return (WriteKind::Other, 0);
        }
        // Types met before first: what is no type costs a look into the process.
        let known = candidates
            .into_iter()
            .find(|(_, word)| self.known.has(*word));
        known
            .or_else(|| {
                candidates
                    .into_iter()
                    .find(|(_, word)| self.known.learn(*word, pids))
            })
            .unwrap_or((WriteKind::Other, 0))
    }

    /// Name of a type.
    pub(in crate::writer) fn name(&self, address: u64) -> Option<String> {
        self.known.name(address)
    }
}
