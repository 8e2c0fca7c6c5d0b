//! Who wrote, by name: turns the sums by address into names, at the end of the trace.

use std::collections::HashMap;

use cowtrace_common::evidence::UNKNOWN_CALL;

use super::{
    Key, Writers, native_stacks::NativeStacks, place::CodePlace, program::Program, verbs_in_words,
};
use crate::{
    native::NamedFunction as Function,
    run::{Grower, Store, WhoWrote, WriteKind, Writer},
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
    store: Option<Store>,
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
        log::info!("pages by kind and store: {}", verbs_in_words(&self.verbs));
        let names = self.ask_for_names();
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
        let (native_frames, native_stacks) = native.into_parts();
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

    /// Who wrote so far: functions are those that have names by now.
    #[must_use]
    pub fn so_far(&self) -> WhoWrote {
        let mut rows: HashMap<WriterRow, u64> = HashMap::new();
        for (key, pages) in &self.sums {
            if let Some(program) = self.programs.get(&key.code.program) {
                let (function, native_stack) = self.early.name_of(key.code);
                let row = WriterRow::new(key, program, function, native_stack);
                *rows.entry(row).or_default() += pages;
            }
        }
        let (python_frames, python_stacks) = self.python.parts();
        let (native_frames, native_stacks) = self.early.stacks();
        WhoWrote {
            writers: most_pages_first(rows),
            python_frames,
            python_stacks,
            native_frames,
            native_stacks,
            ..WhoWrote::default()
        }
    }
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
            // What a process generates may replace itself, and the kernel side may know what was there before.
            store: key
                .store
                .filter(|_| program.code.is_in_file(key.code.instruction)),
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
            store: row.store,
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
            .then_with(|| a.store.cmp(&b.store))
            .then_with(|| place(a).cmp(&place(b)))
    });
    writers
}
