//! A program as it was started, with all that forked from it: their addresses mean the same.

use std::{
    collections::HashMap,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use cowtrace_common::{
    evidence::{BY_KERNEL, Evidence, HAS_WORDS},
    native::NativeStack,
    python::{Interpreter, MAX_FRAMES, PythonStack},
};

use super::stacks::Stacks;
use crate::{
    native::{Chain, HeldFiles, ProgramCode},
    run::{PythonFrame, StackEnd, WriteKind},
    runtime::cpython::Python,
};

/// How often a program's mappings are read again because an instruction lies in none of them:
/// libraries come after the start.
const MAX_LOOKS: u32 = 256;
/// Until the next look for each mapping there was at the last: 16 times what reading them takes.
const PAUSE_PER_MAPPING: Duration = Duration::from_micros(16);
/// Between looks after that.
const LATE_INTERVAL: Duration = Duration::from_secs(1);
/// Between looks for what may be no code at all: less and less often while it is none.
const FIRST_INTERVAL: Duration = Duration::from_millis(50);
const LAST_INTERVAL: Duration = Duration::from_secs(10);
/// Processes of a program whose own code is told apart.
const MAX_MAKERS: usize = 64;

/// What is known of a program.
pub(super) struct Program {
    pub(super) python: Option<Python>,
    pub(super) code: ProgramCode,
    looks: u32,
    looked: Instant,
    /// Until the next one, at least.
    pause: Duration,
    /// Until it is worth looking for callers again.
    patience: Duration,
    /// Stacks by the kernel side's number. Code is named while the process lives that has it.
    python_stacks: HashMap<u64, Option<u32>>,
    native_stacks: HashMap<u64, NativeCalls>,
    /// Processes that made code of their own, with those whose code they inherited.
    makers: HashMap<u32, Vec<u32>>,
}

/// A native stack.
struct NativeCalls {
    chain: Rc<Chain>,
    /// Whether any of its code is of a process's own making.
    has_made: bool,
    /// Whether all of its code is known.
    is_whole: bool,
    /// How often the mappings had been read.
    looks: u32,
}

/// Processes of a program that can be asked.
#[derive(Clone, Copy)]
pub(super) struct ProgramProcesses<'a> {
    pub(super) proc_root: &'a Path,
    /// The one that wrote first, if it still lives.
    pub(super) pids: &'a [u32],
    /// Those that it forked from, the nearest first.
    pub(super) ancestors: &'a [u32],
}

impl Program {
    /// What is known of it after a first look, which is left out if that is over.
    pub(super) fn new(
        sources: ProgramProcesses<'_>,
        held: &mut HeldFiles,
        is_over: impl Fn() -> bool,
    ) -> Self {
        let mut program = Self {
            python: None,
            code: ProgramCode::default(),
            looks: 0,
            looked: Instant::now(),
            pause: Duration::ZERO,
            patience: FIRST_INTERVAL,
            python_stacks: HashMap::new(),
            native_stacks: HashMap::new(),
            makers: HashMap::new(),
        };
        program.look(sources, held, is_over);
        program
    }

    /// How the Python frames of the program are walked; none if it runs no Python that is known, or
    /// has not begun to.
    pub(super) fn interpreter(
        &mut self,
        sources: ProgramProcesses<'_>,
        held: &mut HeldFiles,
        is_over: impl Fn() -> bool,
    ) -> Option<Interpreter> {
        if self.python.is_none() && self.looks < MAX_LOOKS && self.may_look() {
            self.look(sources, held, is_over);
        }
        self.python.as_mut()?.walk(sources.pids)
    }

    /// Reads the mappings, once more where something lies in none of them. What is gone stays known.
    fn look(
        &mut self,
        sources: ProgramProcesses<'_>,
        held: &mut HeldFiles,
        is_over: impl Fn() -> bool,
    ) {
        self.looks += 1;
        self.looked = Instant::now();
        let ProgramProcesses {
            proc_root, pids, ..
        } = sources;
        let code = ProgramCode::read(proc_root, pids, &is_over);
        if is_over() {
            return;
        }
        let mappings = u32::try_from(code.mappings().count()).unwrap_or(u32::MAX);
        self.pause = PAUSE_PER_MAPPING.saturating_mul(mappings);
        self.code.add(code);
        if self.python.is_none() {
            self.python = Python::find(proc_root, pids, &self.code, &mut held.exports);
        }
    }

    fn may_look(&self) -> bool {
        self.looked.elapsed() >= self.pause
    }

    /// The kind, and the type's address or the system call's number.
    pub(super) fn classify(&mut self, evidence: &Evidence, pids: &[u32]) -> (WriteKind, u64) {
        if evidence.core.flags & BY_KERNEL != 0 {
            return (WriteKind::Kernel, u64::from(evidence.system_call()));
        }
        if evidence.core.flags & HAS_WORDS == 0 {
            return (WriteKind::Other, 0);
        }
        match &mut self.python {
            Some(python) => python.classify(evidence, pids),
            None => (WriteKind::Other, 0),
        }
    }

    /// Sees to it that an instruction can be named later; whether it is of the process's own making, or
    /// may be, because the mappings were read a moment ago and it lies in none of them.
    pub(super) fn hold(
        &mut self,
        instruction: u64,
        sources: ProgramProcesses<'_>,
        held: &mut HeldFiles,
    ) -> bool {
        if instruction == 0 {
            return false;
        }
        let is_early = self.looks < MAX_LOOKS;
        let is_due = is_early || self.looked.elapsed() > LATE_INTERVAL;
        if is_due && self.may_look() && !self.code.has(instruction) {
            self.look(sources, held, || false);
        }
        self.hold_known(instruction, sources, held) || !self.code.has(instruction)
    }

    /// Looks for callers that are in no code that is known. What a frame pointer led to may be none.
    fn look_for_callers(
        &mut self,
        chain: &Chain,
        sources: ProgramProcesses<'_>,
        held: &mut HeldFiles,
    ) {
        if self.looked.elapsed() < self.patience || !self.may_look() || self.has_all(chain) {
            return;
        }
        self.look(sources, held, || false);
        self.patience = if self.has_all(chain) {
            FIRST_INTERVAL
        } else {
            (self.patience * 2).min(LAST_INTERVAL)
        };
    }

    fn has_all(&self, chain: &Chain) -> bool {
        chain.addresses().all(|address| self.code.has(address))
    }

    fn hold_known(
        &mut self,
        address: u64,
        sources: ProgramProcesses<'_>,
        held: &mut HeldFiles,
    ) -> bool {
        let ProgramProcesses {
            proc_root,
            pids,
            ancestors,
        } = sources;
        let is_made = self.code.hold(address, proc_root, pids, held);
        if is_made && let Some(&process) = pids.first() {
            if self.makers.len() < MAX_MAKERS || self.makers.contains_key(&process) {
                let makers = std::iter::once(process).chain(ancestors.iter().copied());
                self.makers.insert(process, makers.collect());
            }
            let now = Instant::now();
            for &pid in self.makers.get(&process).into_iter().flatten() {
                held.perf_map(proc_root, pid, now);
            }
        }
        is_made
    }

    /// Those that may have made a process's code, the nearest first.
    pub(super) fn makers(&self, process: Option<u32>) -> &[u32] {
        let makers = process.and_then(|process| self.makers.get(&process));
        makers.map_or(&[], Vec::as_slice)
    }

    /// Looks again for accounts of made code that were not there yet.
    pub(super) fn hold_makers(&self, proc_root: &Path, living: &[u32], held: &mut HeldFiles) {
        let now = Instant::now() + LATE_INTERVAL;
        let makers = self.makers.values().flatten();
        for &pid in makers.filter(|pid| living.contains(pid)) {
            held.perf_map(proc_root, pid, now);
        }
    }

    /// A Python stack by name; none if the code of its innermost frame cannot be read.
    pub(super) fn python_stack(
        &mut self,
        number: u64,
        pids: &[u32],
        stacks: &mut Stacks<PythonFrame>,
        raw: impl FnOnce() -> Option<PythonStack>,
    ) -> Option<u32> {
        if let Some(stack) = self.python_stacks.get(&number) {
            return *stack;
        }
        let python = self.python.as_mut()?;
        let stack = raw().and_then(|raw| name_python_stack(&raw, python, pids, stacks));
        self.python_stacks.insert(number, stack);
        stack
    }

    /// Sees to it that the calls of a native stack can be named later; whether any of their code is
    /// of the process's own making, none if there is no such stack.
    pub(super) fn hold_native_stack(
        &mut self,
        number: u64,
        sources: ProgramProcesses<'_>,
        held: &mut HeldFiles,
        raw: impl FnOnce() -> Option<NativeStack>,
    ) -> Option<bool> {
        let chain = match self.native_stacks.get(&number) {
            Some(known) if self.is_settled(known, sources) => return Some(known.has_made),
            Some(known) => Rc::clone(&known.chain),
            None => Rc::new(Chain::from(&raw()?)),
        };
        self.look_for_callers(&chain, sources, held);
        let mut has_made = false;
        for address in chain.addresses() {
            has_made |= self.hold_known(address, sources, held);
        }
        let known = NativeCalls {
            is_whole: self.has_all(&chain),
            looks: self.looks,
            chain,
            has_made,
        };
        self.native_stacks.insert(number, known);
        Some(has_made)
    }

    /// Whether there is nothing more to be found out about a stack.
    fn is_settled(&self, known: &NativeCalls, sources: ProgramProcesses<'_>) -> bool {
        let is_looked_at =
            known.is_whole || (known.looks == self.looks && self.looked.elapsed() < self.patience);
        let has_maker = !known.has_made
            || sources
                .pids
                .first()
                .is_none_or(|process| self.makers.contains_key(process));
        is_looked_at && has_maker
    }

    /// A native stack by its number.
    pub(super) fn chain(&self, number: u64) -> Option<&Chain> {
        Some(&self.native_stacks.get(&number)?.chain)
    }

    /// Name of what was written into.
    pub(super) fn type_name(&self, kind: WriteKind, what: u64) -> Option<String> {
        match kind {
            WriteKind::Refcount | WriteKind::Gc => self.python.as_ref()?.name(what),
            WriteKind::Other | WriteKind::Kernel => None,
        }
    }
}

/// Names a Python stack's frames, as far as their code can be read; those of C code are left out.
fn name_python_stack(
    raw: &PythonStack,
    python: &mut Python,
    pids: &[u32],
    stacks: &mut Stacks<PythonFrame>,
) -> Option<u32> {
    let count = (raw.count as usize).min(MAX_FRAMES);
    let mut end = match raw.is_cut {
        0 => StackEnd::Outermost,
        _ if count == MAX_FRAMES => StackEnd::Limit,
        _ => StackEnd::Lost,
    };
    let mut frames = Vec::new();
    for &frame in raw.frames[..count].iter().filter(|frame| frame.code != 0) {
        let Some(named) = python.frame(frame, pids) else {
            end = StackEnd::Lost;
            break;
        };
        frames.push(stacks.frame(named));
    }
    (!frames.is_empty()).then(|| stacks.add(frames, end))
}
