//! Names of instructions: function and module, by the symbols of the file they are mapped from.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Elf, Process, Source},
    },
};

use super::unnamed::Unnamed;
use crate::{memory, run::Mapping};

/// Where an instruction is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) function: Option<String>,
    pub(super) module: Option<String>,
}

/// The mappings of an image.
#[derive(Default)]
pub(super) struct Code {
    pub(super) mappings: Vec<Mapping>,
    program: Option<Program>,
}

/// The file of an image's program, and the name it was started by.
struct Program {
    file: String,
    name: String,
}

impl Code {
    /// Reads them from the first process that can be read.
    pub(super) fn read(proc_root: &Path, pids: &[u32]) -> Self {
        let read = |pid: &u32| {
            let text = memory::read_layout_text(proc_root, *pid).ok()?;
            memory::read_mappings(&text, 1).ok()
        };
        let mut mappings = pids.iter().find_map(read).unwrap_or_default();
        mappings.sort_by_key(|mapping| mapping.start);
        let program = pids.iter().find_map(|&pid| Program::of(proc_root, pid));
        Self { mappings, program }
    }

    /// What a mapped file is called in a report.
    fn module(&self, mapping: &Mapping) -> String {
        match &self.program {
            Some(program) if program.file == mapping.name => program.name.clone(),
            _ => base_name(&mapping.name),
        }
    }

    pub(super) fn has(&self, instruction: u64) -> bool {
        self.around(instruction).is_some()
    }

    /// Takes newer mappings in; those before them stay where nothing newer is.
    pub(super) fn add(&mut self, newer: Self) {
        self.mappings.retain(|old| {
            !newer
                .mappings
                .iter()
                .any(|new| new.start < old.end && old.start < new.end)
        });
        self.mappings.extend(newer.mappings);
        self.mappings.sort_by_key(|mapping| mapping.start);
        self.program = newer.program.or(self.program.take());
    }

    fn around(&self, instruction: u64) -> Option<&Mapping> {
        let after = self
            .mappings
            .partition_point(|mapping| mapping.start <= instruction);
        let mapping = self.mappings.get(after.checked_sub(1)?)?;
        mapping.contains(instruction).then_some(mapping)
    }
}

impl Program {
    /// Only where that is another name, and not less of the same: `python3` is no better name for
    /// `python3.11`.
    fn of(proc_root: &Path, pid: u32) -> Option<Self> {
        let file = fs::read_link(proc_root.join(format!("{pid}/exe"))).ok()?;
        let file = file.to_str()?.to_owned();
        let path = memory::started_by(proc_root, pid)?;
        let name = path.file_name()?.to_str()?.to_owned();
        (!base_name(&file).starts_with(&name)).then_some(Self { file, name })
    }
}

/// Looks names up, each instruction once.
pub(super) struct Symbols {
    symbolizer: Symbolizer,
    unnamed: Unnamed,
    known: HashMap<(u32, u64), Place>,
}

impl Symbols {
    pub(super) fn new() -> Self {
        Self {
            symbolizer: Symbolizer::builder().enable_code_info(false).build(),
            unnamed: Unnamed::default(),
            known: HashMap::new(),
        }
    }

    /// By a living process, which knows its files whatever their names mean here; else by the
    /// file's name; else the module and the offset in it where the function begins.
    pub(super) fn name(
        &mut self,
        image: u32,
        instruction: u64,
        code: &Code,
        pids_of: &impl Fn(u32) -> Vec<u32>,
    ) -> Place {
        if let Some(place) = self.known.get(&(image, instruction)) {
            return place.clone();
        }
        let mapping = code.around(instruction);
        let function = pids_of(image)
            .into_iter()
            .find_map(|pid| self.in_process(pid, instruction))
            .or_else(|| self.in_file(mapping?, instruction))
            .or_else(|| Some(self.without_symbol(code, mapping?, instruction, pids_of(image))));
        let place = Place {
            module: mapping.map(|mapping| code.module(mapping)),
            function,
        };
        self.known.insert((image, instruction), place.clone());
        place
    }

    fn in_process(&self, pid: u32, instruction: u64) -> Option<String> {
        let source = Source::Process(Process::new(Pid::from(pid)));
        let named = self
            .symbolizer
            .symbolize_single(&source, Input::AbsAddr(instruction))
            .ok()?;
        innermost(&named)
    }

    fn in_file(&self, mapping: &Mapping, instruction: u64) -> Option<String> {
        let path = PathBuf::from(&mapping.name);
        // Only what is surely the same file: a name in another mount namespace is another's.
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let offset = instruction - mapping.start + mapping.offset;
        let source = Source::Elf(Elf::new(path));
        let named = self
            .symbolizer
            .symbolize_single(&source, Input::FileOffset(offset))
            .ok()?;
        innermost(&named)
    }
}

impl Symbols {
    fn without_symbol(
        &mut self,
        code: &Code,
        mapping: &Mapping,
        instruction: u64,
        pids: Vec<u32>,
    ) -> String {
        let module = code.module(mapping);
        let offset = instruction - mapping.start + mapping.offset;
        let found = places_of(mapping, pids)
            .into_iter()
            .find_map(|path| self.unnamed.around(&path, offset));
        match found {
            Some((begin, Some(near))) => format!("{module}+{begin:#x} near {near}"),
            Some((begin, None)) => format!("{module}+{begin:#x}"),
            None => format!("{module}+{offset:#x}"),
        }
    }
}

/// Where a mapped file is: by a process that has it mapped, even if its name has gone or means
/// another one here, else by its name.
fn places_of(mapping: &Mapping, pids: Vec<u32>) -> Vec<PathBuf> {
    let Mapping { start, end, .. } = mapping;
    let mapped = pids
        .into_iter()
        .map(|pid| PathBuf::from(format!("/proc/{pid}/map_files/{start:x}-{end:x}")));
    mapped.chain([PathBuf::from(&mapping.name)]).collect()
}

/// The function that the compiler put there last: an inlined one where that is known.
fn innermost(named: &Symbolized<'_>) -> Option<String> {
    let symbol = named.as_sym()?;
    let inlined = symbol.inlined.last().map(|function| function.name.clone());
    Some(inlined.unwrap_or_else(|| symbol.name.clone()).into_owned())
}

fn base_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_function_is_named_by_process_and_by_file() {
        let pid = std::process::id();
        let code = Code::read(Path::new("/proc"), &[pid]);
        let here = an_own_function_is_named_by_process_and_by_file as fn() as usize as u64;
        let mut symbols = Symbols::new();
        let by_process = symbols.name(1, here, &code, &|_| vec![pid]);
        let by_file = symbols.name(2, here, &code, &|_| Vec::new());
        for place in [by_process, by_file] {
            let function = place.function.unwrap();
            assert!(function.contains("an_own_function_is_named"), "{function}");
            assert!(place.module.unwrap().starts_with("cowtrace"));
        }
    }

    #[test]
    fn an_address_in_no_mapping_has_no_name() {
        let code = Code::default();
        let place = Symbols::new().name(1, 0x1234, &code, &|_| Vec::new());
        assert_eq!(place, Place::default());
    }
}
