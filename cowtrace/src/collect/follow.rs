//! Processes as they fork, start programs and exit.

use cowtrace_common::event::EventKind;
use log::debug;

use super::{Collector, processes::record::Record};
use crate::{
    probe::{Lifecycle, ProbeError},
    run::Role,
};

impl Collector {
    /// Takes in the events that have come.
    pub fn follow(&mut self) -> Result<(), ProbeError> {
        for event in self.probe.events() {
            debug!("{event:?}");
            match event.kind {
                EventKind::Fork => self.forked(&event),
                EventKind::Exec => self.executed(&event),
                EventKind::Exit => self.exited(&event),
                EventKind::Thread => {
                    if let Some(record) = self.records.in_slot(event.slot) {
                        record.name_is_final = true;
                    }
                    self.probe.settle_races()?;
                }
            }
        }
        Ok(())
    }

    /// As [`Self::follow`], where nothing can be done about a failure but to say so.
    pub(super) fn follow_on(&mut self) {
        if let Err(error) = self.follow() {
            log::warn!("{error}");
        }
    }

    fn forked(&mut self, event: &Lifecycle) {
        let parent = self
            .records
            .in_slot(event.other_slot)
            .map(|parent| (parent.id, parent.pid));
        // Before anything else: the parent's mappings are only for a moment what they were.
        let layout = match parent {
            Some((id, pid)) => {
                let (regions, tables) = (&mut self.regions, &self.probe.tables);
                self.layouts.of(id, pid, regions, tables, || false)
            }
            None => None,
        };
        let layout = layout.or_else(|| {
            // The parent is gone already: the child's mappings are a copy of its.
            let (id, _) = parent?;
            self.layouts
                .of_copy(id, event.pid, &mut self.regions, &self.probe.tables)
        });
        if layout.is_none() {
            self.loss.mappings_missed += 1;
        }
        if let (Some((id, _)), Some(layout)) = (parent, &layout) {
            if let Some(parent) = self.records.get_mut(id) {
                parent.own = Some(layout.clone());
            }
            self.regions.inherit(layout);
        }
        self.retire_other_image(event);
        let heap = match (parent, &layout) {
            (Some((id, _)), Some(layout)) => Some(self.pass_on(id, layout.inherited_pages())),
            _ => None,
        };
        let record = Record {
            parent: parent.map(|(id, _)| id),
            inherited: layout,
            heap,
            started_ns: event.at_ns.saturating_sub(self.started_ns),
            ..Record::new(
                event.pid,
                event.slot,
                event.born_ns,
                event.comm.clone(),
                Role::Worker,
            )
        };
        let id = self.records.add(record);
        self.know_words(id);
        self.know_interpreter(id);
    }

    fn executed(&mut self, event: &Lifecycle) {
        let left = self.records.in_slot(event.other_slot);
        let role = match &left {
            Some(left) if left.pid == event.pid => left.role,
            _ => Role::Worker,
        };
        let parent = left.map(|left| {
            left.name_is_final |= left.pid == event.pid;
            left.id
        });
        self.retire_other_image(event);
        let record = Record {
            parent,
            started_ns: event.at_ns.saturating_sub(self.started_ns),
            ..Record::new(
                event.pid,
                event.slot,
                event.born_ns,
                event.comm.clone(),
                role,
            )
        };
        let id = self.records.add(record);
        self.await_interpreter(id);
        if let (Some(parent), Role::Master) = (parent, role) {
            self.records.succeed(parent, id);
            self.layouts.split(event.pid, &self.probe.tables);
        }
    }

    /// A process has one image at a time. Another that seems alive in the same pid was adopted at
    /// the very moment the kernel side saw it fork: the kernel's counts from here on.
    fn retire_other_image(&mut self, event: &Lifecycle) {
        if let Some(other) = self.records.alive_with_pid(event.pid, event.slot) {
            other.exited_ns = Some(event.at_ns.saturating_sub(self.started_ns));
        }
    }

    fn exited(&mut self, event: &Lifecycle) {
        let at_ns = event.at_ns.saturating_sub(self.started_ns);
        let Some(record) = self.records.in_slot(event.slot) else {
            return;
        };
        if record.born_ns != event.born_ns || record.exited_ns.is_some() {
            return;
        }
        record.exited_ns = Some(at_ns);
        let heap = record.heap;
        if !record.name_is_final {
            record.comm.clone_from(&event.comm);
        }
        self.early.note_exit(heap);
    }
}
