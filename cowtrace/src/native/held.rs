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
    files: Vec<(File, Option<u64>)>,
    perf_maps: HashMap<u32, PerfMap>,
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
        match mapped.or_else(by_name) {
            Some(file) => {
                self.files.push(file);
                Holding::Held(self.files.len() - 1)
            }
            None => Holding::Gone,
        }
    }

    /// A held file by its number, for the reader.
    pub(super) fn of(&self, number: usize) -> Option<HeldFile> {
        let (file, inode) = self.files.get(number)?;
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
