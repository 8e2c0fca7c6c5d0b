//! From evidence to names: which function wrote, and into what. Knows neither the probe nor
//! reports; what it reads of a process, it reads from outside and believes nothing of.

mod cpython;
mod native;
mod stacks;
mod unnamed;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use cowtrace_common::{
    evidence::{BY_KERNEL, Evidence, HAS_WORDS},
    python::{Frame, Interpreter},
};

use crate::run::{PythonFrame, Region, WriteKind, Writer};
use cpython::Python;
pub use cpython::{Found, Limits, Variable};
use native::{Code, Place};
use stacks::Stacks;

/// Distinct writers that are told apart: about 8 MiB. The others of a kind and type go together.
const MAX_WRITERS: usize = 65_536;

/// What stands for the number where the kernel writes outside of one, as it does for a new process.
const NO_SYSTEM_CALL: u64 = 0xffff;
/// How often a program's mappings are read again because an instruction lies in none of them:
/// libraries come after the start.
const MAX_LOOKS: u32 = 256;

/// What is told apart while the trace goes on: native names are looked up once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    image: u32,
    kind: WriteKind,
    /// Address of the type, or number of the system call.
    what: u64,
    instruction: u64,
    region: Option<u32>,
    stack: Option<u32>,
}

/// Where a copy was made.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Tells the program.
    pub image: u32,
    /// Processes that run it, the one that wrote first if it still lives.
    pub pids: &'a [u32],
    /// The region that was written into.
    pub region: Option<u32>,
}

/// Who wrote, by name.
#[derive(Debug, Default)]
pub struct Named {
    /// Most copies first.
    pub writers: Vec<Writer>,
    /// Python frames, by number.
    pub frames: Vec<PythonFrame>,
    /// Python stacks, by number: numbers of frames, innermost first.
    pub stacks: Vec<Vec<u32>>,
}

impl Named {
    /// The same, without regions that are not told.
    #[must_use]
    pub fn in_regions(mut self, regions: &[Region]) -> Self {
        let told: HashSet<u32> = regions.iter().map(|region| region.id).collect();
        for writer in &mut self.writers {
            writer.region_id = writer.region_id.filter(|region| told.contains(region));
        }
        self
    }
}

/// Adds evidence up.
#[derive(Default)]
pub struct Writers {
    proc_root: PathBuf,
    images: HashMap<u32, Image>,
    sums: HashMap<Key, u64>,
    stacks: Stacks,
}

/// A program as it was started, with all that forked from it: their addresses mean the same.
struct Image {
    python: Option<Python>,
    code: Code,
    looks: u32,
    /// Stacks by the kernel side's number. Code is named while the process lives that has it.
    stacks: HashMap<u64, Option<u32>>,
}

impl Writers {
    /// Begins with nothing.
    #[must_use]
    pub fn new(proc_root: PathBuf) -> Self {
        Self {
            proc_root,
            ..Self::default()
        }
    }

    /// How the Python frames of a program are walked; none if it runs no Python that is known, or
    /// has not begun to.
    pub fn interpreter(&mut self, image: u32, pids: &[u32]) -> Option<Interpreter> {
        let image = known(&mut self.images, &self.proc_root, image, pids);
        if image.python.is_none() && image.looks < MAX_LOOKS {
            image.look(&self.proc_root, pids);
        }
        image.python.as_mut()?.walk(pids)
    }

    /// Whether a program was looked into and has nothing that words around an address could tell.
    #[must_use]
    pub fn is_native(&self, image: u32) -> bool {
        let image = self.images.get(&image);
        image.is_some_and(|image| image.python.is_none() && !image.code.mappings.is_empty())
    }

    /// Whether a program runs a CPython that is known.
    #[must_use]
    pub fn runs_python(&self, image: u32) -> bool {
        let image = self.images.get(&image);
        image.is_some_and(|image| image.python.is_some())
    }

    /// Which variables of a process that runs a program hold the objects at these addresses, in
    /// order, with the pages copied for each; or why that is not known.
    pub fn holders(
        &self,
        image: u32,
        pid: u32,
        addresses: Vec<u64>,
        pages: Vec<u32>,
        limits: Limits,
    ) -> Result<Found, String> {
        let image = self.images.get(&image);
        image
            .and_then(|image| image.python.as_ref())
            .ok_or("it runs no CPython that is known")?
            .holders(&self.proc_root, pid, addresses, pages, limits)
    }

    /// Takes a copy's evidence in. `frames` gives a stack by its number.
    pub fn take(
        &mut self,
        evidence: &Evidence,
        origin: Origin<'_>,
        frames: impl FnOnce(u64) -> Vec<Frame>,
    ) {
        let Origin {
            image,
            pids,
            region,
        } = origin;
        let known = known(&mut self.images, &self.proc_root, image, pids);
        if evidence.instruction != 0
            && known.looks < MAX_LOOKS
            && !known.code.has(evidence.instruction)
        {
            known.look(&self.proc_root, pids);
        }
        let (kind, what) = known.classify(evidence, pids);
        let stack = match evidence.stack {
            0 => None,
            number => known.stack(number, pids, &mut self.stacks, || frames(number)),
        };
        let mut key = Key {
            image,
            kind,
            what,
            instruction: evidence.instruction,
            region,
            stack,
        };
        if self.sums.len() >= MAX_WRITERS && !self.sums.contains_key(&key) {
            key.instruction = 0;
            key.stack = None;
        }
        *self.sums.entry(key).or_default() += evidence.pages();
    }

    /// Names them all. `pids_of` gives the living processes of an image.
    #[must_use]
    pub fn name(self, pids_of: impl Fn(u32) -> Vec<u32>) -> Named {
        let mut sums: HashMap<Names, u64> = HashMap::new();
        let mut symbols = native::Symbols::new();
        for (key, pages) in self.sums {
            let Some(image) = self.images.get(&key.image) else {
                continue;
            };
            let place = symbols.name(key.image, key.instruction, &image.code, &pids_of);
            let names = Names::of(&key, image, place);
            *sums.entry(names).or_default() += pages;
        }
        let (frames, stacks) = self.stacks.into_parts();
        Named {
            writers: sorted(sums),
            frames,
            stacks,
        }
    }

    /// Who wrote so far, by what is known at once: kinds, types and Python stacks, but no functions.
    #[must_use]
    pub fn so_far(&self) -> Named {
        let mut sums: HashMap<Names, u64> = HashMap::new();
        for (key, pages) in &self.sums {
            if let Some(image) = self.images.get(&key.image) {
                let names = Names::of(key, image, Place::default());
                *sums.entry(names).or_default() += pages;
            }
        }
        let (frames, stacks) = self.stacks.parts();
        Named {
            writers: sorted(sums),
            frames,
            stacks,
        }
    }
}

/// Finds the variables of a living CPython process that hold the objects at these addresses, in
/// order, each with the pages that were copied for it; or tells why it cannot.
pub fn holders_of(
    proc_root: &Path,
    pid: u32,
    addresses: Vec<u64>,
    pages: Vec<u32>,
    limits: Limits,
) -> Result<Found, String> {
    let code = Code::read(proc_root, &[pid]);
    Python::find(proc_root, &[pid], &code)
        .ok_or("it runs no CPython that is known")?
        .holders(proc_root, pid, addresses, pages, limits)
}

/// A writer by names only: several instructions of one function are one.
#[derive(PartialEq, Eq, Hash)]
struct Names {
    kind: WriteKind,
    type_name: Option<String>,
    function: Option<String>,
    module: Option<String>,
    system_call: Option<u32>,
    region: Option<u32>,
    stack: Option<u32>,
}

impl Names {
    fn of(key: &Key, image: &Image, place: Place) -> Self {
        Self {
            kind: key.kind,
            type_name: image.type_name(key),
            function: place.function,
            module: place.module,
            system_call: (key.kind == WriteKind::Kernel && key.what != NO_SYSTEM_CALL)
                .then(|| u32::try_from(key.what).unwrap_or(u32::MAX)),
            region: key.region,
            stack: key.stack,
        }
    }

    fn with_pages((names, copied_pages): (Self, u64)) -> Writer {
        Writer {
            kind: names.kind,
            type_name: names.type_name,
            function: names.function,
            module: names.module,
            system_call: names.system_call,
            region_id: names.region,
            python_stack: names.stack,
            copied_pages,
        }
    }
}

fn sorted(sums: HashMap<Names, u64>) -> Vec<Writer> {
    let mut writers: Vec<Writer> = sums.into_iter().map(Names::with_pages).collect();
    writers.sort_by(|a, b| {
        let order = |writer: &Writer| (writer.kind, writer.type_name.clone());
        let place = |writer: &Writer| (writer.region_id, writer.python_stack);
        b.copied_pages
            .cmp(&a.copied_pages)
            .then_with(|| order(a).cmp(&order(b)))
            .then_with(|| a.function.cmp(&b.function))
            .then_with(|| place(a).cmp(&place(b)))
    });
    writers
}

fn known<'a>(
    images: &'a mut HashMap<u32, Image>,
    proc_root: &Path,
    image: u32,
    pids: &[u32],
) -> &'a mut Image {
    images.entry(image).or_insert_with(|| {
        let mut image = Image {
            python: None,
            code: Code::default(),
            looks: 0,
            stacks: HashMap::new(),
        };
        image.look(proc_root, pids);
        image
    })
}

impl Image {
    /// Reads the mappings, once more where something lies in none of them. What is gone stays known.
    fn look(&mut self, proc_root: &Path, pids: &[u32]) {
        self.looks += 1;
        self.code.add(Code::read(proc_root, pids));
        if self.python.is_none() {
            self.python = Python::find(proc_root, pids, &self.code);
        }
    }

    /// A stack by name; none if the code of its innermost frame cannot be read.
    fn stack(
        &mut self,
        number: u64,
        pids: &[u32],
        stacks: &mut Stacks,
        frames: impl FnOnce() -> Vec<Frame>,
    ) -> Option<u32> {
        if let Some(stack) = self.stacks.get(&number) {
            return *stack;
        }
        let python = self.python.as_mut()?;
        let named: Vec<PythonFrame> = frames()
            .into_iter()
            .map_while(|frame| python.frame(frame, pids))
            .collect();
        let stack = (!named.is_empty()).then(|| stacks.add(named));
        self.stacks.insert(number, stack);
        stack
    }

    /// The kind, and the type's address or the system call's number.
    fn classify(&mut self, evidence: &Evidence, pids: &[u32]) -> (WriteKind, u64) {
        if evidence.flags & BY_KERNEL != 0 {
            return (WriteKind::Kernel, u64::from(evidence.system_call()));
        }
        if evidence.flags & HAS_WORDS == 0 {
            return (WriteKind::Other, 0);
        }
        match &mut self.python {
            Some(python) => python.classify(evidence, pids),
            None => (WriteKind::Other, 0),
        }
    }

    fn type_name(&self, key: &Key) -> Option<String> {
        match key.kind {
            WriteKind::Refcount | WriteKind::Gc => self.python.as_ref()?.name(key.what),
            WriteKind::Other | WriteKind::Kernel => None,
        }
    }
}
