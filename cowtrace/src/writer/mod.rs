//! From evidence to names: which function wrote, and what was written. Knows neither the probe nor
//! reports. It reads processes from outside and checks every value.

mod asked;
mod early;
mod growers;
mod named;
mod native_stacks;
mod place;
mod program;
mod seen;
mod stacks;

use std::{
    collections::{BTreeSet, hash_map::Entry},
    path::{Path, PathBuf},
};

use cowtrace_common::{
    evidence::{Evidence, WANTS_WORDS},
    native::NativeStack,
    python::{Interpreter, PythonStack},
    store::Verb,
};

pub use crate::runtime::cpython::{Credit, Found, Limits, Objects, Survey, Variable};
use crate::{
    native::{Exports, HeldFiles, NameReader, ProgramCode},
    run::{Grower, Kind, PythonFrame, Store, WriteKind},
    runtime::cpython::Python,
};
use early::EarlyNames;
use growers::TouchSums;
pub use named::NamedWriters;
use place::CodePlace;
use program::{Program, ProgramProcesses};
use seen::WriteSeen;
use stacks::Stacks;

/// Most distinct writers: about 8 MiB. Further ones are grouped by kind and type.
const MAX_WRITERS: usize = 65_536;

/// Pages by kind of write, in the order of [`WriteKind::ALL`], and by what the instruction did.
type VerbSums = [[u64; Verb::ALL.len()]; WriteKind::ALL.len()];

/// A writer during the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    code: CodePlace,
    kind: WriteKind,
    /// Address of the type, or number of the system call.
    what: u64,
    region: Option<u32>,
    store: Option<Store>,
}

/// The circumstances of a copy or a first touch.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Identifies the program.
    pub program: u32,
    /// Processes that run it, first the one that wrote.
    pub pids: &'a [u32],
    /// Processes that the writing process forked from, the nearest first.
    pub ancestors: &'a [u32],
    /// The region that was written; none of a first touch.
    pub region: Option<u32>,
}

/// Collects evidence and adds it up.
#[derive(Default)]
pub struct Writers {
    proc_root: PathBuf,
    programs: foldhash::HashMap<u32, Program>,
    sums: foldhash::HashMap<Key, u64>,
    touches: TouchSums,
    python: Stacks<PythonFrame>,
    held: HeldFiles,
    /// Programs with code that was in no known mapping when it wrote.
    missed: BTreeSet<u32>,
    early: EarlyNames,
    /// Pages by kind of write and by what their instructions did, for the log.
    verbs: VerbSums,
}

impl Writers {
    /// Begins empty.
    #[must_use]
    pub fn new(proc_root: PathBuf) -> Self {
        Self {
            proc_root,
            ..Self::default()
        }
    }

    /// How to walk the Python frames of a program; none if it runs no known Python, has not started
    /// it yet, or can no longer be examined.
    pub fn interpreter(
        &mut self,
        program: u32,
        pids: &[u32],
        is_over: impl Fn() -> bool,
    ) -> Option<Interpreter> {
        let sources = ProgramProcesses {
            proc_root: &self.proc_root,
            pids,
            ancestors: &[],
        };
        let program = self.programs.entry(program);
        program
            .or_insert_with(|| Program::new(sources, &mut self.held, &is_over))
            .interpreter(sources, &mut self.held, &is_over)
    }

    /// What helps to tell what was written in a program: words near the address, unless it was examined and has no
    /// objects that those would identify.
    #[must_use]
    pub fn wants(&self, program: u32) -> u32 {
        match self.programs.get(&program) {
            Some(program) if program.python.is_none() && program.is_examined() => {
                program.wants_without_words()
            }
            _ => WANTS_WORDS,
        }
    }

    /// Whether a program runs a known CPython.
    #[must_use]
    pub fn runs_python(&self, program: u32) -> bool {
        let program = self.programs.get(&program);
        program.is_some_and(|program| program.python.is_some())
    }

    /// How to look up objects in processes of a program; none if it runs no known CPython.
    #[must_use]
    pub fn objects(&self, program: u32) -> Option<Objects> {
        let python = self.programs.get(&program)?.python.as_ref()?;
        Some(python.objects(&self.proc_root))
    }

    /// Adds a copy's evidence, and returns the address of the type if an object was written.
    /// `python` and `native` look up a stack by its number.
    pub fn take(
        &mut self,
        evidence: &Evidence,
        origin: Origin<'_>,
        python: impl FnOnce(u64) -> Option<PythonStack>,
        native: impl FnOnce(u64) -> Option<NativeStack>,
    ) -> Option<u64> {
        let (program, code) = self.place_of(evidence, origin, python, native);
        let seen = program.classify(evidence, origin.pids, origin.ancestors);
        let WriteSeen { kind, what, store } = seen;
        let mut key = Key {
            code,
            kind,
            what,
            region: origin.region,
            store,
        };
        if self.sums.len() >= MAX_WRITERS && !self.sums.contains_key(&key) {
            key.code = code.unknown();
        }
        let sum = self.sums.entry(key).or_insert_with(|| {
            self.early.want(key.code);
            0
        });
        *sum += evidence.pages();
        self.verbs[kind as usize][evidence.verb() as usize] += evidence.pages();
        matches!(kind, WriteKind::Refcount | WriteKind::Gc).then_some(what)
    }

    /// Adds a sampled first touch of memory of a kind, by the record of its process. `python` and `native` look
    /// up a stack by its number.
    pub fn take_touch(
        &mut self,
        evidence: &Evidence,
        origin: Origin<'_>,
        memory: (u32, Option<Kind>),
        python: impl FnOnce(u64) -> Option<PythonStack>,
        native: impl FnOnce(u64) -> Option<NativeStack>,
    ) {
        let (_, code) = self.place_of(evidence, origin, python, native);
        if self.touches.take(evidence, code, memory) {
            self.early.want(code);
        }
    }

    /// Who grew the heap so far: functions are those that have names by now.
    #[must_use]
    pub fn growers_so_far(&self, process_in_run: impl Fn(u32) -> u32) -> Vec<Grower> {
        let name = |code| self.early.name_of(code);
        self.touches.named(name, process_in_run)
    }

    /// The program of a piece of evidence, and the place in it; makes sure that it can be named later.
    fn place_of(
        &mut self,
        evidence: &Evidence,
        origin: Origin<'_>,
        python: impl FnOnce(u64) -> Option<PythonStack>,
        native: impl FnOnce(u64) -> Option<NativeStack>,
    ) -> (&mut Program, CodePlace) {
        let sources = ProgramProcesses {
            proc_root: &self.proc_root,
            pids: origin.pids,
            ancestors: origin.ancestors,
        };
        let program = match self.programs.entry(origin.program) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Program::new(sources, &mut self.held, || false)),
        };
        let mut is_made = program.hold(evidence.core.instruction, sources, &mut self.held);
        if program.has_missed() {
            self.missed.insert(origin.program);
        }
        let number = |number: u64| (number != 0).then_some(number);
        let native_stack = number(evidence.context.native_stack).filter(|&number| {
            let has_made =
                program.hold_native_stack(number, sources, &mut self.held, || native(number));
            is_made |= has_made == Some(true);
            has_made.is_some()
        });
        let python_stack = number(evidence.context.python_stack).and_then(|number| {
            program.python_stack(number, origin.pids, &mut self.python, || python(number))
        });
        let code = CodePlace {
            program: origin.program,
            instruction: evidence.core.instruction,
            python_stack,
            native_stack,
            process: origin.pids.first().copied().filter(|_| is_made),
        };
        (program, code)
    }

    /// Looks again for code that was in no known mapping when it wrote. Call it often: it has hardly ever something
    /// to do.
    pub fn look_for_missed(&mut self) {
        self.missed.retain(|id| {
            let program = self.programs.get_mut(id);
            program.is_some_and(|program| {
                program.look_for_missed(&self.proc_root, &mut self.held);
                program.has_missed()
            })
        });
    }

    /// Number of words, from the type pointer on, that identify an object of a type; none if the
    /// type cannot be read in a process.
    #[must_use]
    pub fn words_of_objects(&self, program: u32, type_address: u64, pid: u32) -> Option<usize> {
        let python = self.programs.get(&program)?.python.as_ref()?;
        python.words_of_objects(type_address, pid)
    }
}

/// What the instructions of each kind of writes did, in words for the log.
fn verbs_in_words(verbs: &VerbSums) -> String {
    let of_kind = |(kind, pages): (WriteKind, &[u64; Verb::ALL.len()])| {
        let of_verb = Verb::ALL.into_iter().zip(*pages);
        let words = of_verb
            .filter(|(_, pages)| *pages > 0)
            .map(|(verb, pages)| format!("{} {verb:?} {pages}", kind.name()));
        words.collect::<Vec<_>>()
    };
    let words = WriteKind::ALL.into_iter().zip(verbs).flat_map(of_kind);
    words.collect::<Vec<_>>().join(", ")
}

/// Finds the variables of a living CPython process that hold the objects at these addresses, given
/// in order with the pages copied for each; or says why it cannot. Any program may call this: it
/// reads the process's files in the calling process.
pub fn holders_of(
    proc_root: &Path,
    pid: u32,
    addresses: Vec<u64>,
    pages: Vec<u32>,
    limits: &Limits,
) -> Result<Found, String> {
    let code = ProgramCode::read(proc_root, &[pid], || false);
    let mut exports = Exports::read_by(NameReader::Here);
    Python::find(proc_root, &[pid], &code, &mut exports)
        .ok_or("cowtrace found no CPython in it that it can read")?
        .objects(proc_root)
        .holders(pid, addresses, pages, limits)
}
