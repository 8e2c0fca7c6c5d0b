//! Processes that were there before the trace: attach first, then scan, then check.
//!
//! The hooks are on already, so whatever a traced task forks is followed in the kernel. A scan
//! takes in the tasks that exist; it is repeated until it finds nothing new, because a task that
//! was not traced yet may have forked meanwhile.

use std::{path::Path, thread, time::Duration};

use thiserror::Error;

use super::{Collector, monotonic_ns};
use crate::{
    collect::record::Record,
    memory::{self, Identity},
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
    /// Begins to trace processes and all their living descendants.
    pub fn adopt(&mut self, pids: &[u32]) -> Result<(), AdoptError> {
        for scan in 0..MAX_SCANS {
            let tree = memory::children_of(&self.proc_root, pids)?;
            for &pid in pids {
                if !tree
                    .iter()
                    .any(|process| process.pid == pid && !process.is_dead)
                {
                    return Err(AdoptError::Vanished(pid));
                }
            }
            let mut found = false;
            for process in tree
                .iter()
                .filter(|process| !process.is_dead && !process.is_kernel_thread)
            {
                let has_children = tree.iter().any(|other| other.parent == process.pid);
                found |= self.adopt_process(process, pids, scan > 0, has_children)?;
            }
            self.follow()?;
            if !found {
                break;
            }
        }
        Ok(())
    }

    /// Marks the process that is about to become the command to trace.
    pub fn adopt_launcher(&mut self, pid: u32) -> Result<(), AdoptError> {
        self.adopt(&[pid])?;
        for record in self
            .records
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
        pids: &[u32],
        settle: bool,
        has_children: bool,
    ) -> Result<bool, AdoptError> {
        let tasks = untraced(self, process.pid);
        if tasks.is_empty() {
            return Ok(false);
        }
        if settle {
            thread::sleep(FORK_SETTLES);
        }
        let tasks: Vec<u32> = tasks
            .into_iter()
            .filter(|&tid| !self.probe.tables.is_traced(tid))
            .collect();
        if tasks.is_empty() {
            return Ok(false);
        }
        let Some(slot) = self.slot_of(process, pids, has_children) else {
            self.loss.threads_full += tasks.len() as u64;
            return Ok(false);
        };
        for &tid in &tasks {
            if self.probe.tables.trace_task(tid, slot) {
                self.adopted_tasks.push((process.pid, tid));
            }
        }
        if memory::tasks(&self.proc_root, process.pid).is_ok_and(|tasks| tasks.len() > 1) {
            if let Some(record) = self.records.in_slot(slot) {
                record.name_is_final = true;
            }
            self.probe.settle_races()?;
        }
        Ok(true)
    }

    /// The slot a process counts in: that of a task already traced, or a new one.
    fn slot_of(&mut self, process: &Identity, pids: &[u32], has_children: bool) -> Option<u32> {
        let pid = process.pid;
        let traced = memory::tasks(&self.proc_root, pid).unwrap_or_default();
        if let Some(slot) = traced
            .iter()
            .find_map(|task| self.probe.tables.process_of(task.tid))
        {
            return Some(slot);
        }
        let role = if pids.contains(&pid) {
            Role::Master
        } else {
            Role::Worker
        };
        let parent = self
            .records
            .alive()
            .find(|record| record.pid == process.parent)
            .map(|record| record.id);
        let now = monotonic_ns();
        let parent_slot = parent
            .and_then(|id| self.records.get_mut(id))
            .and_then(|parent| parent.slot);
        let slot = self
            .probe
            .tables
            .open_process(pid, parent_slot.unwrap_or(0), now)?;
        let inherited = match role {
            Role::Master => None,
            Role::Worker => parent
                .and_then(|id| self.records.get_mut(id))
                .and_then(|parent| parent.own.clone()),
        };
        if let Some(layout) = &inherited {
            self.regions.inherit(layout);
        }
        let comm = memory::comm(&self.proc_root, pid);
        let record = Record {
            parent,
            inherited,
            ..Record::new(pid, slot, now, comm, role)
        };
        let id = self.records.add(record);
        self.know_words(id);
        self.know_interpreter(id);
        self.await_interpreter(id);
        if has_children || role == Role::Master {
            // Before its tasks are traced, so that ranges across mappings are split from the start.
            let own = self
                .layouts
                .of(id, pid, &mut self.regions, &self.probe.tables);
            if let Some(record) = self.records.get_mut(id) {
                record.own = own;
            }
        }
        Some(slot)
    }
}

fn untraced(collector: &Collector, pid: u32) -> Vec<u32> {
    let root: &Path = &collector.proc_root;
    let tasks = memory::tasks(root, pid).unwrap_or_default();
    let open = |task: &memory::Task| !task.is_dead && !collector.probe.tables.is_traced(task.tid);
    tasks
        .iter()
        .filter(|task| open(task))
        .map(|task| task.tid)
        .collect()
}
