//! Evidence of who wrote, from the probe to the names: which program a slot's process runs, and
//! which processes can be asked about it.

use std::collections::HashMap;

use cowtrace_common::evidence::Evidence;

use super::{Collector, record::Records};
use crate::run::Writer;

impl Collector {
    /// Takes in the evidence that has come. Called many times a second: the buffer is bounded, and
    /// a process that has exited cannot be asked any more.
    pub fn take_evidence(&mut self) {
        let mut waiting: Vec<Evidence> = Vec::new();
        self.probe.evidence(|evidence| waiting.push(evidence));
        if waiting.is_empty() {
            return;
        }
        // Now every process is known that wrote before: it was told of before it first ran.
        if let Err(error) = self.follow() {
            log::warn!("{error}");
        }
        let mut asked = Asked::new(&self.records);
        for evidence in &waiting {
            let Some((image, pids)) = asked.of_slot(&mut self.records, evidence.slot) else {
                self.loss.writers_full += evidence.pages();
                continue;
            };
            // What only starts the command is no part of the run.
            if !pids.is_empty() {
                self.writers.take(evidence, image, pids);
            }
        }
    }

    /// Names all writers.
    pub(super) fn name_writers(&mut self) -> Vec<Writer> {
        let living = living(&self.records);
        let writers = std::mem::take(&mut self.writers);
        writers.name(|image| living.get(&image).cloned().unwrap_or_default())
    }
}

/// Living processes by image.
fn living(records: &Records) -> HashMap<u32, Vec<u32>> {
    let mut pids: HashMap<u32, Vec<u32>> = HashMap::new();
    for record in records.alive().filter(|record| !record.is_launcher) {
        pids.entry(records.image_of(record.id))
            .or_default()
            .push(record.pid);
    }
    pids
}

/// Which processes can be asked about a slot's memory, found once for many records.
struct Asked {
    living: HashMap<u32, Vec<u32>>,
    by_slot: HashMap<u32, Option<(u32, Vec<u32>)>>,
}

/// Siblings that are asked where the writer itself is gone.
const MOST_SIBLINGS: usize = 3;

impl Asked {
    fn new(records: &Records) -> Self {
        Self {
            living: living(records),
            by_slot: HashMap::new(),
        }
    }

    /// The image that runs in a slot, and processes of it, the slot's own first; none of them for
    /// the launcher.
    fn of_slot(&mut self, records: &mut Records, slot: u32) -> Option<(u32, &[u32])> {
        let living = &self.living;
        let found = self.by_slot.entry(slot).or_insert_with(|| {
            let record = records.in_slot(slot)?;
            if record.is_launcher {
                return Some((record.id, Vec::new()));
            }
            let (id, pid) = (record.id, record.pid);
            let image = records.image_of(id);
            let siblings = living.get(&image).into_iter().flatten().copied();
            let mut pids = vec![pid];
            pids.extend(siblings.filter(|&other| other != pid).take(MOST_SIBLINGS));
            Some((image, pids))
        });
        found
            .as_ref()
            .map(|(image, pids)| (*image, pids.as_slice()))
    }
}
