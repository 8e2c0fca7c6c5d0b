//! Files that will name code, held from the moment code in them is first seen until the end: by
//! then the processes and their mappings may be gone.

use std::{
    collections::HashMap,
    fs::File,
    os::fd::AsRawFd as _,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    exports::Exports,
    question::{HeldFile, HeldPerfMap, Problem},
};
use crate::{
    memory::{self, FileId},
    run::Mapping,
};

/// Most programs and libraries held; code in others is named by module and offset. Half of the
/// files that a program may have open by default.
const MAX_FILES: usize = 512;
/// Most perf maps held, one per process.
const MAX_PERF_MAPS: usize = 64;
/// Most root folders held: files of further containers are not looked for in packages.
const MAX_ROOTS: usize = 8;
/// How many processes of a program are tried for their root directory: some may have ended.
const MOST_ASKED: usize = 4;
/// Interval between attempts to find a missing file.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether a file is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Not needed so far.
    #[default]
    NotYet,
    /// Held, under this number.
    Held(usize),
    /// It cannot be held.
    Gone,
}

/// The held files.
#[derive(Default)]
pub(crate) struct HeldFiles {
    /// Symbols that are looked up during the trace.
    pub(crate) exports: Exports,
    files: Vec<HeldCode>,
    roots: Vec<HeldRoot>,
    /// By process, the number of its root.
    root_of: HashMap<u32, Option<usize>>,
    perf_maps: HashMap<u32, PerfMap>,
}

struct HeldCode {
    file: File,
    /// The inode it must have, if it was found by name.
    inode: Option<u64>,
    /// Its path below a root, by the root's number; none if it is no longer there.
    path: Option<(usize, String)>,
}

/// A root folder of traced processes.
struct HeldRoot {
    folder: File,
    identity: String,
    is_own: bool,
}

/// Where a held file lies.
pub(super) struct HeldPath<'a> {
    /// The number of its root.
    pub(super) root: usize,
    /// The root's descriptor.
    pub(super) descriptor: i32,
    /// Whether it is the root that cowtrace runs in.
    pub(super) is_own: bool,
    pub(super) path: &'a str,
}

enum PerfMap {
    Is(File, u32),
    /// It was missing at this time, or it could not be held, then or before.
    NotYet(Instant, Option<Problem>),
}

impl HeldFiles {
    /// Holds the file of a mapping, from the first process that can be read; otherwise the file of
    /// that name.
    pub(super) fn file(
        &mut self,
        proc_root: &Path,
        pids: &[u32],
        mapping: &Mapping,
        id: FileId,
    ) -> Holding {
        if self.files.len() >= MAX_FILES {
            return Holding::Gone;
        }
        let (start, end) = (mapping.start, mapping.end);
        let mapped = pids
            .iter()
            .find_map(|&pid| memory::hold_mapped(proc_root, pid, start, end))
            .map(|file| (file, None));
        let by_name = || {
            let own = pids.iter().map(|&pid| Some(pid)).chain([None]);
            let mut files = own.filter_map(|pid| memory::hold_named(proc_root, pid, &mapping.name));
            files.next().map(|file| (file, Some(id.inode)))
        };
        let Some((file, inode)) = mapped.or_else(by_name) else {
            return Holding::Gone;
        };
        let is_there = !mapping.name.ends_with(" (deleted)");
        let mut living = pids.iter().take(MOST_ASKED).filter(|_| is_there);
        let root = living.find_map(|&pid| self.root(proc_root, pid));
        self.files.push(HeldCode {
            file,
            inode,
            path: root.map(|root| (root, mapping.name.clone())),
        });
        Holding::Held(self.files.len() - 1)
    }

    /// The number of a process's root.
    fn root(&mut self, proc_root: &Path, pid: u32) -> Option<usize> {
        if let Some(&root) = self.root_of.get(&pid) {
            return root;
        }
        let root = self.find_root(proc_root, pid);
        if self.root_of.len() < MAX_FILES {
            self.root_of.insert(pid, root);
        }
        root
    }

    /// The number of a process's root, which is held from now on.
    fn find_root(&mut self, proc_root: &Path, pid: u32) -> Option<usize> {
        let identity = memory::root_identity(proc_root, pid)?;
        let known = self.roots.iter().position(|root| root.identity == identity);
        if known.is_some() || self.roots.len() >= MAX_ROOTS {
            return known;
        }
        let own = memory::root_identity(Path::new("/proc"), std::process::id());
        self.roots.push(HeldRoot {
            folder: memory::hold_root(proc_root, pid)?,
            is_own: own.as_ref() == Some(&identity),
            identity,
        });
        Some(self.roots.len() - 1)
    }

    /// Where a held file lies; none if it has no name there any more, or its root is not held.
    pub(super) fn path_of(&self, number: usize) -> Option<HeldPath<'_>> {
        let (root, path) = self.files.get(number)?.path.as_ref()?;
        let held = self.roots.get(*root)?;
        Some(HeldPath {
            root: *root,
            descriptor: held.folder.as_raw_fd(),
            is_own: held.is_own,
            path,
        })
    }

    /// A held file by its number, for the reader.
    pub(super) fn of(&self, number: usize) -> Option<HeldFile> {
        let HeldCode { file, inode, .. } = self.files.get(number)?;
        Some(HeldFile {
            descriptor: file.as_raw_fd(),
            inode: *inode,
        })
    }

    /// Holds a process's perf map, once there is one.
    pub(crate) fn perf_map(&mut self, proc_root: &Path, pid: u32, now: Instant) {
        match self.perf_maps.get(&pid) {
            Some(PerfMap::Is(..)) => return,
            Some(PerfMap::NotYet(at, _)) if now.duration_since(*at) < PATIENCE => return,
            None if self.perf_maps.len() >= MAX_PERF_MAPS => return,
            _ => {}
        }
        let before = match self.perf_maps.get(&pid) {
            Some(PerfMap::NotYet(_, problem)) => *problem,
            _ => None,
        };
        let found = match memory::hold_perf_map(proc_root, pid) {
            Ok(Some((file, owner))) => PerfMap::Is(file, owner),
            // An earlier one is useless now that it is gone.
            Ok(None) => PerfMap::NotYet(now, before),
            Err(error) => PerfMap::NotYet(now, Some(Problem::of_holding(&error))),
        };
        self.perf_maps.insert(pid, found);
    }

    /// A process's perf map, for the reader.
    pub(super) fn perf_map_of(&self, pid: u32) -> Option<HeldPerfMap> {
        match self.perf_maps.get(&pid)? {
            PerfMap::Is(file, owner) => Some(HeldPerfMap {
                pid,
                descriptor: file.as_raw_fd(),
                owner: *owner,
            }),
            PerfMap::NotYet(..) => None,
        }
    }

    /// Why perf maps are not held, by process.
    pub(super) fn problems(&self) -> impl Iterator<Item = (u32, Problem)> {
        self.perf_maps.iter().filter_map(|(&pid, map)| match map {
            PerfMap::NotYet(_, Some(problem)) => Some((pid, *problem)),
            _ => None,
        })
    }
}
