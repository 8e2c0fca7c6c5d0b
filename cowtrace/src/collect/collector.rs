//! A trace under way: keeps the order in which its parts take in what the kernel side and /proc say.

mod finish;
mod snapshots;

use std::{collections::HashSet, path::PathBuf, time::Duration};

use cowtrace_common::{event::EventKind, evidence::Evidence};
use log::debug;

use super::{
    adopt::{AdoptError, Adoption, MAX_SCANS, ScannedTree},
    allocators::AllocatorSearch,
    assemble::snapshot::SnapshotsTaken,
    balances::Balances,
    clock::Clock,
    grown::NewPages,
    holders::{lookup::HolderLookup, view::TraceView},
    machine::MachineWatch,
    processes::{
        mappings::Mappings, names::NAMES_PER_TICK, reading::HELD_PER_TICK, tree::Processes,
    },
    schedule::{CollectError, Due, Schedule},
    writers::WriterEvidence,
};
use crate::{
    memory,
    probe::{Kernel, Lifecycle, Probe, ProbeError},
    run::{Loss, Timeline},
    stop::Stop,
    targets::FoundMaster,
};

/// What a trace collects, and how often.
#[derive(Clone, Copy, Debug)]
pub struct CollectSettings {
    /// Time between two readings of the counters.
    pub interval: Duration,
    /// Whether the kernel side sends evidence of who wrote.
    pub writers: bool,
    /// Whether to find the variables that hold what is copied; needs that evidence.
    pub holders: bool,
    /// Files that may be kept open only to save opening them again.
    pub spare_files: usize,
}

/// A trace under way.
pub struct Collector {
    probe: Probe,
    kernel: Kernel,
    clock: Clock,
    schedule: Schedule,
    /// Whether the trace is to end.
    stop: Stop,
    timeline: Timeline,
    loss: Loss,
    processes: Processes,
    mappings: Mappings,
    evidence: WriterEvidence,
    holders: HolderLookup,
    snapshots: SnapshotsTaken,
    balances: Balances,
    machine: MachineWatch,
    new_pages: NewPages,
    allocators: AllocatorSearch,
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
    /// Begins with an attached probe, in a runtime; no process is traced yet. Once `stop` is due, work
    /// that only helps the further trace is left out.
    #[must_use]
    pub fn new(
        probe: Probe,
        kernel: Kernel,
        proc_root: PathBuf,
        settings: CollectSettings,
        stop: Stop,
    ) -> Self {
        let clock = Clock::start();
        let interval_ns = u64::try_from(settings.interval.as_nanos()).unwrap_or(u64::MAX);
        Self {
            schedule: Schedule::new(settings.interval, settings.writers),
            timeline: Timeline::new(interval_ns),
            loss: Loss::default(),
            processes: Processes::new(proc_root.clone(), clock, settings.spare_files),
            mappings: Mappings::new(proc_root.clone(), kernel.page_bytes),
            evidence: WriterEvidence::new(proc_root, clock, stop.clone()),
            holders: HolderLookup::new(settings.holders && settings.writers, clock),
            snapshots: SnapshotsTaken::default(),
            balances: Balances::default(),
            machine: MachineWatch::new(kernel.page_bytes),
            new_pages: NewPages::default(),
            allocators: AllocatorSearch::default(),
            probe,
            kernel,
            clock,
            stop,
        }
    }

    /// The traced processes.
    #[must_use]
    pub const fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Begins to trace processes and all their living descendants. Can be dropped at any time: what is
    /// traced by then stays traced.
    pub async fn adopt(&mut self, masters: &[FoundMaster]) -> Result<(), AdoptError> {
        let pids: Vec<u32> = masters.iter().map(|it| it.pid).collect();
        let mut search = memory::KinSearch::default();
        for scan in 0..MAX_SCANS {
            let tree = search.tree_of(self.processes.proc_root(), &pids)?;
            let mut scanned = ScannedTree::new(&tree, masters, self.processes.records())?;
            let is_candidate =
                |kin: &&memory::Kin| !kin.process.is_dead && !kin.process.is_kernel_thread;
            let mut found = 0;
            for kin in tree.iter().filter(is_candidate) {
                // Lets the runtime handle signals.
                tokio::task::yield_now().await;
                let mut adoption = Adoption {
                    probe: &mut self.probe,
                    processes: &mut self.processes,
                    mappings: &mut self.mappings,
                    evidence: &mut self.evidence,
                    loss: &mut self.loss,
                    stop: &self.stop,
                };
                found += usize::from(adoption.adopt(kin, &mut scanned, scan > 0)?);
                if self.stop.is_due() {
                    // Whoever waits for the signal drops this.
                    std::future::pending::<()>().await;
                }
            }
            self.follow()?;
            if found == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The same for processes that were found for a target: those that have ended meanwhile do not matter.
    pub async fn adopt_later(&mut self, mut masters: Vec<FoundMaster>) -> Result<(), AdoptError> {
        while !masters.is_empty() {
            match self.adopt(&masters).await {
                Err(AdoptError::Vanished(gone)) => masters.retain(|it| it.pid != gone),
                adopted => return adopted,
            }
        }
        Ok(())
    }

    /// The processes that are traced by now, whoever was forked just now included.
    pub fn traced_pids(&mut self) -> HashSet<u32> {
        self.follow_or_warn();
        let alive = self.processes.records().alive();
        alive.map(|record| record.pid).collect()
    }

    /// Begins to trace the process that will become the command to trace.
    pub async fn adopt_launcher(&mut self, pid: u32) -> Result<(), AdoptError> {
        self.adopt(&[FoundMaster { pid, target: 0 }]).await?;
        self.processes.mark_launcher(pid);
        Ok(())
    }

    /// Waits until the launcher has become the command; false if it has exited instead.
    pub async fn command_begins(&mut self) -> Result<bool, CollectError> {
        loop {
            if let Some(has_begun) = self.processes.command_has_begun() {
                return Ok(has_begun);
            }
            self.probe.wait().await.map_err(CollectError::Wait)?;
            self.follow()?;
        }
    }

    /// Finds holders from time to time from now on: the traced processes may end by themselves.
    pub fn walk_regularly(&mut self) {
        self.holders.walk_regularly();
    }

    /// Waits until something is due, and does it; returns the counts when they were read. Loses nothing if
    /// it is dropped meanwhile.
    pub async fn due(&mut self) -> Result<Option<Progress>, CollectError> {
        match self.schedule.next(&self.probe).await? {
            Due::Events => {
                self.follow()?;
                if self.schedule.is_evidence_due() {
                    self.take_evidence();
                    self.schedule.note_evidence();
                }
                Ok(None)
            }
            Due::Evidence => {
                self.evidence
                    .look_for_interpreters(self.processes.records(), &mut self.probe);
                self.take_evidence();
                let view = TraceView {
                    records: self.processes.records(),
                    tables: &self.probe.tables,
                    evidence: &self.evidence,
                };
                self.holders.walk_early(view);
                self.schedule.note_evidence();
                Ok(None)
            }
            Due::Tick => Ok(Some(self.tick())),
        }
    }

    /// Reads the counters, closes what has exited, and keeps the tables from filling.
    fn tick(&mut self) -> Progress {
        if self.processes.notes_dropped(&self.probe) {
            // First those whose events are there.
            self.follow_or_warn();
            self.processes.find_lost(&self.probe.tables, false);
        }
        // Before any slot is given back: the evidence names slots, and a thread sends its last when
        // it exits.
        let exited = self.processes.records().exited_slots();
        let names = self.processes.read_names(NAMES_PER_TICK);
        self.follow_or_warn();
        self.processes.take_names(names);
        self.take_evidence();
        self.evidence.learn_names();
        self.processes.sweep(&mut self.probe.tables);
        let has_joined =
            self.processes
                .close(&exited, &mut self.probe, &mut self.mappings, &mut self.loss);
        if has_joined {
            self.snapshots.forget();
        }
        let records = self.processes.records_mut();
        self.mappings.read_some(records, &self.stop);
        self.mappings
            .split_before_forks(records, &self.probe.tables, &self.stop);
        self.probe.flush_log();
        self.processes.read_held(HELD_PER_TICK, &self.probe.tables);
        let sample = self.processes.sample(&self.probe.tables);
        let root = self.processes.proc_root();
        let records = self.processes.records();
        self.balances.look(records, root, self.clock);
        self.machine.read_due(records, root, sample.at_ns);
        self.new_pages.look(records, root);
        let regions = self.mappings.regions_mut();
        self.allocators.look(records, regions, root);
        let progress = Progress {
            elapsed_ns: sample.at_ns,
            copied_pages: sample.copied_pages,
            alive: self.processes.living(),
        };
        self.loss.samples_merged += self.timeline.push(sample);
        progress
    }

    /// Takes in the events since the last call.
    fn follow(&mut self) -> Result<(), ProbeError> {
        for event in self.probe.events() {
            debug!("{event:?}");
            match event.kind {
                EventKind::Fork => self.forked(&event),
                EventKind::Exec => self.executed(&event),
                EventKind::Exit => {
                    let inheritance = self.processes.note_exit(&event);
                    self.holders.note_exit(inheritance);
                    let tables = &self.probe.tables;
                    self.processes
                        .hand_place_on(&event, tables, &mut self.mappings);
                }
                EventKind::Thread => {
                    self.processes.keep_name(event.slot);
                    self.probe.settle_races()?;
                }
            }
        }
        Ok(())
    }

    /// As [`Self::follow`], where a failure is no reason to end.
    fn follow_or_warn(&mut self) {
        if let Err(error) = self.follow() {
            log::warn!("{error}");
        }
    }

    fn forked(&mut self, event: &Lifecycle) {
        if self.processes.is_found(event) {
            return;
        }
        let parent = self.processes.in_slot(event.other_slot);
        let tables = &self.probe.tables;
        // Before anything else: the parent's mappings change soon.
        let record = parent.and_then(|(id, _)| self.processes.records().get(id));
        let handed_down = record.and_then(|record| record.inherited.as_deref());
        let layout = self
            .mappings
            .at_fork(parent, handed_down, event.pid, tables, &mut self.loss);
        let parent = parent.map(|(id, _)| id);
        if let (Some(id), Some(layout)) = (parent, &layout) {
            self.processes.note_layout(id, Some(layout.clone()));
        }
        self.processes.retire_other_image(event);
        let inheritance = match (parent, &layout) {
            (Some(id), Some(layout)) => {
                let records = self.processes.records_mut();
                let pages = layout.inherited_pages();
                Some(self.holders.pass_on(id, pages, records, tables))
            }
            _ => None,
        };
        let id = self
            .processes
            .add_forked(event, parent, layout, inheritance);
        self.evidence
            .note_process(id, self.processes.records(), &mut self.probe);
    }

    fn executed(&mut self, event: &Lifecycle) {
        if self.processes.is_found(event) {
            return;
        }
        let (id, is_master) = self.processes.add_executed(event);
        self.evidence
            .await_interpreter(id, self.processes.records(), &self.probe);
        if is_master {
            self.mappings.split(event.pid, &self.probe.tables);
        }
    }

    /// Takes in the evidence since the last call. The buffer is bounded, and a process that has exited
    /// cannot be read any more: so this is called many times a second.
    fn take_evidence(&mut self) {
        let mut waiting: Vec<Evidence> = Vec::new();
        self.probe.evidence(|evidence| waiting.push(evidence));
        self.take(&waiting);
        self.evidence.look_for_missed();
    }

    fn take(&mut self, waiting: &[Evidence]) {
        if waiting.is_empty() {
            return;
        }
        // A process is announced before it first runs: afterwards, every process of the evidence has a
        // record.
        self.follow_or_warn();
        let records = self.processes.records();
        let holders = &mut self.holders;
        self.evidence
            .take(waiting, &self.probe, records, &mut self.loss, |copy| {
                holders.keep(copy, records);
            });
    }
}
