//! Who wrote: copies by what made the write.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{PerfMapProblem, Region, Store, StrippedFile, UnnamedFunction};

/// Who wrote first to the copied pages, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoWrote {
    /// Writers, most copies first; empty if the trace did not collect them.
    #[serde(default)]
    pub writers: Vec<Writer>,
    /// Python functions and lines that wrote, or called the writer.
    #[serde(default)]
    pub python_frames: Vec<PythonFrame>,
    /// Python stacks.
    #[serde(default)]
    pub python_stacks: Vec<Stack>,
    /// Native functions that wrote, or called the writer; empty if the trace did not collect stacks.
    #[serde(default)]
    pub native_frames: Vec<NativeFrame>,
    /// Native stacks.
    #[serde(default)]
    pub native_stacks: Vec<Stack>,
    /// What was wrong with perf maps, one a process at most.
    #[serde(default)]
    pub perf_map_problems: Vec<PerfMapProblem>,
    /// The functions among these, and among those that touched new memory, that have no name: each once, in order
    /// of what stands for it.
    #[serde(default)]
    pub unnamed_functions: Vec<UnnamedFunction>,
    /// Their files, each once, in order of the module.
    #[serde(default)]
    pub stripped_files: Vec<StrippedFile>,
}

impl WhoWrote {
    /// What is known of a function that has no name; `None` if it has one, or in an older recording.
    #[must_use]
    pub fn unnamed(&self, function: &str) -> Option<&UnnamedFunction> {
        let all = &self.unnamed_functions;
        let place = all.binary_search_by(|it| it.function.as_str().cmp(function));
        all.get(place.ok()?)
    }

    /// What is known of a file without symbols.
    #[must_use]
    pub fn stripped(&self, module: &str) -> Option<&StrippedFile> {
        let all = &self.stripped_files;
        let place = all.binary_search_by(|it| it.module.as_str().cmp(module));
        all.get(place.ok()?)
    }

    /// The same, but a writer whose region is not among these has none.
    #[must_use]
    pub fn in_regions(mut self, regions: &[Region]) -> Self {
        let known: HashSet<u32> = regions.iter().map(|region| region.id).collect();
        for writer in &mut self.writers {
            writer.region_id = writer.region_id.filter(|region| known.contains(region));
        }
        self
    }
}

/// What kind of write it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteKind {
    /// The reference count of a CPython object.
    Refcount,
    /// The garbage collector's header in front of a CPython object.
    Gc,
    /// Anything else that the program wrote itself.
    Other,
    /// A system call wrote for the program.
    Kernel,
}

impl WriteKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Refcount, Self::Gc, Self::Other, Self::Kernel];

    /// As it stands in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refcount => "refcount",
            Self::Gc => "gc",
            Self::Other => "other",
            Self::Kernel => "kernel",
        }
    }
}

/// A Python function and the place in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PythonFrame {
    /// Qualified name of the function. From outside: may hold any character.
    pub function: String,
    /// File of its source, as the interpreter knows it. From outside.
    pub file: String,
    /// Line; none if the interpreter has none for the place.
    pub line: Option<u32>,
}

/// A native function that called another, or wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NativeFrame {
    /// The function; none if only the call is known, not its function. From outside.
    pub function: Option<String>,
    /// File name of the program or library it is in. From outside.
    pub module: Option<String>,
    /// Whether it has no code of its own here: it is part of the next one in the stack.
    #[serde(default)]
    pub inlined: bool,
}

/// A stack: numbers of frames, innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stack {
    /// In [`super::Run::python_frames`] or [`super::Run::native_frames`].
    pub frames: Vec<u32>,
    /// What comes after the last one.
    #[serde(default)]
    pub end: StackEnd,
}

impl Stack {
    /// Its frames.
    pub(super) fn of<'a, F>(&self, frames: &'a [F]) -> Vec<&'a F> {
        let frame = |&number: &u32| frames.get(number as usize);
        self.frames.iter().filter_map(frame).collect()
    }
}

/// Why a stack ends where it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StackEnd {
    /// Its last frame is the outermost.
    #[default]
    Outermost,
    /// No more frames are kept.
    Limit,
    /// The callers cannot be found.
    Lost,
}

impl StackEnd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Outermost, Self::Limit, Self::Lost];

    /// As it stands in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outermost => "outermost",
            Self::Limit => "limit",
            Self::Lost => "lost",
        }
    }
}

/// Copies by one writer, over all processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// What kind of write it was.
    pub kind: WriteKind,
    /// Name of the object's type, for reference counts and the collector's headers. From outside:
    /// may hold any character.
    pub type_name: Option<String>,
    /// The function that wrote, or that made the system call. From outside.
    pub function: Option<String>,
    /// File name of the program or library it is in. From outside.
    pub module: Option<String>,
    /// Functions that are inlined into it where it wrote, innermost first; empty without debug
    /// information. From outside.
    #[serde(default)]
    pub inlined: Vec<String>,
    /// Number of the system call, for writes by the kernel.
    pub system_call: Option<u32>,
    /// The region that it wrote into; none for memory that no other process inherited or passed on.
    #[serde(default)]
    pub region_id: Option<u32>,
    /// The Python stack it wrote from, in [`super::Run::python_stacks`]; none if it is not known.
    #[serde(default)]
    pub python_stack: Option<u32>,
    /// The native stack it wrote from, in [`super::Run::native_stacks`]; none if it was not collected
    /// or is not known.
    #[serde(default)]
    pub native_stack: Option<u32>,
    /// What the writes did, by their instruction; none where something better is known ([`WriteKind::Refcount`] and
    /// [`WriteKind::Gc`]), where a system call wrote, or if it is not known.
    #[serde(default)]
    pub store: Option<Store>,
    /// Pages.
    pub copied_pages: u64,
}

#[cfg(test)]
impl Writer {
    /// A native function that wrote a page of memory of its own kind.
    pub(crate) fn native(module: &str, function: &str, store: Option<Store>) -> Self {
        Self {
            kind: WriteKind::Other,
            type_name: None,
            function: Some(function.into()),
            module: Some(module.into()),
            inlined: Vec::new(),
            system_call: None,
            region_id: None,
            python_stack: None,
            native_stack: None,
            store,
            copied_pages: 1,
        }
    }
}
