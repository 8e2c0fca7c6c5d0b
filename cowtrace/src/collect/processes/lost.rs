//! Processes whose events the kernel's buffer had no room for, found in the tables: also those that have exited, since
//! their slots have their counts.

use cowtrace_common::loss::Loss as KernelLoss;
use log::warn;

use super::{record::Record, tree::Processes};
use crate::{
    memory,
    probe::{Lifecycle, Probe, SlotState, Tables},
    run::Role,
};

impl Processes {
    /// Whether events have been dropped since the last call.
    pub(in crate::collect) fn notes_dropped(&mut self, probe: &Probe) -> bool {
        let dropped = probe.loss()[KernelLoss::LifecycleDropped as usize];
        let is_more = dropped != self.dropped_events;
        self.dropped_events = dropped;
        if is_more {
            warn!("process events were dropped ({dropped} so far); looking for their processes");
        }
        is_more
    }

    /// Whether a new process was found in the tables before its event was read.
    pub(in crate::collect) fn is_found(&mut self, event: &Lifecycle) -> bool {
        let known = self.records.in_slot(event.slot);
        known.is_some_and(|record| record.born_ns == event.born_ns)
    }

    /// Finds the processes of dropped events. While the hooks are on, [`Self::sweep`] ends those that have exited: a
    /// process that forks just now has no task yet.
    pub(in crate::collect) fn find_lost(&mut self, tables: &Tables, hooks_are_off: bool) {
        let now = self.clock.elapsed_ns();
        for slot in Tables::process_slots() {
            let state = tables.slot(slot);
            let known = self.records.in_slot(slot);
            if state.born_ns == 0 || known.is_some_and(|record| record.born_ns == state.born_ns) {
                continue;
            }
            let is_gone = state.tasks == 0;
            let record = self.lost_record(slot, state);
            let before = record.parent;
            let is_master = record.role == Role::Master;
            let id = self.records.add(Record {
                exited_ns: (is_gone && hooks_are_off).then_some(now),
                ..record
            });
            if let Some(before) = before.filter(|_| is_master) {
                self.records.succeed(before, id);
            }
        }
    }

    /// What the tables have of a process, and what follows from the process before.
    fn lost_record(&mut self, slot: u32, state: SlotState) -> Record {
        // A younger process in that slot is another.
        let before = self.records.in_slot(state.parent);
        let before = before.filter(|before| before.born_ns <= state.born_ns);
        let is_next_program = before.as_ref().is_some_and(|it| it.pid == state.pid);
        let forked_from = before.as_ref().filter(|_| !is_next_program);
        // The pid of one that has exited may be another's.
        let comm = if state.tasks > 0 {
            memory::read_comm(&self.proc_root, state.pid)
        } else {
            forked_from.map_or_else(String::new, |parent| parent.comm.clone())
        };
        let role = match &before {
            Some(before) if is_next_program => before.role,
            _ => Role::Worker,
        };
        Record {
            parent: before.as_ref().map(|before| before.id),
            inherited: forked_from.and_then(|parent| parent.own.clone()),
            started_ns: self.clock.since_start(state.born_ns),
            ..Record::new(state.pid, slot, state.born_ns, comm, role)
        }
    }
}
