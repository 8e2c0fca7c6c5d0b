//! Processes that were there before the trace: attach first, then scan, then check.
//!
//! The hooks are on already, so whatever a traced task forks is followed in the kernel. A scan
//! takes in the tasks that exist; it is repeated until it finds nothing new, because a task that
//! was not traced yet may have forked meanwhile.
//!
//! Between two processes the runtime gets its turn, so that a signal can end the trace there. A process
//! with tens of thousands of mappings takes a tenth of a second: between the parts of that, too, it is
//! looked whether the trace is to end, and such a process is left out as if it had not been reached.

use std::{
    collections::{HashMap, HashSet},
    thread,
    time::Duration,
};

use thiserror::Error;

use super::{
    Collector,
    clock::monotonic_ns,
    processes::{record::Record, records::Records},
};
use crate::{
    memory::{self, Identity, Task},
    probe::ProbeError,
    run::Role,
};

/// Scans at most; a tree that forks faster than it can be scanned is followed from its traced
/// tasks all the same.
const MAX_SCANS: usize = 50;
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

impl Collector {
    /// Begins to trace processes and all their living descendants. Can be given up at any time: what
    /// is traced by then stays traced.
    pub async fn adopt(&mut self, pids: &[u32]) -> Result<(), AdoptError> {
        for scan in 0..MAX_SCANS {
            let tree = memory::children_of(self.processes.proc_root(), pids)?;
            let scanned = Scanned::new(&tree, pids, self.processes.records());
            if let Some(&gone) = pids.iter().find(|pid| !scanned.living.contains(pid)) {
                return Err(AdoptError::Vanished(gone));
            }
            if self.adopt_all(&tree, scanned, scan > 0).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Traces what is not traced yet of a tree; returns the number of processes.
    async fn adopt_all(
        &mut self,
        tree: &[Identity],
        mut scanned: Scanned<'_>,
        settle: bool,
    ) -> Result<usize, AdoptError> {
        let mut found = 0;
        for process in tree
            .iter()
            .filter(|process| !process.is_dead && !process.is_kernel_thread)
        {
            tokio::task::yield_now().await;
            found += usize::from(self.adopt_process(process, &mut scanned, settle)?);
            if self.stop.is_due() {
                // Whoever waits for the signal ends this.
                std::future::pending::<()>().await;
            }
        }
        self.follow()?;
        Ok(found)
    }

    /// Marks the process that is about to become the command to trace.
    pub async fn adopt_launcher(&mut self, pid: u32) -> Result<(), AdoptError> {
        self.adopt(&[pid]).await?;
        for record in self
            .processes
            .records_mut()
            .with_slot_mut()
            .filter(|record| record.pid == pid)
        {
            record.is_launcher = true;
        }
        Ok(())
    }

    /// Traces the tasks of a process that are not traced yet; whether there were any.
    fn adopt_process(
        &mut self,
        process: &Identity,
        scanned: &mut Scanned<'_>,
        settle: bool,
    ) -> Result<bool, AdoptError> {
        let there = memory::tasks(self.processes.proc_root(), process.pid).unwrap_or_default();
        if self.untraced(&there).next().is_none() {
            return Ok(false);
        }
        if settle {
            thread::sleep(FORK_SETTLES);
        }
        let tasks: Vec<u32> = self.untraced(&there).collect();
        if tasks.is_empty() {
            return Ok(false);
        }
        let slot = match self.slot_of(process, &there, scanned) {
            Slot::Is(slot) => slot,
            Slot::NoneFree => {
                self.loss.threads_full += tasks.len() as u64;
                return Ok(false);
            }
            Slot::NotReached => return Ok(false),
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
    fn slot_of(&mut self, process: &Identity, tasks: &[Task], scanned: &mut Scanned<'_>) -> Slot {
        let pid = process.pid;
        let tables = &self.probe.tables;
        if let Some(slot) = tasks.iter().find_map(|task| tables.process_of(task.tid)) {
            return Slot::Is(slot);
        }
        let role = if scanned.masters.contains(&pid) {
            Role::Master
        } else {
            Role::Worker
        };
        let parent = scanned.records.get(&process.parent).copied();
        let now = monotonic_ns();
        let parent_slot = parent
            .and_then(|id| self.processes.records().get(id))
            .and_then(|parent| parent.slot);
        let tables = &mut self.probe.tables;
        let Some(slot) = tables.open_process(pid, parent_slot.unwrap_or(0), now) else {
            return Slot::NoneFree;
        };
        let inherited = match role {
            Role::Master => None,
            Role::Worker => parent
                .and_then(|id| self.processes.records().get(id))
                .and_then(|parent| parent.own.clone()),
        };
        let comm = memory::comm(self.processes.proc_root(), pid);
        let record = Record {
            parent,
            inherited: inherited.clone(),
            ..Record::new(pid, slot, now, comm, role)
        };
        let id = self.processes.records_mut().add(record);
        self.know_words(id);
        self.know_interpreter(id);
        self.await_interpreter(id);
        if scanned.parents.contains(&pid) || role == Role::Master {
            // Before its tasks are traced, so that ranges across mappings are split from the start.
            let tables = &self.probe.tables;
            let own = self.mappings.before_trace(id, pid, tables, &self.stop);
            self.processes.note_layout(id, own);
        }
        if self.stop.is_due() {
            self.processes.records_mut().withdraw(id);
            return Slot::NotReached;
        }
        if let Some(layout) = &inherited {
            self.mappings.inherit(layout);
        }
        scanned.records.insert(pid, id);
        Slot::Is(slot)
    }
}

/// Where a process counts.
enum Slot {
    /// In this one.
    Is(u32),
    /// Nowhere: all are taken.
    NoneFree,
    /// Nowhere: the trace is to end.
    NotReached,
}

/// What a scan has found, by process id.
struct Scanned<'a> {
    /// The processes the user gave.
    masters: &'a [u32],
    living: HashSet<u32>,
    /// Those that have children.
    parents: HashSet<u32>,
    /// Records of living processes.
    records: HashMap<u32, u32>,
}

impl<'a> Scanned<'a> {
    fn new(tree: &[Identity], masters: &'a [u32], records: &Records) -> Self {
        let living = tree.iter().filter(|process| !process.is_dead);
        let records = records.alive();
        Self {
            masters,
            living: living.map(|process| process.pid).collect(),
            parents: tree.iter().map(|process| process.parent).collect(),
            records: records.map(|record| (record.pid, record.id)).collect(),
        }
    }
}
