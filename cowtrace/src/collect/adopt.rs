//! Processes that are older than the trace: attach first, then scan, then check.
//!
//! The hooks are on already, so the kernel side follows whatever a traced task forks. A scan takes in
//! the tasks that exist; it is repeated until it finds nothing new, because a task that was not traced
//! yet may have forked meanwhile.
//!
//! A process with tens of thousands of mappings takes a tenth of a second. If the trace is to end
//! meanwhile, such a process is left out, as if the scan had not reached it.

use std::{
    collections::{HashMap, HashSet},
    thread,
    time::Duration,
};

use thiserror::Error;

use super::{
    clock::monotonic_ns,
    processes::{mappings::Mappings, record::Record, records::Records, tree::Processes},
    writers::WriterEvidence,
};
use crate::{
    memory::{self, Kin, Task},
    probe::{Probe, ProbeError},
    run::{Loss, Role},
    stop::Stop,
    targets::FoundMaster,
};

/// Limit of scans: a tree that forks faster than it can be scanned is followed from its traced tasks.
pub(super) const MAX_SCANS: usize = 50;
/// A task visible in /proc whose fork the kernel side has not announced yet: within this time it
/// will (`kernel_clone` makes it visible some microseconds before the tracepoint).
const FORK_SETTLES: Duration = Duration::from_millis(1);

/// Why a process cannot be traced.
#[derive(Debug, Error)]
pub enum AdoptError {
    /// It ended between the check of the arguments and the scan.
    #[error("process {0} exited while cowtrace was attaching to it")]
    Vanished(u32),
    /// /proc cannot be scanned.
    #[error("/proc cannot be read: {0}")]
    Proc(#[from] std::io::Error),
    /// A hook that several threads need was refused.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

/// The parts of a trace that take in a process.
pub(super) struct Adoption<'a> {
    pub(super) probe: &'a mut Probe,
    pub(super) processes: &'a mut Processes,
    pub(super) mappings: &'a mut Mappings,
    pub(super) evidence: &'a mut WriterEvidence,
    pub(super) loss: &'a mut Loss,
    pub(super) stop: &'a Stop,
}

impl Adoption<'_> {
    /// Traces the tasks of a process that are not traced yet; returns whether there were any.
    /// `is_repeated` says that the tree was scanned before: new tasks may be known to the kernel side soon.
    pub(super) fn adopt(
        &mut self,
        kin: &Kin,
        scanned: &mut ScannedTree<'_>,
        is_repeated: bool,
    ) -> Result<bool, AdoptError> {
        let process = &kin.process;
        let there = memory::list_tasks(self.processes.proc_root(), process.pid).unwrap_or_default();
        if self.untraced(&there).next().is_none() {
            return Ok(false);
        }
        if is_repeated {
            thread::sleep(FORK_SETTLES);
        }
        let tasks: Vec<u32> = self.untraced(&there).collect();
        if tasks.is_empty() {
            return Ok(false);
        }
        let slot = match self.slot_of(kin, &there, scanned) {
            SlotChoice::Is(slot) => slot,
            SlotChoice::NoneFree => {
                self.loss.threads_full += tasks.len() as u64;
                return Ok(false);
            }
            SlotChoice::NotReached => return Ok(false),
        };
        for &tid in &tasks {
            if self.probe.tables.trace_task(tid, slot) {
                self.processes.note_adopted(process.pid, tid);
            }
        }
        if there.len() > 1 {
            self.processes.keep_name(slot);
            self.probe.settle_races()?;
        }
        Ok(true)
    }

    /// The living tasks among these that are not traced yet.
    fn untraced<'a>(&'a self, tasks: &'a [Task]) -> impl Iterator<Item = u32> + 'a {
        let living = tasks.iter().filter(|task| !task.is_dead);
        living
            .map(|task| task.tid)
            .filter(|&tid| !self.probe.tables.is_traced(tid))
    }

    /// The slot a process counts in: that of a task already traced, or a new one.
    fn slot_of(&mut self, kin: &Kin, tasks: &[Task], scanned: &mut ScannedTree<'_>) -> SlotChoice {
        let pid = kin.process.pid;
        let tables = &self.probe.tables;
        if let Some(slot) = tasks.iter().find_map(|task| tables.process_of(task.tid)) {
            return SlotChoice::Is(slot);
        }
        let role = scanned.role_of(pid);
        let record_of = |pid: u32| scanned.records.get(&pid).copied();
        // Who has started a program has nothing of its parent's memory.
        let donor_id = kin.donor.and_then(record_of);
        let parent_id = donor_id.or_else(|| record_of(kin.process.parent));
        let donor = donor_id.and_then(|id| self.processes.records().get(id));
        let donor_slot = donor.and_then(|donor| donor.slot).unwrap_or(0);
        let now = monotonic_ns();
        let Some(slot) = self.probe.tables.open_process(pid, donor_slot, now) else {
            return SlotChoice::NoneFree;
        };
        let inherited = match role {
            Role::Master => None,
            Role::Worker => donor.and_then(|donor| donor.own.clone()),
        };
        let restarts = parent_id
            .filter(|_| !kin.process.is_forked && role == Role::Worker)
            .and_then(|id| self.processes.records().get(id))
            .filter(|parent| self.processes.is_same_program(parent, pid));
        let restarts = restarts.map(|master| master.id);
        let comm = memory::read_comm(self.processes.proc_root(), pid);
        let command_line = memory::read_command_line(self.processes.proc_root(), pid);
        let id = self.add(Record {
            parent: parent_id,
            command_line: command_line.map(Into::into),
            target: scanned.target_of(pid),
            inherited: inherited.clone(),
            restarts,
            ..Record::new(pid, slot, now, comm, role)
        });
        if scanned.parents.contains(&pid) || role == Role::Master {
            // Before its tasks are traced, so that ranges across mappings are split from the start.
            let tables = &self.probe.tables;
            let own = self.mappings.before_trace(id, pid, tables, self.stop);
            self.processes.note_layout(id, own);
        }
        if self.stop.is_due() {
            self.processes.records_mut().withdraw(id);
            return SlotChoice::NotReached;
        }
        if let Some(layout) = &inherited {
            self.mappings.inherit(layout);
        }
        scanned.records.insert(pid, id);
        SlotChoice::Is(slot)
    }

    fn add(&mut self, record: Record) -> u32 {
        let id = self.processes.records_mut().add(record);
        let records = self.processes.records();
        self.evidence.note_process(id, records, self.probe);
        self.evidence.await_interpreter(id, records, self.probe);
        id
    }
}

/// Where a process counts.
enum SlotChoice {
    /// In this one.
    Is(u32),
    /// Nowhere: all are taken.
    NoneFree,
    /// Nowhere: the trace is to end.
    NotReached,
}

/// What a scan has found, by process id.
pub(super) struct ScannedTree<'a> {
    /// The processes that the user gave, or that were found for what the user gave.
    masters: &'a [FoundMaster],
    /// Those that have children, or whose memory others have.
    parents: HashSet<u32>,
    /// Records of living processes.
    records: HashMap<u32, u32>,
}

impl<'a> ScannedTree<'a> {
    /// Fails if one of the masters has exited.
    pub(super) fn new(
        tree: &[Kin],
        masters: &'a [FoundMaster],
        records: &Records,
    ) -> Result<Self, AdoptError> {
        let living = tree.iter().filter(|kin| !kin.process.is_dead);
        let living: HashSet<u32> = living.map(|kin| kin.process.pid).collect();
        if let Some(gone) = masters.iter().find(|it| !living.contains(&it.pid)) {
            return Err(AdoptError::Vanished(gone.pid));
        }
        let records = records.alive();
        Ok(Self {
            masters,
            parents: tree
                .iter()
                .flat_map(|kin| [Some(kin.process.parent), kin.donor])
                .flatten()
                .collect(),
            records: records.map(|record| (record.pid, record.id)).collect(),
        })
    }

    fn role_of(&self, pid: u32) -> Role {
        match self.target_of(pid) {
            Some(_) => Role::Master,
            None => Role::Worker,
        }
    }

    /// The target of a master.
    fn target_of(&self, pid: u32) -> Option<u32> {
        let master = self.masters.iter().find(|it| it.pid == pid);
        master.map(|it| it.target)
    }
}
