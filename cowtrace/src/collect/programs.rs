//! Which program the process of a slot runs, and which processes can be read to name what wrote in it.

use std::collections::{HashMap, HashSet};

use super::processes::records::Records;

/// Ancestors that are searched for generated code.
const MAX_ANCESTORS: usize = 4;
/// Siblings that are read if the writer itself has exited.
const MAX_SIBLINGS: usize = 3;

/// Serial number and process id of the living, by program.
type ByProgram = HashMap<u32, Vec<(u32, u32)>>;

pub(super) fn living_by_program(records: &Records) -> ByProgram {
    let mut found = ByProgram::new();
    for record in records.alive().filter(|record| !record.is_launcher) {
        let of_program = found.entry(records.program_of(record.id));
        of_program.or_default().push((record.id, record.pid));
    }
    found
}

/// Processes that live, by program. Where there are thousands, looking for all of them each time that evidence comes
/// would take longer than the evidence: so they are known from some moments ago, and those that have ended since then
/// are left out.
#[derive(Default)]
pub(super) struct LivingProcesses {
    by_program: ByProgram,
    /// Since the start.
    renewed_ns: Option<u64>,
    /// Whether they are those of this moment.
    is_fresh: bool,
}

/// How old they may be, ns.
const LIVING_AGE_NS: u64 = 500_000_000;

impl LivingProcesses {
    /// To be called when new evidence is taken.
    pub(super) fn begin(&mut self, records: &Records, now_ns: u64) {
        self.is_fresh = false;
        let age_ns = self.renewed_ns.map(|at| now_ns.saturating_sub(at));
        if age_ns.is_none_or(|age| age > LIVING_AGE_NS) {
            self.renew(records);
            self.renewed_ns = Some(now_ns);
        }
    }

    fn renew(&mut self, records: &Records) {
        self.by_program = living_by_program(records);
        self.is_fresh = true;
    }

    /// Process ids of some that run a program, without this one: what cannot be read in one of them may be read in
    /// another.
    fn siblings(&mut self, records: &Records, program: u32, id: u32) -> Vec<u32> {
        let found = self.siblings_known(records, program, id);
        if !found.is_empty() || self.is_fresh {
            return found;
        }
        self.renew(records);
        self.siblings_known(records, program, id)
    }

    fn siblings_known(&self, records: &Records, program: u32, id: u32) -> Vec<u32> {
        let is_alive = |other: u32| {
            let record = records.get(other);
            record.is_some_and(|record| record.exited_ns.is_none())
        };
        let known = self.by_program.get(&program).into_iter().flatten();
        known
            .filter(|(other, _)| *other != id && is_alive(*other))
            .map(|(_, pid)| *pid)
            .take(MAX_SIBLINGS)
            .collect()
    }
}

/// The programs of slots, each found once for many pieces of evidence.
pub(super) struct ProgramsBySlot {
    pub(super) living: LivingProcesses,
    by_slot: foldhash::HashMap<u32, Option<ReadableProgram>>,
}

/// The program that a slot's process runs, and which processes can be read to name a writer.
pub(super) struct ReadableProgram {
    /// The record that began it.
    pub(super) id: u32,
    /// The process itself first; none for the launcher.
    pub(super) pids: Vec<u32>,
    pub(super) ancestors: Vec<u32>,
}

impl ProgramsBySlot {
    pub(super) fn new(living: LivingProcesses) -> Self {
        Self {
            living,
            by_slot: foldhash::HashMap::default(),
        }
    }

    /// All programs found.
    pub(super) fn found(&self) -> HashSet<u32> {
        let found = self.by_slot.values().flatten();
        found.map(|program| program.id).collect()
    }

    pub(super) fn of_slot(&mut self, records: &Records, slot: u32) -> Option<&ReadableProgram> {
        let living = &mut self.living;
        let found = self.by_slot.entry(slot).or_insert_with(|| {
            let record = records.written_in_slot(slot)?;
            let (id, pid, is_launcher) = (record.id, record.pid, record.is_launcher);
            let program_id = records.program_of(id);
            let mut program = ReadableProgram {
                id: program_id,
                pids: Vec::new(),
                ancestors: Vec::new(),
            };
            if !is_launcher {
                let siblings = living.siblings(records, program_id, id);
                program.pids = std::iter::once(pid).chain(siblings).collect();
                program.ancestors = records.ancestors_of(id, MAX_ANCESTORS);
            }
            Some(program)
        });
        found.as_ref()
    }
}
