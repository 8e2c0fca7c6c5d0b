//! The roots of the walk: modules, then frames and states of the threads.

use std::collections::HashMap;

use super::{
    kind::ObjectKind,
    objects::HeapObjects,
    paths::{PathLabel, ROOT},
    same,
    walk::Walk,
};

/// Most interpreters, and modules, threads and frames of all of them, that are read.
const MAX_INTERPRETERS: usize = 256;
const MAX_MODULES: usize = 1 << 14;
const MAX_THREADS: usize = 1024;
const MAX_FRAMES: usize = 4096;
/// How many characters of a module's path are checked.
const MAX_PATH: u64 = 1024;

/// Whose a module is, according to its file. The program's own modules come first, because program
/// data that libraries also hold belongs to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Main,
    Program,
    Installed,
    Standard,
}

#[derive(Clone, Copy)]
struct Module {
    name: u64,
    address: u64,
    dict: u64,
    owner: Owner,
    interpreter: u64,
    /// Whether an interpreter before this one has a module of the same name.
    is_ambiguous: bool,
}

/// An interpreter of the process: the main one, or one that runs beside it (a sub-interpreter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RootInterpreter {
    /// Its number; 0 is the main one.
    pub(super) id: u64,
    /// Address of its state.
    pub(super) state: u64,
    /// Its table of modules.
    modules: u64,
}

impl HeapObjects<'_> {
    /// The interpreters of the process, the main one first, if they have the expected version:
    /// `sys.hexversion` of one must match. Those without a table of modules are left out: they are
    /// being made, or have ended.
    pub(super) fn interpreters(&mut self, runtime: u64) -> Option<Vec<RootInterpreter>> {
        let roots = self.offsets.roots;
        let mut state = self.memory.word(runtime.checked_add(roots.interpreters)?)?;
        let mut found: Vec<RootInterpreter> = Vec::new();
        // New ones come first in the list.
        for _ in 0..MAX_INTERPRETERS {
            if state == 0 || found.iter().any(|known| known.state == state) {
                break;
            }
            let modules = self.word(state, roots.modules);
            if self.at_of_kind(modules, ObjectKind::Dict).is_some() {
                let id = self.word(state, roots.interpreter_id);
                found.push(RootInterpreter { id, state, modules });
            }
            state = self.word(state, roots.next_interpreter);
        }
        found.sort_by_key(|known| known.id);
        found
            .iter()
            .any(|it| self.fits(it.modules))
            .then_some(found)
    }

    /// Whether these are modules of the expected version.
    fn fits(&mut self, modules: u64) -> bool {
        self.version_in(modules)
            .is_some_and(|version| version >> 16 == i64::from(self.offsets.version))
    }

    fn version_in(&mut self, modules: u64) -> Option<i64> {
        let system = self.entry_of(modules, "sys")?;
        self.at_of_kind(system, ObjectKind::Module)?;
        let dict = self.member(system, same::MODULE_DICT);
        let version = self.entry_of(dict, "hexversion")?;
        self.number(version)
    }

    /// The first of an interpreter's modules, which are its oldest objects.
    pub(super) fn oldest_of(&mut self, interpreter: RootInterpreter, most: usize) -> Vec<u64> {
        let keys = self.member(interpreter.modules, same::DICT_KEYS);
        let mut found = Vec::new();
        self.each_entry(keys, |_, value, number| {
            if number < most as u64 {
                found.push(value);
            }
        });
        found
    }

    /// The value in a dict under a string key.
    pub(super) fn entry_of(&mut self, dict: u64, key: &str) -> Option<u64> {
        self.at_of_kind(dict, ObjectKind::Dict)?;
        let keys = self.member(dict, same::DICT_KEYS);
        let mut entries = Vec::new();
        self.each_entry(keys, |label, value, _| entries.push((label.value(), value)));
        entries.into_iter().find_map(|(name, value)| {
            let (text, is_whole) = self.text(name)?;
            (is_whole && text == key).then_some(value)
        })
    }

    fn owner(&mut self, name: &str, dict: u64) -> Owner {
        if name == "__main__" {
            return Owner::Main;
        }
        let file = self.entry_of(dict, "__file__");
        let file = file.and_then(|file| self.text_up_to(file, MAX_PATH));
        match file.as_ref().map(|(file, _)| file.as_str()) {
            None => Owner::Standard,
            Some(file) if file.contains("/site-packages/") || file.contains("/dist-packages/") => {
                Owner::Installed
            }
            Some(file) if file.contains("/lib/python3") => Owner::Standard,
            Some(_) => Owner::Program,
        }
    }
}

impl Walk<'_> {
    /// Adds the roots to the tree, the most informative first.
    pub(super) fn begin(&mut self, interpreters: &[RootInterpreter]) {
        let modules = self.find_modules(interpreters);
        // So that no path to a module's data leads through another module.
        self.boundaries = modules
            .iter()
            .flat_map(|module| [module.address, module.dict])
            .collect();
        self.mark_boundaries();
        for module in &modules {
            let label = PathLabel::module(module.name);
            let node = self.tree.add(ROOT, label, module.address);
            if module.is_ambiguous {
                self.tree.belongs_to(node, module.interpreter);
            }
        }
        let (mut threads, mut frames) = (Vec::new(), 0);
        for interpreter in interpreters {
            for state in self.find_threads(interpreter.state, threads.len()) {
                frames = self.add_frames(state, interpreter.id, frames);
                threads.push((state, interpreter.id));
            }
        }
        for (state, interpreter) in threads {
            let node = self.tree.add(ROOT, PathLabel::THREAD, state);
            self.tree.belongs_to(node, interpreter);
        }
        self.begin_interpreters(interpreters);
    }

    /// Marks modules and their dicts as visited.
    pub(super) fn mark_boundaries(&mut self) {
        for address in &self.boundaries {
            if let Some(place) = self.objects.memory.place(*address) {
                self.marks.set(place);
            }
        }
    }

    /// The modules of all interpreters. Only those of the main one have a name to themselves, where
    /// several have a module of that name.
    fn find_modules(&mut self, interpreters: &[RootInterpreter]) -> Vec<Module> {
        let mut found = Vec::new();
        let mut names: HashMap<String, u64> = HashMap::new();
        for interpreter in interpreters {
            let keys = self.objects.member(interpreter.modules, same::DICT_KEYS);
            let mut entries = Vec::new();
            self.objects.each_entry(keys, |label, value, _| {
                entries.push((label.value(), value));
            });
            entries.truncate(MAX_MODULES - found.len());
            for (name, address) in entries {
                let Some((text, _)) = self.objects.text(name) else {
                    continue;
                };
                let is_module = self.objects.at_of_kind(address, ObjectKind::Module);
                if is_module.is_none() {
                    continue;
                }
                let dict = self.objects.member(address, same::MODULE_DICT);
                let owner = self.objects.owner(&text, dict);
                let first = *names.entry(text).or_insert(interpreter.id);
                found.push(Module {
                    name,
                    address,
                    dict,
                    owner,
                    interpreter: interpreter.id,
                    is_ambiguous: first != interpreter.id,
                });
            }
        }
        found.sort_by_key(|module| module.owner);
        found
    }

    /// The states of an interpreter's threads, if this many are known before.
    fn find_threads(&mut self, interpreter: u64, known: usize) -> Vec<u64> {
        let roots = self.objects.offsets.roots;
        let mut found = Vec::new();
        let mut state = self.objects.word(interpreter, roots.threads);
        while state != 0 && known + found.len() < MAX_THREADS {
            found.push(state);
            state = self.objects.word(state, roots.next_thread);
        }
        found
    }

    /// Adds the running functions of a thread, if there are this many before; returns how many there are.
    fn add_frames(&mut self, thread: u64, interpreter: u64, mut known: usize) -> usize {
        let roots = self.objects.offsets.roots;
        let layout = self.objects.offsets.frame;
        let mut frame = self.objects.word(thread, roots.frame.0);
        if let Some(offset) = roots.frame.1 {
            frame = self.objects.word(frame, offset);
        }
        while frame != 0 && known < MAX_FRAMES {
            known += 1;
            let code = self.objects.word(frame, layout.code) & !7;
            let node = self.tree.add(ROOT, PathLabel::frame(code), frame);
            self.tree.belongs_to(node, interpreter);
            frame = self.objects.word(frame, layout.previous);
        }
        known
    }
}
