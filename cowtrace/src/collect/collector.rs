//! A trace under way, and the order in which its parts take what has come.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use super::{
    assemble::snapshot::Told,
    clock::Clock,
    holders::{contents::Contents, copies::Copies, early::Early},
    processes::{mappings::Mappings, names::NAMES_PER_TICK, record::Record, tree::Processes},
};
use crate::{
    probe::{Kernel, Probe},
    run::{Loss, Role, Timeline},
    stop::Stop,
    writer::Writers,
};

/// A tracing under way.
pub struct Collector {
    pub(super) probe: Probe,
    pub(super) kernel: Kernel,
    pub(super) clock: Clock,
    pub(super) processes: Processes,
    pub(super) mappings: Mappings,
    pub(super) timeline: Timeline,
    pub(super) loss: Loss,
    pub(super) writers: Writers,
    /// Whether the variables are looked for that hold what is copied.
    pub(super) holders: bool,
    pub(super) copies: Copies,
    pub(super) contents: Contents,
    pub(super) early: Early,
    /// Numbers that the kernel side knows interpreters by, by image.
    pub(super) interpreters: HashMap<u32, u32>,
    /// Programs without objects that words around an address could tell.
    pub(super) natives: HashSet<u32>,
    /// Programs that are looked into again for an interpreter, and how often that was due.
    pub(super) starting: Vec<(u32, u32)>,
    /// What snapshots have told.
    pub(super) told: Told,
    /// Whether the trace is to end.
    pub(super) stop: Stop,
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
        let clock = Clock::start();
        Self {
            processes: Processes::new(proc_root.clone(), clock),
            mappings: Mappings::new(proc_root.clone(), kernel.page_bytes),
            writers: Writers::new(proc_root),
            holders,
            copies: Copies::default(),
            contents: Contents::default(),
            early: Early::default(),
            probe,
            kernel,
            clock,
            timeline: Timeline::new(interval_ns),
            loss: Loss::default(),
            interpreters: HashMap::new(),
            natives: HashSet::new(),
            starting: Vec::new(),
            told: Told::default(),
            stop,
        }
    }

    /// Waits for the next event.
    pub async fn wait(&self) -> std::io::Result<()> {
        self.probe.wait().await
    }

    /// How many processes are traced now.
    #[must_use]
    pub fn living(&self) -> usize {
        self.processes.records().alive().count()
    }

    /// Whether every process the user gave has exited.
    #[must_use]
    pub fn masters_are_gone(&self) -> bool {
        self.processes.records().masters_are_gone()
    }

    /// Whether the process that was to become the command has done so; none while it may still.
    #[must_use]
    pub fn command_has_begun(&self) -> Option<bool> {
        if self.processes.records().in_run().next().is_some() {
            return Some(true);
        }
        self.masters_are_gone().then_some(false)
    }

    /// Whether there have been at least so many workers and all have exited.
    #[must_use]
    pub fn workers_are_gone(&self, least: usize) -> bool {
        let is_worker = |record: &&Record| record.role == Role::Worker;
        self.processes.records().iter().filter(is_worker).count() >= least
            && !self
                .processes
                .records()
                .alive()
                .any(|record| is_worker(&record))
    }

    /// Reads the counters, closes what has exited, and keeps the tables from filling.
    pub fn tick(&mut self) -> Progress {
        self.processes.find_lost(&self.probe);
        // Before any slot is given back: the evidence names slots, and a thread sends its last when
        // it exits.
        let exited = self.processes.records().exited_slots();
        let names = self.processes.read_names(NAMES_PER_TICK);
        self.follow_on();
        self.processes.take_names(names);
        self.take_evidence();
        self.processes.sweep(&mut self.probe.tables);
        self.close(&exited);
        let records = self.processes.records_mut();
        self.mappings.read_some(records, &self.stop);
        self.mappings
            .split_before_forks(records, &self.probe.tables, &self.stop);
        self.probe.flush_log();
        let sample = self.processes.sample(&self.probe.tables);
        let progress = Progress {
            elapsed_ns: sample.at_ns,
            copied_pages: sample.copied_pages,
            alive: self.processes.records().alive().count(),
        };
        self.loss.samples_merged += self.timeline.push(sample);
        progress
    }

    /// Takes the final counts of exited processes.
    fn close(&mut self, slots: &[u32]) {
        let has_joined =
            self.processes
                .close(slots, &mut self.probe, &mut self.mappings, &mut self.loss);
        if has_joined {
            self.told.forget();
        }
    }
}
