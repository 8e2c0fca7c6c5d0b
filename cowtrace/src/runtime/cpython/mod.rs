//! What a write hit in CPython: an object's reference count or its garbage collector's header,
//! recognized by the type pointer beside it.

mod contents;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod heap;
mod interpreter;
mod layout;
mod lines;
mod names;
mod objects;
mod types;

use std::path::{Path, PathBuf};

use cowtrace_common::{
    evidence::Evidence,
    python::{Interpreter, WalkedFrame},
};

use crate::{
    memory::{self, PresentPages},
    native::{Exports, ProgramCode},
    run::{Grown, PythonFrame, WriteKind},
};
pub use contents::read_contents;
use frames::Codes;
use heap::Offsets;
pub use heap::{Credit, Found, Limits, Survey, Variable};
use layout::{Layout, TABLE_WORDS};

/// Most interpreters of a process that are looked at, the newest first.
const MAX_INTERPRETERS: usize = 256;

/// An interpreter, with its types and code objects seen so far.
pub(crate) struct Python {
    symbols: interpreter::Symbols,
    known: types::KnownTypes,
    /// The layout of its threads; once that is known, its code objects can be read too.
    walk: Option<Interpreter>,
    codes: Option<Codes>,
}

impl Python {
    /// The interpreter in a process; none if it runs no supported one.
    pub(crate) fn find(
        proc_root: &Path,
        pids: &[u32],
        code: &ProgramCode,
        exports: &mut Exports,
    ) -> Option<Self> {
        let symbols = pids
            .iter()
            .find_map(|&pid| interpreter::find_interpreter(proc_root, pid, code, exports))?;
        Some(Self {
            known: types::KnownTypes::new(symbols.type_type, symbols.objects),
            symbols,
            walk: None,
            codes: None,
        })
    }

    /// How to walk its frames; none while it has no threads yet, and for versions with unknown
    /// layout.
    pub(crate) fn walk(&mut self, pids: &[u32]) -> Option<Interpreter> {
        if self.walk.is_none() {
            let runtime = self.symbols.runtime?;
            let layout = pids.iter().find_map(|&pid| self.threaded(pid, runtime))?;
            self.codes = Some(Codes::new(layout, self.symbols.objects));
            let current = layout.walk.current_thread;
            self.walk = Some(Interpreter {
                interpreters_head: runtime.checked_add(layout.interpreters_head)?,
                current_thread: if current == 0 {
                    0
                } else {
                    runtime.checked_add(current)?
                },
                ..layout.walk
            });
        }
        self.walk
    }

    /// The layout of the interpreters in a process, if one of them has a thread.
    fn threaded(&self, pid: u32, runtime: u64) -> Option<Layout> {
        let layout = self.layout(pid, runtime)?;
        let word = |at: u64, offset: u64| memory::read_word(pid, at.checked_add(offset)?);
        let mut interpreter = word(runtime, layout.interpreters_head)?;
        for _ in 0..MAX_INTERPRETERS {
            if word(interpreter, layout.threads_head)? != 0 {
                return Some(layout);
            }
            interpreter = word(interpreter, layout.interpreter_next)?;
        }
        None
    }

    fn layout(&self, pid: u32, runtime: u64) -> Option<Layout> {
        let table = table_of_runtime(pid, runtime);
        if let Some(layout) = table.and_then(|words| Layout::of_table(&words)) {
            return Some(layout);
        }
        Layout::of_version(memory::read_word(pid, self.symbols.version?)?)
    }

    /// How to look up objects in its processes.
    pub(crate) fn objects(&self, proc_root: &Path) -> Objects {
        Objects {
            proc_root: proc_root.to_owned(),
            symbols: self.symbols,
        }
    }

    /// Names a frame; none if its code cannot be read.
    pub(crate) fn frame(&mut self, frame: WalkedFrame, pids: &[u32]) -> Option<PythonFrame> {
        let known = &mut self.known;
        let is_code = |address| {
            (known.has(address) || known.learn(address, pids))
                && known.name(address).as_deref() == Some("code")
        };
        self.codes.as_mut()?.name(frame, pids, is_code)
    }

    /// The kind of a write and the address of the object's type.
    pub(crate) fn classify(&mut self, evidence: &Evidence, pids: &[u32]) -> (WriteKind, u64) {
        let objects = self.symbols.objects;
        let candidates = objects.candidates(evidence.core.address, evidence.context.words);
        // Types seen before come first: checking a new address takes a read in the process.
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

    /// Number of words in a type's objects from their type pointer on: the fixed ones, and the
    /// first of the variable ones.
    pub(crate) fn words_of_objects(&self, type_address: u64, pid: u32) -> Option<usize> {
        let word = |at: u64| memory::read_word(pid, type_address.checked_add(at)?);
        let objects = self.symbols.objects;
        // `tp_basicsize` and `tp_itemsize` follow the name (`Include/cpython/object.h`).
        let name = objects.tp_name as u64;
        let (fixed, item) = (word(name + 8)?, word(name + 16)?);
        let bytes = fixed.checked_add(8 * u64::from(item > 0))?;
        usize::try_from(bytes.checked_sub(objects.ob_type)? / 8).ok()
    }

    /// Name of a type.
    pub(crate) fn name(&self, address: u64) -> Option<String> {
        self.known.name(address)
    }
}

/// Looks up objects in processes that run this interpreter; usable from any thread.
#[derive(Clone, Debug)]
pub struct Objects {
    proc_root: PathBuf,
    symbols: interpreter::Symbols,
}

impl Objects {
    /// Which variables of a process hold the objects at these addresses, given in order with the
    /// pages copied for each; or why that is unknown.
    pub fn holders(
        &self,
        pid: u32,
        addresses: Vec<u64>,
        pages: Vec<u32>,
        limits: &Limits,
    ) -> Result<Found, String> {
        let copies = heap::AddressCopies { addresses, pages };
        self.read_living(pid, |interpreter, read| {
            heap::find_holders(&self.proc_root, pid, interpreter, copies, limits, read)
        })
    }

    /// Present memory of a process, bytes.
    #[must_use]
    pub fn resident_bytes(&self, pid: u32) -> u64 {
        memory::resident_pages(&self.proc_root, pid).saturating_mul(memory::page_bytes())
    }

    /// What lives on pages that a process did not have before, or why that is unknown.
    pub fn grown(&self, pid: u32, new: &PresentPages, limits: Limits) -> Result<Grown, String> {
        self.read_living(pid, |interpreter, read| {
            heap::find_grown(&self.proc_root, pid, interpreter, new, limits, read)
        })
    }

    /// Reads the objects of a process that lives until that is done.
    fn read_living<'a, T>(
        &self,
        pid: u32,
        read: impl FnOnce(
            &heap::LivingInterpreter,
            Box<heap::ReadMemory<'a>>,
        ) -> Result<T, &'static str>,
    ) -> Result<T, String> {
        let runtime = self
            .symbols
            .runtime
            .ok_or("the data of its interpreter was not found")?;
        let interpreter = heap::LivingInterpreter {
            type_type: self.symbols.type_type,
            runtime,
            offsets: self.heap_offsets(pid, runtime)?,
        };
        let before = memory::read_identity(&self.proc_root, pid);
        let memory = Box::new(move |at, to: &mut [u8]| memory::read_target(pid, at, to));
        let found = read(&interpreter, memory)?;
        // Objects that are gone were not found, and would seem to be held by nothing.
        let is_there = before.is_ok_and(|before| memory::is_alive(&self.proc_root, &before))
            && self.is_in(pid);
        if is_there {
            Ok(found)
        } else {
            Err("it ended while it was read".into())
        }
    }

    /// Whether a process has this interpreter in its memory.
    fn is_in(&self, pid: u32) -> bool {
        let at = self.symbols.type_type + self.symbols.objects.ob_type;
        memory::read_word(pid, at) == Some(self.symbols.type_type)
    }

    /// The offsets of the version that a process runs; several candidates if it does not say which
    /// version it is.
    fn heap_offsets(&self, pid: u32, runtime: u64) -> Result<Vec<Offsets>, String> {
        let page = memory::page_bytes();
        if page != Offsets::PAGE_BYTES {
            let kib = page / 1024;
            return Err(format!(
                "cowtrace can read the objects of CPython only where a page has 4 KiB, and here it has {kib} KiB"
            ));
        }
        if let Some(words) = table_of_runtime(pid, runtime)
            && let Some((version, is_free_threaded)) = layout::version_of(&words)
        {
            let layout = Layout::of_table(&words);
            let offsets =
                layout.and_then(|layout| Offsets::of_table(version, is_free_threaded, &layout));
            return Ok(vec![
                offsets.ok_or_else(|| unknown_version(version, is_free_threaded))?,
            ]);
        }
        match self
            .symbols
            .version
            .and_then(|at| memory::read_word(pid, at))
        {
            None => Ok(Offsets::WITHOUT_VERSION.map(|offsets| *offsets).to_vec()),
            Some(version) => {
                let version = (version & 0xffff_ffff) >> 16;
                let offsets = Offsets::of_version(version);
                Ok(vec![
                    *offsets.ok_or_else(|| unknown_version(version, false))?,
                ])
            }
        }
    }
}

/// The words of a runtime's table of offsets, if it has one.
fn table_of_runtime(pid: u32, runtime: u64) -> Option<[u64; TABLE_WORDS]> {
    let mut bytes = [0; TABLE_WORDS * 8];
    if !memory::read_target(pid, runtime, &mut bytes) {
        return None;
    }
    let mut words = [0; TABLE_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    }
    Some(words)
}

fn unknown_version(version: u64, is_free_threaded: bool) -> String {
    let (major, minor) = (version >> 8, version & 0xff);
    let build = if is_free_threaded {
        " without a global interpreter lock"
    } else {
        ""
    };
    format!("cowtrace cannot read the objects of CPython {major}.{minor}{build}")
}
