//! One tracing as it goes: follows processes, reads mappings at each fork, drains counters, tells
//! what is new in a snapshot, and ends in a [`Run`](crate::run::Run). The only place where probe, /proc and model meet.

mod adopt;
mod assemble;
mod bss;
mod follow;
mod holders;
mod processes;
#[cfg(test)]
mod properties;
mod writers;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use cowtrace_common::loss::Loss as KernelLoss;
use log::warn;

use crate::{
    memory,
    probe::{Kernel, Probe, Tables},
    run::{Loss, Role, Sample, Timeline},
    stop::Stop,
    writer::Writers,
};

pub use adopt::AdoptError;
pub use assemble::Meta;
use assemble::{rows, snapshot::Told};
use holders::{contents::Contents, copies::Copies, early::Early};
use processes::{
    attribution::RegionTable,
    layouts::Layouts,
    names::NAMES_PER_TICK,
    record::{Record, Records},
};

/// Live processes whose mappings are read again at one tick, in turn, and mappings after which no other
/// follows: bounds a tick's cost.
const PROCESSES_PER_TICK: usize = 8;
const MAPPINGS_PER_TICK: usize = 16_384;
/// Records of exited processes kept: about 24 MiB.
const MAX_RECORDS: usize = 65_536;

/// A tracing under way.
pub struct Collector {
    probe: Probe,
    kernel: Kernel,
    proc_root: PathBuf,
    records: Records,
    regions: RegionTable,
    layouts: Layouts,
    timeline: Timeline,
    loss: Loss,
    started_ns: u64,
    exited_rows: usize,
    lifecycle_dropped_seen: u64,
    next_mappings: usize,
    next_name: usize,
    adopted_tasks: Vec<(u32, u32)>,
    writers: Writers,
    /// Whether the variables are looked for that hold what is copied.
    holders: bool,
    copies: Copies,
    contents: Contents,
    early: Early,
    /// Numbers that the kernel side knows interpreters by, by image.
    interpreters: HashMap<u32, u32>,
    /// Programs without objects that words around an address could tell.
    natives: HashSet<u32>,
    /// Programs that are looked into again for an interpreter, and how often that was due.
    starting: Vec<(u32, u32)>,
    /// What snapshots have told.
    told: Told,
    /// Whether the trace is to end.
    stop: Stop,
}

/// What has been counted so far, for the progress line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Time since the start, ns.
    pub elapsed_ns: u64,
    /// Pages copied.
    pub copied_pages: u64,
    /// Processes alive.
    pub alive: usize,
}

impl Collector {
    /// Begins with an attached probe; no process is traced yet. Once `stop` is due, steps that are for
    /// later moments of the trace are left out.
    #[must_use]
    pub fn new(
        probe: Probe,
        kernel: Kernel,
        proc_root: PathBuf,
        interval_ns: u64,
        holders: bool,
        stop: Stop,
    ) -> Self {
        Self {
            layouts: Layouts::new(proc_root.clone(), kernel.page_bytes),
            writers: Writers::new(proc_root.clone()),
            holders,
            copies: Copies::default(),
            contents: Contents::default(),
            early: Early::default(),
            probe,
            kernel,
            proc_root,
            records: Records::default(),
            regions: RegionTable::default(),
            timeline: Timeline::new(interval_ns),
            loss: Loss::default(),
            started_ns: monotonic_ns(),
            exited_rows: 0,
            lifecycle_dropped_seen: 0,
            next_mappings: 0,
            next_name: 0,
            adopted_tasks: Vec::new(),
            interpreters: HashMap::new(),
            natives: HashSet::new(),
            starting: Vec::new(),
            told: Told::default(),
            stop,
        }
    }

    /// Time since the start, ns.
    fn elapsed_ns(&self) -> u64 {
        monotonic_ns().saturating_sub(self.started_ns)
    }

    /// Waits for the next event.
    pub async fn wait(&self) -> std::io::Result<()> {
        self.probe.wait().await
    }

    /// How many processes are traced now.
    #[must_use]
    pub fn living(&self) -> usize {
        self.records.alive().count()
    }

    /// Whether every process the user gave has exited.
    #[must_use]
    pub fn masters_are_gone(&self) -> bool {
        self.records.masters_are_gone()
    }

    /// Whether the process that was to become the command has done so; none while it may still.
    #[must_use]
    pub fn command_has_begun(&self) -> Option<bool> {
        if self.records.in_run().next().is_some() {
            return Some(true);
        }
        self.masters_are_gone().then_some(false)
    }

    /// Whether there have been at least so many workers and all have exited.
    #[must_use]
    pub fn workers_are_gone(&self, least: usize) -> bool {
        let is_worker = |record: &&Record| record.role == Role::Worker;
        self.records.iter().filter(is_worker).count() >= least
            && !self.records.alive().any(|record| is_worker(&record))
    }

    /// Reads the counters, closes what has exited, and keeps the tables from filling.
    pub fn tick(&mut self) -> Progress {
        self.find_lost_processes();
        // Before any slot is given back: the evidence names slots, and a thread sends its last when
        // it exits.
        let exited = self.records.exited_slots();
        let names = self.read_names(NAMES_PER_TICK);
        self.follow_on();
        self.take_names(names);
        self.take_evidence();
        self.sweep();
        self.drain_exited(&exited);
        self.read_some_mappings();
        self.split_before_forks();
        self.probe.flush_log();
        let sample = self.sample();
        let progress = Progress {
            elapsed_ns: sample.at_ns,
            copied_pages: sample.copied_pages,
            alive: self.records.alive().count(),
        };
        self.loss.samples_merged += self.timeline.push(sample);
        progress
    }

    fn read_totals(&mut self) {
        let tables = &self.probe.tables;
        for record in self.records.with_slot_mut() {
            if let Some(slot) = record.slot {
                record.count(tables.totals(slot));
            }
        }
    }

    fn sample(&mut self) -> Sample {
        self.read_totals();
        self.records.sample(self.elapsed_ns())
    }

    /// Finds processes whose events the ring buffer had no room for.
    fn find_lost_processes(&mut self) {
        let dropped = self.probe.loss()[KernelLoss::LifecycleDropped as usize];
        if dropped == self.lifecycle_dropped_seen {
            return;
        }
        self.lifecycle_dropped_seen = dropped;
        warn!("process events were dropped ({dropped} so far); looking for their processes");
        for slot in Tables::process_slots() {
            let state = self.probe.tables.slot(slot);
            let known = self
                .records
                .in_slot(slot)
                .is_some_and(|record| record.born_ns == state.born_ns);
            if state.tasks == 0 || state.born_ns == 0 || known {
                continue;
            }
            let comm = memory::comm(&self.proc_root, state.pid);
            let parent = self.records.in_slot(state.parent).map(|parent| parent.id);
            let inherited = parent
                .and_then(|id| self.records.get_mut(id))
                .and_then(|parent| parent.own.clone());
            self.records.add(Record {
                parent,
                inherited,
                started_ns: state.born_ns.saturating_sub(self.started_ns),
                ..Record::new(state.pid, slot, state.born_ns, comm, Role::Worker)
            });
        }
    }

    /// Ends processes whose exit was not heard of, and forgets tasks that ended while adopted.
    fn sweep(&mut self) {
        for (pid, tid) in std::mem::take(&mut self.adopted_tasks) {
            let path = self.proc_root.join(format!("{pid}/task/{tid}"));
            if !path.exists() {
                self.probe.tables.forget_task(tid);
            }
        }
        let now = self.elapsed_ns();
        let tables = &self.probe.tables;
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

    /// Takes the final counts of exited processes and gives their slots back.
    fn drain_exited(&mut self, slots: &[u32]) {
        if slots.is_empty() {
            return;
        }
        let closed: HashSet<u32> = slots.iter().copied().collect();
        let mut counts = rows::counts_by_slot(&self.probe.tables, |slot| closed.contains(&slot));
        for &slot in slots {
            let totals = self.probe.tables.totals(slot);
            let counts = counts.remove(&slot).unwrap_or_default();
            let Some(record) = self.records.in_slot(slot) else {
                continue;
            };
            let mut sums = rows::Sums {
                regions: &mut self.regions,
                loss: &mut self.loss,
                exited_rows: &mut self.exited_rows,
                range_bytes: self.probe.range_bytes,
            };
            sums.close(record, totals, &counts);
            let id = record.id;
            self.layouts.forget(id);
            self.records.release(slot);
        }
        self.probe.tables.release(slots);
        let folded = self.records.fold(MAX_RECORDS);
        if folded > 0 {
            self.loss.processes_folded += folded;
            self.told.forget();
        }
    }

    /// Reads the mappings of some live workers again, so that memory they mapped themselves has a
    /// name even if they exit before the end.
    fn read_some_mappings(&mut self) {
        let ids: Vec<u32> = self
            .records
            .alive()
            .filter(|record| record.totals.copied_pages() > 0)
            .map(|record| record.id)
            .collect();
        let turn = ids.iter().copied().cycle().skip(self.next_mappings);
        let (mut processes, mut mappings) = (0, 0);
        for id in turn.take(PROCESSES_PER_TICK.min(ids.len())) {
            // At the end they are read anyway.
            if mappings >= MAPPINGS_PER_TICK || self.stop.is_due() {
                break;
            }
            processes += 1;
            mappings += self.read_current_mappings(id);
        }
        self.next_mappings = (self.next_mappings + processes) % ids.len().max(1);
    }

    /// Has ranges across mappings of the masters counted page by page before their next fork: the
    /// children's first faults come sooner than the fork's event is read.
    fn split_before_forks(&mut self) {
        let masters = self
            .records
            .alive()
            .filter(|record| record.role == Role::Master);
        for master in masters {
            if self.stop.is_due() {
                return;
            }
            self.layouts.split(master.pid, &self.probe.tables);
        }
    }

    /// Reads a process's mappings; tells how many there are.
    fn read_current_mappings(&mut self, id: u32) -> usize {
        let Some(record) = self.records.get_mut(id) else {
            return 0;
        };
        let text = memory::read_layout_text(&self.proc_root, record.pid).unwrap_or_default();
        let mappings = memory::read_mappings(&text).unwrap_or_default();
        let count = mappings.len();
        if count > 0 {
            record.current = Some(mappings);
        }
        count
    }
}

/// `CLOCK_MONOTONIC`, ns: the clock of the kernel side (`bpf_ktime_get_ns`).
fn monotonic_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map_or(0, |now| {
        u64::try_from(now.tv_sec()).unwrap_or(0) * 1_000_000_000
            + u64::try_from(now.tv_nsec()).unwrap_or(0)
    })
}
