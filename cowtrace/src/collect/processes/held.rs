//! How much anonymous memory the traced processes have, read from time to time.

use cowtrace_common::process::Source;

use super::tree::Processes;
use crate::{memory, probe::Tables};

/// Processes that are read at one tick, in turn. A reading takes 2 to 5 us, so a tick takes at most 5 ms.
pub(in crate::collect) const HELD_PER_TICK: usize = 1_000;

impl Processes {
    /// Reads how many anonymous pages living processes have: a limited number each time, in turn.
    pub(in crate::collect) fn read_held(&mut self, most: usize, tables: &Tables) {
        let alive: Vec<(u32, u32)> = self
            .records()
            .alive()
            .filter(|record| !record.is_launcher && record.pid != 0)
            .map(|record| (record.id, record.pid))
            .collect();
        let count = most.min(alive.len());
        let turn = alive.iter().cycle().skip(self.next_held).take(count);
        for &(id, pid) in turn {
            let held = memory::held_pages(self.proc_root(), pid);
            if let (Some(record), Some(held)) = (self.records_mut().get_mut(id), held) {
                let totals = record.slot.map(|slot| tables.totals(slot));
                let new = totals.map_or(0, |it| it.touched + it.copied[Source::Zero as usize]);
                record.note_held(held, new);
            }
        }
        self.next_held = (self.next_held + count) % alive.len().max(1);
    }
}
