//! Names that processes have given themselves since they were forked. Read while they live: a process that
//! exits as the trace ends has no name to read, and the last of its threads may have another one.

use super::tree::Processes;
use crate::memory;

/// Processes whose names are read at one tick, in turn: bounds a tick's cost.
pub(in crate::collect) const NAMES_PER_TICK: usize = 64;

impl Processes {
    /// Reads the names of living processes, by record: a limited number each time, in turn.
    pub(in crate::collect) fn read_names(&mut self, most: usize) -> Vec<(u32, String)> {
        let alive: Vec<(u32, u32)> = self
            .records()
            .alive()
            .map(|record| (record.id, record.pid))
            .collect();
        let count = most.min(alive.len());
        let turn = alive.iter().cycle().skip(self.next_name).take(count);
        let names = turn.map(|(id, pid)| (*id, memory::read_comm(self.proc_root(), *pid)));
        let names = names.filter(|(_, name)| !name.is_empty()).collect();
        self.next_name = (self.next_name + count) % alive.len().max(1);
        names
    }

    /// Takes names in that were read before the last events: a process that has started another program
    /// meanwhile has another record, and may have had that program's name.
    pub(in crate::collect) fn take_names(&mut self, names: Vec<(u32, String)>) {
        for (id, name) in names {
            if let Some(record) = self.records_mut().get_mut(id)
                && record.exited_ns.is_none()
            {
                record.comm = name;
            }
        }
    }
}
