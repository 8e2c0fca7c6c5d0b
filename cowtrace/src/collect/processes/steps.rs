//! Processes that hand their place to others: one that is only a step on the way, since who is forked twice has a
//! parent that exits at once; and a master that starts its program again in another process.

use super::{mappings::Mappings, record::Record, tree::Processes};
use crate::{
    memory,
    probe::{Lifecycle, Tables},
    run::Role,
};

impl Processes {
    /// The master that forked a process, if this one has now started the same program.
    pub(super) fn restarted_by(&self, left: u32, pid: u32) -> Option<u32> {
        let left = self.records.get(left)?;
        // A child that shares its parent's memory until it starts a program has no record of its own.
        let forker = if left.pid == pid {
            left.forked_from?
        } else {
            left.id
        };
        let master = self.records.get(forker)?;
        self.is_same_program(master, pid).then_some(master.id)
    }

    /// Whether a process runs the program that a living master runs.
    pub(in crate::collect) fn is_same_program(&self, master: &Record, pid: u32) -> bool {
        let is_master = master.role == Role::Master && master.exited_ns.is_none();
        is_master && memory::runs_same_program(self.proc_root(), master.pid, pid)
    }

    /// When a process that was only a step has exited, those that it forked have what it inherited from where it had it.
    pub(in crate::collect) fn hand_place_on(
        &mut self,
        event: &Lifecycle,
        tables: &Tables,
        mappings: &mut Mappings,
    ) {
        let Some(step) = self
            .records
            .in_slot(event.slot)
            .filter(|it| it.is_step(tables))
        else {
            return;
        };
        let (id, inherited_pages, inheritance) = (step.id, step.inherited_pages, step.inheritance);
        let Some(layout) = step.inherited.clone() else {
            return;
        };
        let is_its = |record: &&mut Record| record.forked_from == Some(id);
        for (place, child) in self.records.alive_mut().filter(is_its).enumerate() {
            if let Some(before) = child.inherited.replace(layout.clone()) {
                mappings.disinherit(&before);
            }
            // The first takes the step's own place.
            if place > 0 {
                mappings.inherit(&layout);
            }
            child.inherited_pages = inherited_pages;
            child.is_uncounted |= !layout.is_counted();
            child.inheritance = inheritance;
        }
    }
}
