//! Code that wrote and was in no known mapping: it may have been made just after these were read.

use std::{iter, mem, path::Path};

use super::{Program, ProgramProcesses};
use crate::native::HeldFiles;

/// Instructions in no known mapping that are looked up again.
const MOST_MISSED: usize = 64;

impl Program {
    /// Notes an instruction that wrote if it is in no known mapping.
    pub(super) fn note_missed(&mut self, instruction: u64, sources: ProgramProcesses<'_>) {
        let Some(&process) = sources.pids.first() else {
            return;
        };
        if !self.code.has(instruction) && self.missed.len() < MOST_MISSED {
            let missed = self.missed.entry((instruction, process));
            missed.or_insert_with(|| sources.ancestors.to_vec());
        }
    }

    /// Whether code has written that was in no known mapping.
    pub(in crate::writer) fn has_missed(&self) -> bool {
        !self.missed.is_empty()
    }

    /// Looks again for code that was in no known mapping when it wrote: it may have been made just after they were
    /// read, and may never write again.
    pub(in crate::writer) fn look_for_missed(&mut self, proc_root: &Path, held: &mut HeldFiles) {
        for (place, ancestors) in mem::take(&mut self.missed) {
            if !self.code.has(place.0) {
                if !self.is_look_due() {
                    self.missed.insert(place, ancestors);
                    continue;
                }
                // Those that it forked from may have made it, too.
                let pids: Vec<u32> = iter::once(place.1).chain(ancestors.clone()).collect();
                let sources = ProgramProcesses {
                    proc_root,
                    pids: &pids,
                    ancestors: &[],
                };
                self.look(sources, held, || false);
            }
            self.hold_one(place, &ancestors, proc_root, held);
        }
    }

    /// Holds all code that was missed and is known by now.
    pub(super) fn hold_missed(&mut self, proc_root: &Path, held: &mut HeldFiles) {
        for (place, ancestors) in mem::take(&mut self.missed) {
            self.hold_one(place, &ancestors, proc_root, held);
        }
    }

    fn hold_one(
        &mut self,
        (instruction, process): (u64, u32),
        ancestors: &[u32],
        proc_root: &Path,
        held: &mut HeldFiles,
    ) {
        let sources = ProgramProcesses {
            proc_root,
            pids: &[process],
            ancestors,
        };
        self.hold_known(instruction, sources, held);
    }
}
