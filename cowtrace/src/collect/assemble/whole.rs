//! From records and counts to a [`Run`].

use std::collections::{BTreeMap, HashSet};

use cowtrace_common::loss::Loss as KernelLoss;

use crate::{
    collect::{
        Collector,
        processes::{attribution::RegionTable, records::Records},
    },
    memory, native,
    probe::Skipped,
    run::{
        CopiedMemory, Head, Host, Loss, Process, Region, Role, Row, Run, Sample, Sources, WhoHolds,
    },
};

/// What a run is called; the collector does not know.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Unique among all runs.
    pub id: String,
    /// Wall clock at the start, RFC 3339.
    pub started_at: String,
    /// Process ids the user gave.
    pub targets: Vec<u32>,
    /// What the user called the run.
    pub labels: BTreeMap<String, String>,
}

impl Collector {
    /// Takes the hooks off and gives everything that was observed.
    #[must_use]
    pub fn finish(mut self, meta: Meta) -> Run {
        let skipped = self.probe.detach();
        // What comes now is no part of the trace, however long it takes.
        let duration_ns = self.clock.elapsed_ns();
        self.probe.flush_log();
        let open = self.probe.tables.drain_threads();
        let unsent = self.probe.tables.drain_evidence();
        let own_names = self.processes.read_names(usize::MAX);
        self.take_evidence();
        // Events that came before the hooks went off.
        self.follow_on();
        self.processes.take_names(own_names);
        self.processes.find_lost(&self.probe);
        self.take_evidence();
        self.take(&unsent);
        let (holders, heap_walks) = self.find_holders();
        let named = self.name_writers();
        self.loss.code_gone = named.code_gone;
        self.processes.add_overflow(&self.probe.tables);
        let last = self.processes.sample(&self.probe.tables);
        self.timeline.finish(Sample {
            at_ns: duration_ns,
            ..last
        });
        self.mappings.read_all(self.processes.records_mut());
        let regions = self.mappings.regions_mut();
        self.processes
            .count_live(&self.probe, open, regions, &mut self.loss);
        self.loss = self.kernel_losses(skipped);
        let mut run = self.begun(meta, duration_ns);
        let proc_root = self.processes.proc_root().to_owned();
        let InRun {
            processes,
            rows,
            mut regions,
        } = in_run(self.processes.into_records(), self.mappings.into_regions());
        memory::name_bss(&mut regions, &processes, &proc_root, native::ask_data_ends);
        run.who_wrote = named.who_wrote.in_regions(&regions);
        run.memory = CopiedMemory {
            processes,
            regions,
            rows,
            timeline: self.timeline,
            ..run.memory
        };
        run.who_holds = WhoHolds {
            holders,
            heap_walks,
        };
        run.loss = self.loss;
        run
    }

    /// A run in which nothing was observed yet.
    pub(in crate::collect) fn begun(&self, meta: Meta, duration_ns: u64) -> Run {
        let unseen = self.probe.unseen.iter();
        let rejected = self.probe.rejected.iter();
        let head = Head {
            tool_version: env!("CARGO_PKG_VERSION").into(),
            host: Host {
                kernel: self.kernel.release.clone(),
                arch: self.kernel.arch.into(),
                page_bytes: self.kernel.page_bytes,
                cpus: self.kernel.cpus,
            },
            id: meta.id,
            started_at: meta.started_at,
            duration_ns,
            unfinished: false,
            backend: self.probe.backend.into(),
            unseen: unseen.map(|unseen| unseen.text().into()).collect(),
            rejected: rejected
                .map(|tried| (tried.backend.into(), tried.reason.clone()))
                .collect(),
            targets: meta.targets,
            labels: meta.labels,
        };
        Run::new(head, self.probe.range_bytes, self.timeline.interval_ns)
    }

    pub(in crate::collect) fn kernel_losses(&self, skipped: Skipped) -> Loss {
        let kernel = self.probe.loss();
        let count = |cause: KernelLoss| kernel[cause as usize];
        Loss {
            histogram_full: count(KernelLoss::HistogramFull),
            processes_full: count(KernelLoss::ProcessesFull),
            threads_full: self.loss.threads_full + count(KernelLoss::ThreadsFull),
            task_ids_full: count(KernelLoss::TaskIdsFull),
            lifecycle_dropped: count(KernelLoss::LifecycleDropped),
            pending_dropped: count(KernelLoss::PendingDropped),
            races_unwatched: count(KernelLoss::RacesUnwatched),
            writers_full: self.loss.writers_full + count(KernelLoss::WritersFull),
            stacks_full: count(KernelLoss::StacksFull),
            native_stacks_full: count(KernelLoss::NativeStacksFull),
            recursion_misses: skipped.runs,
            interrupts_skipped: skipped.by_interrupts,
            ..self.loss.clone()
        }
    }
}

/// The processes of a run, what they counted, and where.
pub(in crate::collect) struct InRun {
    pub(in crate::collect) processes: Vec<Process>,
    pub(in crate::collect) rows: Vec<Row>,
    pub(in crate::collect) regions: Vec<Region>,
}

/// From records whose rows are final.
pub(in crate::collect) fn in_run(records: Records, regions: RegionTable) -> InRun {
    let ids = records.ids_in_run();
    let (mut rows, mut processes) = (Vec::new(), Vec::new());
    for record in records.into_in_run() {
        let mut copied = Sources::default();
        for row in record.rows.iter().flatten() {
            copied.add(&row.copied);
        }
        processes.push(record.process(copied, &ids));
        let mut own = record.rows.unwrap_or_default();
        if rows.is_empty() {
            rows = own;
        } else {
            rows.append(&mut own);
        }
    }
    rows.sort_unstable_by_key(Row::place);
    let masters: HashSet<u32> = processes
        .iter()
        .filter(|process| process.role == Role::Master)
        .map(|process| process.id)
        .collect();
    InRun {
        processes,
        rows,
        regions: regions.into_regions(|process| masters.contains(&process)),
    }
}
