//! Processes as they fork, start programs and exit.

use cowtrace_common::event::EventKind;
use log::debug;

use super::Collector;
use crate::probe::{Lifecycle, ProbeError};

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
                    self.processes.keep_name(event.slot);
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
        let parent = self.processes.in_slot(event.other_slot);
        // Before anything else: the parent's mappings are only for a moment what they were.
        let layout = self
            .mappings
            .at_fork(parent, event.pid, &self.probe.tables, &mut self.loss);
        let parent = parent.map(|(id, _)| id);
        if let (Some(id), Some(layout)) = (parent, &layout) {
            self.processes.note_layout(id, Some(layout.clone()));
        }
        self.processes.retire_other_image(event);
        let inheritance = match (parent, &layout) {
            (Some(id), Some(layout)) => Some(self.pass_on(id, layout.inherited_pages())),
            _ => None,
        };
        let id = self
            .processes
            .add_forked(event, parent, layout, inheritance);
        self.know_words(id);
        self.know_interpreter(id);
    }

    fn executed(&mut self, event: &Lifecycle) {
        let (id, is_master) = self.processes.add_executed(event);
        self.await_interpreter(id);
        if is_master {
            self.mappings.split(event.pid, &self.probe.tables);
        }
    }

    fn exited(&mut self, event: &Lifecycle) {
        let inheritance = self.processes.note_exit(event);
        self.early.note_exit(inheritance);
    }
}
