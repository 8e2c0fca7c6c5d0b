//! What is read of the living processes at each tick.

use cowtrace_common::process::Source;

use super::tree::Processes;
use crate::probe::Tables;

/// Processes that are read at one tick, in turn: bounds a tick's cost, to 2 ms where their files stay open.
pub(in crate::collect) const HELD_PER_TICK: usize = 1_000;

impl Processes {
    /// Reads how many anonymous pages living processes have: a limited number each time, in turn.
    pub(in crate::collect) fn read_held(&mut self, most: usize, tables: &Tables) {
        let root = self.proc_root().to_owned();
        for (id, held) in self.held.read(&root, &self.records, most) {
            if let Some(record) = self.records_mut().get_mut(id) {
                let totals = record.slot.map(|slot| tables.totals(slot));
                let new = totals.map_or(0, |it| it.touched + it.copied[Source::Zero as usize]);
                record.note_held(held, new);
            }
        }
    }
}
