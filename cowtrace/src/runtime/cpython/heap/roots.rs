//! The roots of the walk: modules, then frames and states of the threads.

use super::{
    kind::ObjectKind,
    objects::HeapObjects,
    parts::{ObjectParts, PartShape, PartTable, Span},
    paths::{PathLabel, ROOT},
    same,
    walk::Walk,
};

/// Most modules, threads and frames that are read.
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
}

impl HeapObjects<'_> {
    /// The interpreter's table of modules, if it has the expected version: `sys.hexversion` must
    /// match.
    pub(super) fn modules(&mut self, runtime: u64) -> Option<u64> {
        let roots = self.offsets.roots;
        let interpreter = self.memory.word(runtime.checked_add(roots.interpreters)?)?;
        let modules = self.memory.word(interpreter.checked_add(roots.modules)?)?;
        self.at_of_kind(modules, ObjectKind::Dict)?;
        let system = self.entry_of(modules, "sys")?;
        self.at_of_kind(system, ObjectKind::Module)?;
        let dict = self.member(system, same::MODULE_DICT);
        let version = self.entry_of(dict, "hexversion")?;
        let version = self.number(version)?;
        (version >> 16 == i64::from(self.offsets.version)).then_some(modules)
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

    /// What is in a thread's state.
    pub(super) fn thread(&mut self, state: u64, parts: &mut ObjectParts) {
        let span = Span {
            at: state,
            count: self.offsets.roots.thread_bytes / 8,
            shape: PartShape::Loose,
            skip: 0,
        };
        parts.tables.push(PartTable {
            start: state,
            bytes: 0,
            span,
        });
    }
}

impl Walk<'_> {
    /// Adds the roots to the tree, the most informative first.
    pub(super) fn begin(&mut self, runtime: u64, modules: u64) {
        let modules = self.find_modules(modules);
        // So that no path to a module's data leads through another module.
        self.boundaries = modules
            .iter()
            .flat_map(|module| [module.address, module.dict])
            .collect();
        self.mark_boundaries();
        for module in &modules {
            self.tree
                .add(ROOT, PathLabel::module(module.name), module.address);
        }
        let frames = self.find_frames(runtime);
        self.tree.nodes.extend(frames);
    }

    /// Marks modules and their dicts as visited.
    pub(super) fn mark_boundaries(&mut self) {
        for address in &self.boundaries {
            if let Some(place) = self.objects.memory.place(*address) {
                self.marks.set(place);
            }
        }
    }

    fn find_modules(&mut self, modules: u64) -> Vec<Module> {
        let keys = self.objects.member(modules, same::DICT_KEYS);
        let mut entries = Vec::new();
        self.objects.each_entry(keys, |label, value, _| {
            entries.push((label.value(), value));
        });
        entries.truncate(MAX_MODULES);
        let mut found = Vec::new();
        for (name, address) in entries {
            let Some((text, _)) = self.objects.text(name) else {
                continue;
            };
            if self
                .objects
                .at_of_kind(address, ObjectKind::Module)
                .is_none()
            {
                continue;
            }
            let dict = self.objects.member(address, same::MODULE_DICT);
            found.push(Module {
                name,
                address,
                dict,
                owner: self.objects.owner(&text, dict),
            });
        }
        found.sort_by_key(|module| module.owner);
        found
    }

    /// The frames of all threads, then the threads' own state.
    fn find_frames(&mut self, runtime: u64) -> Vec<super::paths::PathNode> {
        let node = |label, object| super::paths::PathNode {
            parent: ROOT,
            label,
            object,
            depth: 0,
        };
        let (mut frames, mut threads) = (Vec::new(), Vec::new());
        let objects = &mut self.objects;
        let roots = objects.offsets.roots;
        let layout = objects.offsets.frame;
        let mut word = |at: u64, offset: u64| {
            at.checked_add(offset)
                .and_then(|at| objects.memory.word(at))
                .unwrap_or(0)
        };
        let interpreter = word(runtime, roots.interpreters);
        let mut thread = word(interpreter, roots.threads);
        while thread != 0 && threads.len() < MAX_THREADS {
            threads.push(node(PathLabel::THREAD, thread));
            let mut frame = word(thread, roots.frame.0);
            if let Some(offset) = roots.frame.1 {
                frame = word(frame, offset);
            }
            while frame != 0 && frames.len() < MAX_FRAMES {
                frames.push(node(PathLabel::frame(word(frame, layout.code) & !7), frame));
                frame = word(frame, layout.previous);
            }
            thread = word(thread, roots.next_thread);
        }
        frames.extend(threads);
        frames
    }
}
