//! The traced processes as they come and go.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    rc::Rc,
};

use cowtrace_common::process::OVERFLOW_SLOT;

use super::{
    attribution::{MappingLayout, RegionTable},
    held::HeldMemory,
    inheritance::Inheritance,
    mappings::Mappings,
    record::Record,
    records::Records,
    rows::{RowSums, counts_by_slot},
};
use crate::{
    collect::clock::Clock,
    memory,
    probe::{Lifecycle, Probe, RangeCount, Tables},
    run::{Ending, Exit, Loss, Role, Sample},
};

/// Records of exited processes kept.
const MAX_RECORDS: usize = 16_384;

/// The processes of a trace, and what they counted.
pub struct Processes {
    pub(super) proc_root: PathBuf,
    pub(super) clock: Clock,
    pub(super) records: Records,
    /// Process and thread ids of tasks older than the trace, until the next sweep.
    adopted_tasks: Vec<(u32, u32)>,
    /// Number of events for which the kernel's buffer had no room, when their processes were last searched.
    pub(super) dropped_events: u64,
    /// Whose name is read next, by its place among the living.
    pub(super) next_name: usize,
    pub(super) held: HeldMemory,
    /// Rows of exited processes.
    exited_rows: usize,
}

impl Processes {
    /// Keeps at most `spare_files` files open only to save opening them again.
    pub(in crate::collect) fn new(proc_root: PathBuf, clock: Clock, spare_files: usize) -> Self {
        Self {
            held: HeldMemory::new(&proc_root, spare_files),
            proc_root,
            clock,
            records: Records::default(),
            adopted_tasks: Vec::new(),
            dropped_events: 0,
            next_name: 0,
            exited_rows: 0,
        }
    }

    /// How many processes are traced now.
    #[must_use]
    pub fn living(&self) -> usize {
        self.records.alive().count()
    }

    /// How many processes of a target are traced now.
    #[must_use]
    pub fn living_of(&self, target: u32) -> usize {
        let is_its = |record: &&Record| record.target == Some(target);
        self.records.alive().filter(is_its).count()
    }

    /// Whether every process the user gave has exited.
    #[must_use]
    pub fn masters_are_gone(&self) -> bool {
        self.records.masters_are_gone()
    }

    /// Whether there have been at least `least` workers and all have exited.
    #[must_use]
    pub fn workers_are_gone(&self, least: usize) -> bool {
        let is_worker = |record: &&Record| record.role == Role::Worker;
        self.records.iter().filter(is_worker).count() >= least
            && !self.records.alive().any(|record| is_worker(&record))
    }

    /// Whether the launcher has become the command; none if it still may.
    pub(in crate::collect) fn command_has_begun(&self) -> Option<bool> {
        if self.records.in_run().next().is_some() {
            return Some(true);
        }
        self.masters_are_gone().then_some(false)
    }

    /// Marks the process that will become the command to trace.
    pub(in crate::collect) fn mark_launcher(&mut self, pid: u32) {
        let records = self.records.with_slot_mut();
        for record in records.filter(|record| record.pid == pid) {
            record.is_launcher = true;
        }
    }

    pub(in crate::collect) fn proc_root(&self) -> &Path {
        &self.proc_root
    }

    pub(in crate::collect) const fn records(&self) -> &Records {
        &self.records
    }

    pub(in crate::collect) const fn records_mut(&mut self) -> &mut Records {
        &mut self.records
    }

    pub(in crate::collect) fn into_records(self) -> Records {
        self.records
    }

    /// The record and the pid of the process in a slot.
    pub(in crate::collect) fn in_slot(&mut self, slot: u32) -> Option<(u32, u32)> {
        self.records
            .in_slot(slot)
            .map(|record| (record.id, record.pid))
    }

    /// A child of a process, whose mappings were read at the fork.
    pub(in crate::collect) fn add_forked(
        &mut self,
        event: &Lifecycle,
        parent: Option<u32>,
        inherited: Option<Rc<MappingLayout>>,
        inheritance: Option<Inheritance>,
    ) -> u32 {
        self.records.add(Record {
            parent,
            inherited,
            inheritance,
            started_ns: self.clock.since_start(event.at_ns),
            ..Record::new(
                event.pid,
                event.slot,
                event.born_ns,
                event.comm.clone(),
                Role::Worker,
            )
        })
    }

    /// A process that has started another program: its record, and whether it takes the place of a
    /// master's.
    pub(in crate::collect) fn add_executed(&mut self, event: &Lifecycle) -> (u32, bool) {
        let left = self.records.in_slot(event.other_slot);
        let role = match &left {
            Some(left) if left.pid == event.pid => left.role,
            _ => Role::Worker,
        };
        let parent = left.map(|left| {
            left.name_is_final |= left.pid == event.pid;
            left.id
        });
        let restarts = parent.and_then(|left| self.restarted_by(left, event.pid));
        self.retire_other_image(event);
        let id = self.records.add(Record {
            parent,
            restarts,
            command_line: self.command_line_after(event),
            started_ns: self.clock.since_start(event.at_ns),
            ..Record::new(
                event.pid,
                event.slot,
                event.born_ns,
                event.comm.clone(),
                role,
            )
        });
        match parent {
            Some(before) if role == Role::Master => {
                self.records.succeed(before, id);
                (id, true)
            }
            _ => (id, false),
        }
    }

    /// What a process runs that has started a program, unless it has started the next one already.
    fn command_line_after(&self, event: &Lifecycle) -> Option<Rc<str>> {
        let line = memory::read_command_line(&self.proc_root, event.pid)?;
        let is_it = memory::read_comm(&self.proc_root, event.pid) == event.comm;
        is_it.then(|| line.into())
    }

    /// A process has one image at a time. Another that seems alive in the same pid was adopted at
    /// the very moment the kernel side saw it fork: the kernel's counts from here on.
    pub(in crate::collect) fn retire_other_image(&mut self, event: &Lifecycle) {
        let at_ns = self.clock.since_start(event.at_ns);
        if let Some(other) = self.records.alive_with_pid(event.pid, event.slot) {
            other.exited_ns = Some(at_ns);
        }
    }

    /// Notes an exit; returns whose memory the process had inherited.
    pub(in crate::collect) fn note_exit(&mut self, event: &Lifecycle) -> Option<Inheritance> {
        let at_ns = self.clock.since_start(event.at_ns);
        let record = self.records.in_slot(event.slot)?;
        if record.born_ns != event.born_ns || record.exited_ns.is_some() {
            return None;
        }
        record.exited_ns = Some(at_ns);
        let ending = event.wait_status.and_then(Ending::from_wait_status);
        record.exit = ending.map(|ending| Exit {
            ending,
            out_of_memory: event.is_out_of_memory,
            with_trace: false,
            oom_kills: 0,
        });
        if !record.name_is_final {
            record.comm.clone_from(&event.comm);
        }
        let (id, inheritance) = (record.id, record.inheritance);
        self.records.hand_over(id);
        inheritance
    }

    /// Keeps the name of the process in a slot: it has several threads, which may have names of their
    /// own.
    pub(in crate::collect) fn keep_name(&mut self, slot: u32) {
        if let Some(record) = self.records.in_slot(slot) {
            record.name_is_final = true;
        }
    }

    /// Notes what a process passes on.
    pub(in crate::collect) fn note_layout(&mut self, id: u32, layout: Option<Rc<MappingLayout>>) {
        if let Some(record) = self.records.get_mut(id) {
            record.is_uncounted |= layout.as_ref().is_some_and(|it| !it.is_counted());
            record.own = layout;
        }
    }

    /// Notes that a task older than the trace is traced.
    pub(in crate::collect) fn note_adopted(&mut self, pid: u32, tid: u32) {
        self.adopted_tasks.push((pid, tid));
    }

    /// Ends processes whose exit was not heard of, and forgets tasks that ended while adopted.
    pub(in crate::collect) fn sweep(&mut self, tables: &mut Tables) {
        for (pid, tid) in std::mem::take(&mut self.adopted_tasks) {
            let path = self.proc_root.join(format!("{pid}/task/{tid}"));
            if !path.exists() {
                tables.forget_task(tid);
            }
        }
        let now = self.clock.elapsed_ns();
        for record in self.records.with_slot_mut() {
            let Some(slot) = record.slot else { continue };
            let ended = tables.slot(slot).tasks == 0
                || !self.proc_root.join(record.pid.to_string()).exists();
            // Twice in a row: the event of a process that ended just now is still on its way.
            if ended && record.exited_ns.is_none() && record.seemed_gone {
                record.exited_ns = Some(now);
            }
            record.seemed_gone = ended;
        }
    }

    /// Takes the final counts of exited processes and gives their slots back. Whether records were
    /// joined, so that processes have other numbers now.
    pub(in crate::collect) fn close(
        &mut self,
        slots: &[u32],
        probe: &mut Probe,
        mappings: &mut Mappings,
        loss: &mut Loss,
    ) -> bool {
        if slots.is_empty() {
            return false;
        }
        let closed: HashSet<u32> = slots.iter().copied().collect();
        let mut counts = counts_by_slot(&probe.tables, |slot| closed.contains(&slot));
        for &slot in slots {
            let totals = probe.tables.totals(slot);
            let counts = counts.remove(&slot).unwrap_or_default();
            let Some(record) = self.records.in_slot(slot) else {
                continue;
            };
            let mut sums = RowSums {
                regions: mappings.regions_mut(),
                loss,
                exited_rows: &mut self.exited_rows,
                range_bytes: probe.range_bytes,
            };
            sums.close(record, totals, &counts);
            mappings.forget(record.id);
            self.records.release(slot);
        }
        probe.tables.release(slots);
        let folded = self.records.fold(MAX_RECORDS);
        loss.processes_folded += folded;
        folded > 0
    }

    /// Takes the counts of all who still have their slot, with those of faults that were not done when
    /// the hooks went off.
    pub(in crate::collect) fn count_live(
        &mut self,
        probe: &Probe,
        open: Vec<(u32, RangeCount)>,
        regions: &mut RegionTable,
        loss: &mut Loss,
    ) {
        let mut counts = counts_by_slot(&probe.tables, |_| true);
        for (slot, count) in open {
            counts.entry(slot).or_default().push(count);
        }
        let mut sums = RowSums {
            regions,
            loss,
            exited_rows: &mut self.exited_rows,
            range_bytes: probe.range_bytes,
        };
        for record in self.records.with_slot_mut() {
            let counts = record
                .slot
                .and_then(|slot| counts.remove(&slot))
                .unwrap_or_default();
            sums.settle(record, &counts);
        }
    }

    /// Adds a record for the processes that found no slot: they count together.
    pub(in crate::collect) fn add_overflow(&mut self, tables: &Tables) {
        let totals = tables.totals(OVERFLOW_SLOT);
        if totals.copied_pages() + totals.reused + totals.touched > 0 {
            self.records.add(Record::new(
                0,
                OVERFLOW_SLOT,
                0,
                "(processes beyond the table)".into(),
                Role::Worker,
            ));
        }
    }

    /// Reads what has been counted so far.
    pub(in crate::collect) fn read_totals(&mut self, tables: &Tables) {
        for record in self.records.with_slot_mut() {
            if let Some(slot) = record.slot {
                record.count(tables.totals(slot));
            }
        }
    }

    /// The same as a sample of the timeline.
    pub(in crate::collect) fn sample(&mut self, tables: &Tables) -> Sample {
        self.read_totals(tables);
        self.records.sample(self.clock.elapsed_ns())
    }
}
