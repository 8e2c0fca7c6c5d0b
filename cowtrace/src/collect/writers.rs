//! Evidence of who wrote, from the probe to the names: which program a slot's process runs, and
//! which processes can be asked about it.

use std::collections::{HashMap, HashSet};

use cowtrace_common::evidence::Evidence;

use super::{Collector, processes::records::Records};
use crate::{
    memory,
    writer::{NamedWriters, Origin},
};

impl Collector {
    /// Takes in the evidence that has come. Called many times a second: the buffer is bounded, and
    /// a process that has exited cannot be asked any more.
    pub fn take_evidence(&mut self) {
        let mut waiting: Vec<Evidence> = Vec::new();
        self.probe.evidence(|evidence| waiting.push(evidence));
        self.take(&waiting);
    }

    /// As [`Self::take_evidence`], of evidence that came in another way.
    pub(super) fn take(&mut self, waiting: &[Evidence]) {
        if waiting.is_empty() {
            return;
        }
        // Now every process is known that wrote before: it was told of before it first ran.
        self.follow_on();
        let mut asked = Asked::new(self.processes.records());
        for evidence in waiting {
            let Some(program) = asked.of_slot(self.processes.records(), evidence.core.slot) else {
                self.loss.writers_full += evidence.pages();
                continue;
            };
            // What only starts the command is no part of the run.
            if program.pids.is_empty() {
                continue;
            }
            let region = self
                .processes
                .records()
                .written_in_slot(evidence.core.slot)
                .and_then(|record| record.region_at(evidence.core.address));
            let origin = Origin {
                program: program.image,
                pids: &program.pids,
                ancestors: &program.ancestors,
                region,
            };
            let (pythons, natives) = (&self.probe.pythons, &self.probe.natives);
            let written = self.writers.take(
                evidence,
                origin,
                |stack| pythons.as_ref()?.stack(stack),
                |stack| natives.as_ref()?.stack(stack),
            );
            // Only now is it known what the program is.
            if self.holders && self.writers.runs_python(program.image) {
                let (image, writer) = (program.image, program.pids[0]);
                self.keep_address(evidence, image, writer, written);
            }
        }
        for image in asked.images() {
            self.settle_words(image);
        }
    }

    /// Keeps the address of a copy, for those who look for what holds it, and what stood there if it
    /// is an object of a type.
    fn keep_address(
        &mut self,
        evidence: &Evidence,
        image: u32,
        writer: u32,
        type_address: Option<u64>,
    ) {
        let slot = evidence.core.slot;
        let Some(inheritance) = self.processes.records().inheritance_of(slot) else {
            self.copies.dropped += evidence.pages();
            return;
        };
        let is_kept = self
            .copies
            .add(inheritance, evidence.core.address, evidence.pages());
        // What the owner writes itself is what it changes.
        let record = self.processes.records().written_in_slot(slot);
        let is_heirs = record.is_some_and(|record| record.inheritance == Some(inheritance));
        if let Some(type_address) = type_address.filter(|_| is_kept && is_heirs) {
            let writers = &self.writers;
            let count = || writers.words_of_objects(image, type_address, writer);
            self.contents
                .offer(inheritance, evidence, type_address, count, |at, to| {
                    memory::read(writer, at, to)
                });
        }
    }

    /// Has the kernel side read words around addresses only where the program may have objects that
    /// they tell: for others they cost a third of the evidence.
    fn settle_words(&mut self, image: u32) {
        let now_ns = self.clock.elapsed_ns();
        let has_settled = self.processes.records().get(image).is_none_or(|first| {
            let was_there = first.started_ns == 0;
            was_there || now_ns.saturating_sub(first.started_ns) >= SETTLED_NS
        });
        let without = has_settled && self.writers.is_native(image);
        let changed = if without {
            self.natives.insert(image)
        } else {
            self.natives.remove(&image)
        };
        if !changed {
            return;
        }
        for record in self.processes.records().alive() {
            if let Some(slot) = record.slot
                && self.processes.records().image_of(record.id) == image
            {
                self.probe.tables.set_without_words(slot, without);
            }
        }
    }

    /// Says so for a process that has come.
    pub(super) fn know_words(&mut self, id: u32) {
        let without = self
            .natives
            .contains(&self.processes.records().image_of(id));
        if let Some(slot) = self
            .processes
            .records()
            .get(id)
            .and_then(|record| record.slot)
        {
            self.probe.tables.set_without_words(slot, without);
        }
    }

    /// Has a program looked into again that has not begun to run Python, or not yet.
    pub(super) fn await_interpreter(&mut self, id: u32) {
        let image = self.processes.records().image_of(id);
        if self.probe.pythons.is_some() && !self.interpreters.contains_key(&image) {
            self.starting.push((id, 0));
        }
    }

    /// Looks into programs that have started: an interpreter takes some milliseconds to have
    /// threads, and its first fork may come any time after. Called every 50 ms, it looks less and
    /// less often, since most programs are none.
    pub fn look_for_interpreters(&mut self) {
        for (id, due) in std::mem::take(&mut self.starting) {
            let due = due + 1;
            if due.is_power_of_two() {
                self.know_interpreter(id);
            }
            let image = self.processes.records().image_of(id);
            let is_alive = self
                .processes
                .records()
                .get(id)
                .is_some_and(|record| record.exited_ns.is_none());
            if is_alive && due < MOST_LOOKS && !self.interpreters.contains_key(&image) {
                self.starting.push((id, due));
            }
        }
    }

    /// Has the kernel side walk the Python frames of a process, if its program runs any: from its
    /// fork on, since a child inherits the knowledge.
    pub(super) fn know_interpreter(&mut self, id: u32) {
        let Some(pythons) = &mut self.probe.pythons else {
            return;
        };
        let image = self.processes.records().image_of(id);
        let Some(record) = self.processes.records().get(id) else {
            return;
        };
        if let Some(&number) = self.interpreters.get(&image) {
            if let Some(slot) = record.slot {
                self.probe.tables.set_interpreter(slot, number);
            }
            return;
        }
        let mut pids = vec![record.pid];
        pids.extend(self.processes.records().get(image).map(|first| first.pid));
        let Some(number) = self
            .writers
            .interpreter(image, &pids, || self.stop.is_due())
            .and_then(|interpreter| pythons.add(&interpreter))
        else {
            // Known before the first copy, so that none of a native program has words read for it.
            self.settle_words(image);
            return;
        };
        self.interpreters.insert(image, number);
        for record in self.processes.records().alive() {
            if let Some(slot) = record.slot
                && self.processes.records().image_of(record.id) == image
            {
                self.probe.tables.set_interpreter(slot, number);
            }
        }
    }

    /// Names all writers.
    pub(super) fn name_writers(&mut self) -> NamedWriters {
        let living = living(self.processes.records());
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
    by_slot: HashMap<u32, Option<Program>>,
}

/// The program that a slot's process runs, and who can be asked about it.
struct Program {
    image: u32,
    /// The process itself first; none for the launcher.
    pids: Vec<u32>,
    ancestors: Vec<u32>,
}

/// Looks into a program for an interpreter: some minutes.
const MOST_LOOKS: u32 = 1 << 12;

/// Time after its start in which a program may still load an interpreter, ns.
const SETTLED_NS: u64 = 1_000_000_000;
/// Ancestors that are asked for code that they made.
const MOST_ANCESTORS: usize = 4;

/// Siblings that are asked where the writer itself is gone.
const MOST_SIBLINGS: usize = 3;

impl Asked {
    fn new(records: &Records) -> Self {
        Self {
            living: living(records),
            by_slot: HashMap::new(),
        }
    }

    /// Programs that were asked about.
    fn images(&self) -> HashSet<u32> {
        let found = self.by_slot.values().flatten();
        found.map(|program| program.image).collect()
    }

    fn of_slot(&mut self, records: &Records, slot: u32) -> Option<&Program> {
        let living = &self.living;
        let found = self.by_slot.entry(slot).or_insert_with(|| {
            let record = records.written_in_slot(slot)?;
            let (id, pid, is_launcher) = (record.id, record.pid, record.is_launcher);
            let image = records.image_of(id);
            let mut program = Program {
                image,
                pids: Vec::new(),
                ancestors: Vec::new(),
            };
            if !is_launcher {
                let siblings = living.get(&image).into_iter().flatten().copied();
                let siblings = siblings.filter(|&other| other != pid);
                program.pids = std::iter::once(pid)
                    .chain(siblings.take(MOST_SIBLINGS))
                    .collect();
                program.ancestors = records.ancestors_of(id, MOST_ANCESTORS);
            }
            Some(program)
        });
        found.as_ref()
    }
}
