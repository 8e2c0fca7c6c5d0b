//! Who wrote, by name: turns the sums by address into names, at the end of the trace.

use std::collections::{HashMap, HashSet};

use cowtrace_common::evidence::UNKNOWN_CALL;

use super::{Key, Writers, place::CodePlace, program::Program, stacks::Stacks};
use crate::{
    native::{Address, Chain, NamedFunction as Function, Names, Naming},
    run::{Grower, NativeFrame, WhoWrote, WriteKind, Writer},
};

/// Who wrote, by name.
#[derive(Debug)]
pub struct NamedWriters {
    /// Writers, frames and stacks.
    pub who_wrote: WhoWrote,
    /// Who touched new memory.
    pub growers: Vec<Grower>,
    /// Pages copied by code that can no longer be named.
    pub code_gone: u64,
}

/// A writer identified by names only: several instructions of one function are one writer.
#[derive(PartialEq, Eq, Hash)]
struct WriterRow {
    kind: WriteKind,
    type_name: Option<String>,
    function: Option<String>,
    module: Option<String>,
    inlined: Vec<String>,
    system_call: Option<u32>,
    region: Option<u32>,
    python_stack: Option<u32>,
    native_stack: Option<u32>,
}

impl Writers {
    /// Names all writers. `pids_of` returns the living processes of a program, `process_in_run` under which
    /// serial number a process stands in the run.
    #[must_use]
    pub fn name(
        mut self,
        pids_of: impl Fn(u32) -> Vec<u32>,
        process_in_run: impl Fn(u32) -> u32,
    ) -> NamedWriters {
        for (&id, program) in &mut self.programs {
            program.hold_rest(&self.proc_root, &pids_of(id), &mut self.held);
        }
        let names = self.names();
        let mut rows: HashMap<WriterRow, u64> = HashMap::new();
        let mut native = NativeStacks::default();
        let mut code_gone = 0;
        for (key, pages) in &self.sums {
            let Some(program) = self.programs.get(&key.code.program) else {
                continue;
            };
            let function = names.of(key.code.address());
            if key.code.instruction != 0 && function.is_none_or(|function| function.is_gone) {
                code_gone += pages;
            }
            let native = native.of(key.code, program, &names);
            let row = WriterRow::new(key, program, function, native);
            *rows.entry(row).or_default() += pages;
        }
        let name_place = |code: CodePlace| {
            let program = self.programs.get(&code.program);
            let stack = program.and_then(|program| native.of(code, program, &names));
            (names.of(code.address()), stack)
        };
        let growers = self.touches.named(name_place, process_in_run);
        let (python_frames, python_stacks) = self.python.into_parts();
        let (native_frames, native_stacks) = native.named.into_parts();
        let who_wrote = WhoWrote {
            writers: most_pages_first(rows),
            python_frames,
            python_stacks,
            native_frames,
            native_stacks,
            perf_map_problems: names.perf_map_problems,
            unnamed_functions: names.unnamed_functions,
            stripped_files: names.stripped_files,
        };
        NamedWriters {
            who_wrote,
            growers,
            code_gone,
        }
    }

    /// Who wrote so far, with what is known at once: kinds, types and Python stacks, but no
    /// functions.
    #[must_use]
    pub fn so_far(&self) -> WhoWrote {
        let mut rows: HashMap<WriterRow, u64> = HashMap::new();
        for (key, pages) in &self.sums {
            if let Some(program) = self.programs.get(&key.code.program) {
                *rows
                    .entry(WriterRow::new(key, program, None, None))
                    .or_default() += pages;
            }
        }
        let (python_frames, python_stacks) = self.python.parts();
        WhoWrote {
            writers: most_pages_first(rows),
            python_frames,
            python_stacks,
            ..WhoWrote::default()
        }
    }

    /// Names of all code that wrote or touched new memory, or called code that did.
    fn names(&self) -> Names {
        let mut naming = Naming::default();
        let mut seen = HashSet::new();
        let places = self.sums.keys().map(|key| key.code);
        for code in places.chain(self.touches.keys().map(|key| key.code)) {
            let Some(program) = self.programs.get(&code.program) else {
                continue;
            };
            let makers = program.makers(code.process);
            naming.want(code.address(), &program.code, &self.held, makers);
            let Some(number) = code.native_stack else {
                continue;
            };
            if !seen.insert((code.program, code.process, number)) {
                continue;
            }
            let addresses = program.chain(number).into_iter().flat_map(Chain::addresses);
            for at in addresses {
                naming.want(code.returning(at), &program.code, &self.held, makers);
            }
        }
        naming.ask(&self.held)
    }
}

impl CodePlace {
    /// Where it happened.
    fn address(&self) -> Address {
        Address {
            program: self.program,
            process: self.process,
            at: self.instruction,
            is_return: false,
        }
    }

    /// A return address.
    fn returning(&self, at: u64) -> Address {
        Address {
            at,
            is_return: true,
            ..self.address()
        }
    }
}

/// Native stacks by name.
#[derive(Default)]
struct NativeStacks {
    named: Stacks<NativeFrame>,
    known: HashMap<(Address, u64), u32>,
}

impl NativeStacks {
    /// Number of a writer's stack: the function that wrote, and its callers.
    fn of(&mut self, code: CodePlace, program: &Program, names: &Names) -> Option<u32> {
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

impl WriterRow {
    fn new(
        key: &Key,
        program: &Program,
        function: Option<&Function>,
        native_stack: Option<u32>,
    ) -> Self {
        Self {
            kind: key.kind,
            type_name: program.type_name(key.kind, key.what),
            function: function.map(|function| function.function.clone()),
            module: function.map(|function| function.module.clone()),
            inlined: function.map_or_else(Vec::new, |function| function.inlined.clone()),
            system_call: (key.kind == WriteKind::Kernel && key.what != UNKNOWN_CALL)
                .then(|| u32::try_from(key.what).unwrap_or(u32::MAX)),
            region: key.region,
            python_stack: key.code.python_stack,
            native_stack,
        }
    }

    fn with_pages((row, copied_pages): (Self, u64)) -> Writer {
        Writer {
            kind: row.kind,
            type_name: row.type_name,
            function: row.function,
            module: row.module,
            inlined: row.inlined,
            system_call: row.system_call,
            region_id: row.region,
            python_stack: row.python_stack,
            native_stack: row.native_stack,
            copied_pages,
        }
    }
}

fn most_pages_first(rows: HashMap<WriterRow, u64>) -> Vec<Writer> {
    let mut writers: Vec<Writer> = rows.into_iter().map(WriterRow::with_pages).collect();
    writers.sort_by(|a, b| {
        let order = |writer: &Writer| (writer.kind, writer.type_name.clone());
        let place = |writer: &Writer| (writer.region_id, writer.python_stack, writer.native_stack);
        b.copied_pages
            .cmp(&a.copied_pages)
            .then_with(|| order(a).cmp(&order(b)))
            .then_with(|| a.function.cmp(&b.function))
            .then_with(|| a.inlined.cmp(&b.inlined))
            .then_with(|| place(a).cmp(&place(b)))
    });
    writers
}
