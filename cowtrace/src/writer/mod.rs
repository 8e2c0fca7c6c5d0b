//! From evidence to names: which function wrote, and into what. Knows neither the probe nor
//! reports; what it reads of a process, it reads from outside and believes nothing of.

mod cpython;
mod native;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use cowtrace_common::evidence::{BY_KERNEL, Evidence, HAS_WORDS};

use crate::run::{WriteKind, Writer};
use cpython::Types;
use native::Code;

/// Distinct writers that are told apart: about 8 MiB. The others of a kind and type go together.
const MAX_WRITERS: usize = 65_536;

/// What stands for the number where the kernel writes outside of one, as it does for a new process.
const NO_SYSTEM_CALL: u64 = 0xffff;
/// How often a program's mappings are read again because an instruction lies in none of them:
/// libraries come after the start.
const MAX_LOOKS: u32 = 256;

/// What is told apart while the trace goes on: names are looked up once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    image: u32,
    kind: WriteKind,
    /// Address of the type, or number of the system call.
    what: u64,
    instruction: u64,
}

/// Adds evidence up.
#[derive(Default)]
pub struct Writers {
    proc_root: PathBuf,
    images: HashMap<u32, Image>,
    sums: HashMap<Key, u64>,
}

/// A program as it was started, with all that forked from it: their addresses mean the same.
struct Image {
    types: Option<Types>,
    code: Code,
    looks: u32,
}

impl Writers {
    /// Begins with nothing.
    #[must_use]
    pub fn new(proc_root: PathBuf) -> Self {
        Self {
            proc_root,
            images: HashMap::new(),
            sums: HashMap::new(),
        }
    }

    /// Takes a copy's evidence in. `image` tells the program, `pids` are processes that run it, the
    /// one that wrote first if it still lives.
    pub fn take(&mut self, evidence: &Evidence, image: u32, pids: &[u32]) {
        let known = self
            .images
            .entry(image)
            .or_insert_with(|| Image::look(&self.proc_root, pids));
        known.look_again(&self.proc_root, evidence.instruction, pids);
        let (kind, what) = known.classify(evidence, pids);
        let mut key = Key {
            image,
            kind,
            what,
            instruction: evidence.instruction,
        };
        if self.sums.len() >= MAX_WRITERS && !self.sums.contains_key(&key) {
            key.instruction = 0;
        }
        *self.sums.entry(key).or_default() += evidence.pages();
    }

    /// Names them all, most copies first. `pids_of` gives the living processes of an image.
    #[must_use]
    pub fn name(self, pids_of: impl Fn(u32) -> Vec<u32>) -> Vec<Writer> {
        let mut named: HashMap<Named, u64> = HashMap::new();
        let mut symbols = native::Symbols::new();
        for (key, pages) in self.sums {
            let Some(image) = self.images.get(&key.image) else {
                continue;
            };
            let place = symbols.name(key.image, key.instruction, &image.code, &pids_of);
            let name = Named {
                kind: key.kind,
                type_name: image.type_name(&key),
                function: place.function,
                module: place.module,
                system_call: (key.kind == WriteKind::Kernel && key.what != NO_SYSTEM_CALL)
                    .then(|| u32::try_from(key.what).unwrap_or(u32::MAX)),
            };
            *named.entry(name).or_default() += pages;
        }
        let mut writers: Vec<Writer> = named.into_iter().map(Named::with_pages).collect();
        writers.sort_by(|a, b| {
            let order = |writer: &Writer| (writer.kind, writer.type_name.clone());
            b.copied_pages
                .cmp(&a.copied_pages)
                .then_with(|| order(a).cmp(&order(b)))
                .then_with(|| a.function.cmp(&b.function))
        });
        writers
    }
}

/// A writer by names only: several instructions of one function are one.
#[derive(PartialEq, Eq, Hash)]
struct Named {
    kind: WriteKind,
    type_name: Option<String>,
    function: Option<String>,
    module: Option<String>,
    system_call: Option<u32>,
}

impl Named {
    fn with_pages((name, copied_pages): (Self, u64)) -> Writer {
        Writer {
            kind: name.kind,
            type_name: name.type_name,
            function: name.function,
            module: name.module,
            system_call: name.system_call,
            copied_pages,
        }
    }
}

impl Image {
    fn look(proc_root: &Path, pids: &[u32]) -> Self {
        let code = Code::read(proc_root, pids);
        let types = Types::find(proc_root, pids, &code);
        Self {
            types,
            code,
            looks: 1,
        }
    }

    /// Reads the mappings again if an instruction is in none of them. What is gone stays known.
    fn look_again(&mut self, proc_root: &Path, instruction: u64, pids: &[u32]) {
        if instruction == 0 || self.looks >= MAX_LOOKS || self.code.has(instruction) {
            return;
        }
        self.looks += 1;
        self.code.add(Code::read(proc_root, pids));
        if self.types.is_none() {
            self.types = Types::find(proc_root, pids, &self.code);
        }
    }

    /// The kind, and the type's address or the system call's number.
    fn classify(&mut self, evidence: &Evidence, pids: &[u32]) -> (WriteKind, u64) {
        if evidence.flags & BY_KERNEL != 0 {
            return (WriteKind::Kernel, u64::from(evidence.system_call()));
        }
        if evidence.flags & HAS_WORDS == 0 {
            return (WriteKind::Other, 0);
        }
        match &mut self.types {
            Some(types) => types.classify(evidence, pids),
            None => (WriteKind::Other, 0),
        }
    }

    fn type_name(&self, key: &Key) -> Option<String> {
        match key.kind {
            WriteKind::Refcount | WriteKind::Gc => self.types.as_ref()?.name(key.what),
            WriteKind::Other | WriteKind::Kernel => None,
        }
    }
}
