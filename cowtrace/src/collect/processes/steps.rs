//! Processes that hand their place to others: one that is only a step on the way, since who is forked twice has a
//! parent that exits at once; and a master that starts its program again in another process.

use std::rc::Rc;

use super::{
    attribution::MappingLayout, inheritance::Inheritance, record::Record, tree::Processes,
};
use crate::{
    memory,
    probe::{Lifecycle, Tables},
    run::{Role, passes_on},
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

    /// What the parent of a new process inherited, with its record, if it passes that on as it is.
    pub(in crate::collect) fn pass_on_untouched(
        &mut self,
        event: &Lifecycle,
        tables: &Tables,
    ) -> Option<(u32, Rc<MappingLayout>, Inheritance)> {
        let at_ns = self.clock.since_start(event.at_ns);
        let parent = self.records.in_slot(event.other_slot)?;
        let (layout, inheritance) = parent.untouched_inheritance(at_ns, tables)?;
        parent.has_passed_on = true;
        Some((parent.id, layout, inheritance))
    }

    /// What a process had inherited that has exited, if it was only a step.
    pub(in crate::collect) fn layout_of_step(
        &mut self,
        event: &Lifecycle,
    ) -> Option<Rc<MappingLayout>> {
        let record = self.records.in_slot(event.slot)?;
        let lived = record.exited_ns?.saturating_sub(record.started_ns);
        let is_step = std::mem::take(&mut record.has_passed_on)
            && passes_on(lived, record.totals.copied_pages(), record.inherited_pages?);
        is_step.then(|| record.inherited.clone())?
    }
}
