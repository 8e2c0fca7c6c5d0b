//! The records of all process images during the trace, and the slot in which each counts.

use std::collections::{HashMap, HashSet};

use super::{
    gone::TargetsOfGone,
    inheritance::{Inheritance, PassedOn},
    record::Record,
};
use crate::run::{Role, Sample};

/// Every process image of the trace, by serial number and by slot.
#[derive(Debug, Default)]
pub(in crate::collect) struct Records {
    pub(super) all: Vec<Record>,
    by_slot: foldhash::HashMap<u32, u32>,
    /// The last process of each empty slot: evidence of another process that wrote its memory may still
    /// be on its way.
    last_in_slot: foldhash::HashMap<u32, u32>,
    next_id: u32,
    pub(super) masters: HashSet<u32>,
    /// By target, the record that stands for those of its processes that were joined.
    pub(super) joined: HashMap<Option<u32>, u32>,
    pub(super) gone: TargetsOfGone,
}

impl Records {
    /// Adds a record under the next serial number.
    pub(in crate::collect) fn add(&mut self, mut record: Record) -> u32 {
        record.id = self.next_id;
        self.next_id += 1;
        record.inherited_pages = record
            .inherited
            .as_ref()
            .map(|layout| layout.inherited_pages());
        let inherited = record.inherited.as_deref();
        record.is_uncounted |= inherited.is_some_and(|layout| !layout.is_counted());
        record.forked_from = record.parent.filter(|_| record.inherited.is_some());
        if record.command_line.is_none() {
            let before = record.forked_from.and_then(|id| self.get(id));
            record.command_line = before.and_then(|before| before.command_line.clone());
        }
        let parent = record.parent.and_then(|parent| self.get(parent));
        record.target = record.target.or(parent.and_then(|parent| parent.target));
        record.is_launcher |=
            parent.is_some_and(|parent| parent.is_launcher) && record.inherited.is_some();
        if let Some(parent) = record.forked_from.filter(|_| record.inheritance.is_none()) {
            // It is older than the trace, and so is what its parent passed on.
            let pages = record.inherited_pages.unwrap_or(0);
            record.inheritance = Some(self.pass_on(parent, 0, pages, |_| None).0);
        }
        if let Some(slot) = record.slot {
            self.by_slot.insert(slot, record.id);
            self.last_in_slot.remove(&slot);
        }
        if record.role == Role::Master {
            self.masters.insert(record.id);
        }
        let id = record.id;
        self.all.push(record);
        id
    }

    /// Notes that a process forks and passes pages on, after it has written `written` pages. Returns what
    /// it passes on, and whether that is another inheritance than before. `kept` gives the part of an
    /// inheritance's sampled objects that it still has.
    pub(in crate::collect) fn pass_on(
        &mut self,
        process: u32,
        written: u64,
        pages: u64,
        kept: impl FnOnce(Inheritance) -> Option<f64>,
    ) -> (Inheritance, bool) {
        let mut inheritance = Inheritance {
            process,
            generation: 0,
        };
        let Some(record) = self.get_mut(process) else {
            return (inheritance, false);
        };
        let now = |generation| PassedOn {
            generation,
            written,
            pages,
        };
        let Some(before) = record.passed else {
            record.passed = Some(now(0));
            return (inheritance, false);
        };
        inheritance.generation = before.generation;
        let is_much = before.is_much_written_since(written);
        let mut is_known = false;
        let is_other = before.is_changed(written, || {
            let part = kept(inheritance);
            is_known = part.is_some();
            part
        });
        inheritance.generation += u32::from(is_other);
        // What was found to be the same counts from here on.
        if is_other || (is_much && is_known) {
            record.passed = Some(now(inheritance.generation));
        }
        (inheritance, is_other)
    }

    /// Whose memory a slot's process copies: that of the process it forked from, or its own.
    pub(in crate::collect) fn inheritance_of(&self, slot: u32) -> Option<Inheritance> {
        let record = self.written_in_slot(slot)?;
        Some(record.inheritance.unwrap_or_else(|| Inheritance {
            process: record.id,
            generation: record.passed.unwrap_or_default().generation,
        }))
    }

    /// Takes back the record that was added last, of a process that is not to be traced.
    pub(in crate::collect) fn withdraw(&mut self, id: u32) {
        let Some(record) = self.all.pop_if(|record| record.id == id) else {
            return;
        };
        self.masters.remove(&id);
        if let Some(slot) = record.slot {
            self.by_slot.remove(&slot);
        }
    }

    /// A master's next image takes its place.
    pub(in crate::collect) fn succeed(&mut self, before: u32, after: u32) {
        self.masters.remove(&before);
        self.masters.insert(after);
    }

    /// When a master exits, the same program that it has started in another process takes its place, once that has
    /// workers of its own: gunicorn and nginx replace themselves so.
    pub(in crate::collect) fn hand_over(&mut self, before: u32) {
        let has_workers = |id: u32| self.alive().any(|record| record.forked_from == Some(id));
        let restarts = |record: &&Record| record.restarts == Some(before) && has_workers(record.id);
        let next = self.alive().find(restarts).map(|record| record.id);
        if let Some(next) = next.filter(|_| self.masters.contains(&before)) {
            self.succeed(before, next);
            if let Some(record) = self.get_mut(next) {
                record.role = Role::Master;
            }
        }
    }

    pub(in crate::collect) fn get_mut(&mut self, id: u32) -> Option<&mut Record> {
        let index = self
            .all
            .binary_search_by_key(&id, |record| record.id)
            .ok()?;
        self.all.get_mut(index)
    }

    /// The record that stands for the program a process runs: the first of those that only forked
    /// since it was started, whose memory all of them have.
    pub(in crate::collect) fn program_of(&self, mut id: u32) -> u32 {
        while let Some(parent) = self.get(id).and_then(|record| record.forked_from) {
            id = parent;
        }
        id
    }

    /// Process ids of those that a record forked from since its program was started, the nearest
    /// first.
    pub(in crate::collect) fn ancestors_of(&self, id: u32, most: usize) -> Vec<u32> {
        let forked_from = |record: &&Record| self.get(record.forked_from?);
        std::iter::successors(self.get(id), forked_from)
            .skip(1)
            .take(most)
            .map(|record| record.pid)
            .collect()
    }

    pub(in crate::collect) fn get(&self, id: u32) -> Option<&Record> {
        let index = self.all.binary_search_by_key(&id, |record| record.id);
        self.all.get(index.ok()?)
    }

    pub(in crate::collect) fn in_slot(&mut self, slot: u32) -> Option<&mut Record> {
        let id = *self.by_slot.get(&slot)?;
        self.get_mut(id)
    }

    /// Whose memory the evidence of a slot is of.
    pub(in crate::collect) fn written_in_slot(&self, slot: u32) -> Option<&Record> {
        let now = self.by_slot.get(&slot);
        self.get(*now.or_else(|| self.last_in_slot.get(&slot))?)
    }

    pub(in crate::collect) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.all.iter()
    }

    /// Those that are part of the run: not what only started the command that is traced.
    pub(in crate::collect) fn in_run(&self) -> impl Iterator<Item = &Record> {
        self.iter().filter(|record| !record.is_launcher)
    }

    /// Serial numbers of the processes of the run.
    pub(in crate::collect) fn ids_in_run(&self) -> HashSet<u32> {
        self.in_run().map(|record| record.id).collect()
    }

    /// Under which serial number a process stands in the run: its own, unless it was joined with
    /// others.
    pub(in crate::collect) fn id_in_run(&self, id: u32) -> u32 {
        if self.get(id).is_some() {
            return id;
        }
        let joined = self.joined.get(&self.gone.get(id));
        joined.copied().unwrap_or(id)
    }

    pub(in crate::collect) fn into_in_run(self) -> impl Iterator<Item = Record> {
        let all = self.all.into_iter();
        all.filter(|record| !record.is_launcher)
    }

    /// What they had counted at a moment, ns since the start.
    pub(in crate::collect) fn sample(&self, at_ns: u64) -> Sample {
        let sum = |of: fn(&Record) -> u64| self.in_run().map(of).sum();
        let by_process = |of: fn(&Record) -> u64| {
            let counts = self.in_run().map(|record| (record.id, of(record)));
            counts.filter(|(_, pages)| *pages > 0).collect()
        };
        Sample {
            at_ns,
            copied_pages: sum(|record| record.totals.copied_pages()),
            reused_faults: sum(|record| record.totals.reused),
            by_process: by_process(|record| record.totals.copied_pages()),
            touched_by_process: by_process(|record| record.totals.touched),
            touched_pages: sum(|record| record.totals.touched),
            held_by_process: self
                .in_run()
                .filter(|record| record.exited_ns.is_none())
                .filter_map(|record| Some((record.id, record.held_pages?)))
                .collect(),
        }
    }

    pub(in crate::collect) fn alive(&self) -> impl Iterator<Item = &Record> {
        self.iter().filter(|record| record.exited_ns.is_none())
    }

    pub(in crate::collect) fn alive_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        let is_alive = |record: &&mut Record| record.exited_ns.is_none();
        self.all.iter_mut().filter(is_alive)
    }

    pub(in crate::collect) fn with_slot_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.all.iter_mut().filter(|record| record.slot.is_some())
    }

    /// A living record of this pid in another slot. Looked for at each fork, among those that have a slot:
    /// there are tens of thousands that have exited.
    pub(in crate::collect) fn alive_with_pid(
        &mut self,
        pid: u32,
        slot: u32,
    ) -> Option<&mut Record> {
        let others = self.by_slot.iter().filter(|(other, _)| **other != slot);
        let mut ids = others.map(|(_, id)| *id);
        let is_it = |record: &Record| record.pid == pid && record.exited_ns.is_none();
        let id = ids.find(|&id| self.get(id).is_some_and(is_it))?;
        self.get_mut(id)
    }

    pub(in crate::collect) fn exited_slots(&self) -> Vec<u32> {
        self.iter()
            .filter(|record| record.exited_ns.is_some())
            .filter_map(|record| record.slot)
            .collect()
    }

    /// Takes the slot off its record.
    pub(in crate::collect) fn release(&mut self, slot: u32) {
        if let Some(record) = self.in_slot(slot) {
            record.slot = None;
        }
        if let Some(id) = self.by_slot.remove(&slot) {
            self.last_in_slot.insert(slot, id);
        }
    }

    pub(in crate::collect) fn masters_are_gone(&self) -> bool {
        let mut masters = self.masters.iter().filter_map(|&id| self.get(id));
        !self.masters.is_empty() && masters.all(|record| record.exited_ns.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_wrote_into_a_process_is_known_until_its_slot_is_used_again() {
        let mut records = Records::default();
        let add = |records: &mut Records, pid| {
            records.add(Record::new(pid, 7, 1, "w".into(), Role::Worker))
        };
        let first = add(&mut records, 20);
        records.release(7);
        assert!(records.in_slot(7).is_none());
        assert_eq!(records.written_in_slot(7).map(|it| it.id), Some(first));
        let second = add(&mut records, 21);
        assert_eq!(records.written_in_slot(7).map(|it| it.id), Some(second));
        assert!(records.written_in_slot(8).is_none());
    }

    #[test]
    fn a_record_that_is_taken_back_leaves_nothing() {
        let mut records = Records::default();
        let add = |records: &mut Records, slot| {
            records.add(Record::new(9, slot, 1, "w".into(), Role::Master))
        };
        let (first, second) = (add(&mut records, 2), add(&mut records, 3));
        records.get_mut(first).unwrap().exited_ns = Some(1);
        assert!(!records.masters_are_gone());
        records.withdraw(first);
        assert_eq!(records.iter().count(), 2, "it is not the last");
        records.withdraw(second);
        assert!(records.masters_are_gone() && records.in_slot(3).is_none());
        assert_eq!(records.iter().map(|it| it.id).collect::<Vec<_>>(), [first]);
    }

    #[test]
    fn a_master_that_started_its_program_again_is_followed_by_it() {
        let mut records = Records::default();
        let old = records.add(Record::new(9, 2, 1, "nginx".into(), Role::Master));
        let new = records.add(Record {
            parent: Some(old),
            restarts: Some(old),
            ..Record::new(10, 3, 2, "nginx".into(), Role::Worker)
        });
        records.get_mut(old).unwrap().exited_ns = Some(1);
        records.hand_over(old);
        assert!(records.masters_are_gone(), "it has no workers");
        let worker = records.add(Record::new(11, 4, 3, "nginx".into(), Role::Worker));
        records.get_mut(worker).unwrap().forked_from = Some(new);
        records.hand_over(old);
        assert!(!records.masters_are_gone());
        assert_eq!(records.get(new).unwrap().role, Role::Master);
    }

    #[test]
    fn a_masters_next_image_keeps_the_trace_going() {
        let mut records = Records::default();
        let before = records.add(Record::new(9, 2, 1, "sh".into(), Role::Master));
        let after = records.add(Record::new(9, 3, 2, "python3".into(), Role::Master));
        records.succeed(before, after);
        records.get_mut(before).unwrap().exited_ns = Some(1);
        assert!(!records.masters_are_gone());
        records.get_mut(after).unwrap().exited_ns = Some(2);
        assert!(records.masters_are_gone());
    }
}
