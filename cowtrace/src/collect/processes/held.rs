//! How much anonymous memory the traced processes have, read from time to time.

use std::{collections::HashMap, path::Path};

use super::records::Records;
use crate::memory::{self, HeldReader, Identity};

/// Reads the memory of the traced processes, each in its turn.
#[derive(Debug)]
pub(super) struct HeldMemory {
    reader: HeldReader,
    /// Living processes by record.
    known: HashMap<u32, Identity>,
    /// Whose memory is read next, by its place among the living.
    next: usize,
}

impl HeldMemory {
    /// Keeps at most `files` files open.
    pub(super) fn new(root: &Path, files: usize) -> Self {
        Self {
            reader: HeldReader::new(root, files),
            known: HashMap::new(),
            next: 0,
        }
    }

    /// Anonymous pages of some living processes, by record.
    pub(super) fn read(&mut self, root: &Path, records: &Records, most: usize) -> Vec<(u32, u64)> {
        let alive: Vec<(u32, u32)> = records
            .alive()
            .filter(|record| !record.is_launcher && record.pid != 0)
            .map(|record| (record.id, record.pid))
            .collect();
        self.forget_gone(records);
        let count = most.min(alive.len());
        let turn = alive.iter().cycle().skip(self.next).take(count);
        self.next = (self.next + count) % alive.len().max(1);
        let mut held = Vec::with_capacity(count);
        for &(id, pid) in turn {
            let known = self.known.get(&id).copied();
            let Some(process) = known.or_else(|| memory::read_identity(root, pid).ok()) else {
                continue;
            };
            self.known.insert(id, process);
            held.extend(
                self.reader
                    .anonymous_pages(&process)
                    .map(|pages| (id, pages)),
            );
        }
        held
    }

    fn forget_gone(&mut self, records: &Records) {
        let reader = &mut self.reader;
        self.known.retain(|id, process| {
            let lives = records.get(*id).is_some_and(|it| it.exited_ns.is_none());
            if !lives {
                reader.forget(process.pid);
            }
            lives
        });
    }
}
