//! Names that processes have given themselves since they were forked, and their command lines. Read while they
//! live: a process that exits as the trace ends has no name to read, and the last of its threads may have
//! another one.

use super::tree::Processes;
use crate::memory;

/// Processes whose names are read at one tick, in turn: bounds a tick's cost.
pub(in crate::collect) const NAMES_PER_TICK: usize = 32;

/// How a living process is called.
pub(in crate::collect) struct ReadName {
    /// Its record.
    id: u32,
    comm: String,
    command_line: Option<String>,
}

impl Processes {
    /// Reads the names of living processes: a limited number each time, in turn.
    pub(in crate::collect) fn read_names(&mut self, most: usize) -> Vec<ReadName> {
        let alive: Vec<(u32, u32, bool)> = self
            .records()
            .alive()
            .map(|record| (record.id, record.pid, record.forked_from.is_some()))
            .collect();
        let count = most.min(alive.len());
        let turn = alive.iter().cycle().skip(self.next_name).take(count);
        let root = self.proc_root();
        let names = turn.filter_map(|&(id, pid, is_forked)| {
            let name = ReadName {
                id,
                comm: memory::read_comm(root, pid),
                command_line: memory::read_command_line(root, pid),
            };
            // A program that is being started has its name before it is announced. The kernel takes the mark of
            // a forked process away first.
            let is_own = |pid| memory::read_identity(root, pid).is_ok_and(|it| it.is_forked);
            (!name.comm.is_empty() && (!is_forked || is_own(pid))).then_some(name)
        });
        let names = names.collect();
        self.next_name = (self.next_name + count) % alive.len().max(1);
        names
    }

    /// Takes names in that were read before the last events: a process that has started another program
    /// meanwhile has another record, and may have had that program's name.
    pub(in crate::collect) fn take_names(&mut self, names: Vec<ReadName>) {
        for name in names {
            if let Some(record) = self.records_mut().get_mut(name.id)
                && record.exited_ns.is_none()
            {
                record.comm = name.comm;
                record.take_command_line(name.command_line);
            }
        }
    }
}
