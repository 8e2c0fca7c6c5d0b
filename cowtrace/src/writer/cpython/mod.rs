//! What a write hit in CPython: an object's reference count or its garbage collector's header,
//! told by the type pointer beside it.

mod frames;
mod interpreter;
mod layout;
mod lines;
mod objects;
mod types;

use std::path::Path;

use cowtrace_common::{
    evidence::Evidence,
    python::{Frame, Interpreter},
};

use super::native::Code;
use crate::{
    memory,
    run::{PythonFrame, WriteKind},
};
use frames::Codes;
use layout::{Layout, TABLE_WORDS};

/// An interpreter: its types and code objects, as far as they have been met.
pub(super) struct Python {
    symbols: interpreter::Symbols,
    known: types::Known,
    /// Where its threads are; once that is known, so are its code objects.
    walk: Option<Interpreter>,
    codes: Option<Codes>,
}

impl Python {
    /// The interpreter in a process; none if it runs none that is understood.
    pub(in crate::writer) fn find(proc_root: &Path, pids: &[u32], code: &Code) -> Option<Self> {
        let symbols = pids
            .iter()
            .find_map(|&pid| interpreter::find(proc_root, pid, code))?;
        Some(Self {
            known: types::Known::new(symbols.type_type, symbols.objects),
            symbols,
            walk: None,
            codes: None,
        })
    }

    /// How its frames are walked; none while it has no threads yet, and for versions whose layout
    /// is not known.
    pub(in crate::writer) fn walk(&mut self, pids: &[u32]) -> Option<Interpreter> {
        if self.walk.is_none() {
            let (layout, threads_head) = pids.iter().find_map(|&pid| self.threads(pid))?;
            self.codes = Some(Codes::new(layout, self.symbols.objects));
            self.walk = Some(Interpreter {
                threads_head,
                ..layout.walk
            });
        }
        self.walk
    }

    /// The layout of the interpreter in a process, and the address of its first thread's.
    fn threads(&self, pid: u32) -> Option<(Layout, u64)> {
        let runtime = self.symbols.runtime?;
        let layout = self.layout(pid, runtime)?;
        let interpreter = memory::read_word(pid, runtime.checked_add(layout.interpreters_head)?)?;
        let threads_head = interpreter.checked_add(layout.threads_head)?;
        let first = memory::read_word(pid, threads_head)?;
        (interpreter != 0 && first != 0).then_some((layout, threads_head))
    }

    fn layout(&self, pid: u32, runtime: u64) -> Option<Layout> {
        let mut bytes = [0; TABLE_WORDS * 8];
        if memory::read(pid, runtime, &mut bytes) {
            let mut words = [0; TABLE_WORDS];
            for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
            }
            if let Some(layout) = Layout::of_table(&words) {
                return Some(layout);
            }
        }
        Layout::of_version(memory::read_word(pid, self.symbols.version?)?)
    }

    /// Names a frame; none if its code cannot be read.
    pub(in crate::writer) fn frame(&mut self, frame: Frame, pids: &[u32]) -> Option<PythonFrame> {
        let known = &mut self.known;
        let is_code = |address| {
            (known.has(address) || known.learn(address, pids))
                && known.name(address).as_deref() == Some("code")
        };
        self.codes.as_mut()?.name(frame, pids, is_code)
    }

    /// The kind of a write and the type of the object, by its address.
    pub(in crate::writer) fn classify(
        &mut self,
        evidence: &Evidence,
        pids: &[u32],
    ) -> (WriteKind, u64) {
        let objects = self.symbols.objects;
        let candidates = objects.candidates(evidence.address, evidence.words);
        // Types met before first: what is no type costs a look into the process.
        let known = candidates
            .iter()
            .copied()
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
