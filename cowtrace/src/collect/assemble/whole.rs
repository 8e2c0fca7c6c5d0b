//! From records and counts to a [`Run`].

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use cowtrace_common::loss::Loss as KernelLoss;

use crate::{
    collect::processes::{attribution::RegionTable, record::Counted, records::Records},
    memory, native,
    probe::{Kernel, Probe, Skipped},
    run::{
        Balance, CommandLine, CopiedMemory, Grown, Growth, Head, Host, Loss, Process, Region, Role,
        Row, Run, Timeline, TracedTarget, UntracedDonor, WhoHolds,
    },
    writer::NamedWriters,
};

/// What the user and the clock say about a run.
#[derive(Clone, Debug, Default)]
pub struct RunIdentity {
    /// Unique among all runs.
    pub id: String,
    /// Wall clock at the start, RFC 3339.
    pub started_at: String,
    /// Process ids that the user gave, or that were found for what the user gave.
    pub targets: Vec<u32>,
    /// Those of them that have their memory from a process that is not traced.
    pub untraced_donors: Vec<UntracedDonor>,
    /// What stays unknown because the memory of one of them may not be read, and why.
    pub unread: Option<String>,
    /// What the user gave.
    pub traced_targets: Vec<TracedTarget>,
    /// What the user called the run.
    pub labels: BTreeMap<String, String>,
}

/// A run of a trace, in which nothing was observed yet.
pub(in crate::collect) fn new_run(
    identity: RunIdentity,
    kernel: &Kernel,
    probe: &Probe,
    interval_ns: u64,
    duration_ns: u64,
) -> Run {
    let unseen = probe.unseen.iter();
    let rejected = probe.rejected.iter();
    let head = Head {
        tool_version: env!("CARGO_PKG_VERSION").into(),
        host: Host {
            kernel: kernel.release.clone(),
            arch: kernel.arch.into(),
            page_bytes: kernel.page_bytes,
            cpus: kernel.cpus,
        },
        id: identity.id,
        started_at: identity.started_at,
        duration_ns,
        unfinished: false,
        backend: probe.backend.into(),
        unseen: unseen
            .map(|unseen| unseen.text().into())
            .chain(identity.unread)
            .collect(),
        rejected: rejected
            .map(|tried| (tried.backend.into(), tried.reason.clone()))
            .collect(),
        targets: identity.targets,
        untraced_donors: identity.untraced_donors,
        traced_targets: identity.traced_targets,
        labels: identity.labels,
    };
    Run::new(head, probe.range_bytes, interval_ns)
}

/// The losses of this program and those of the kernel side.
pub(in crate::collect) fn all_losses(own: &Loss, probe: &Probe, skipped: Skipped) -> Loss {
    let kernel = probe.loss();
    let count = |cause: KernelLoss| kernel[cause as usize];
    Loss {
        histogram_full: count(KernelLoss::HistogramFull),
        processes_full: count(KernelLoss::ProcessesFull),
        threads_full: own.threads_full + count(KernelLoss::ThreadsFull),
        task_ids_full: count(KernelLoss::TaskIdsFull),
        lifecycle_dropped: count(KernelLoss::LifecycleDropped),
        pending_dropped: count(KernelLoss::PendingDropped),
        races_unwatched: count(KernelLoss::RacesUnwatched),
        writers_full: own.writers_full + count(KernelLoss::WritersFull),
        stacks_full: count(KernelLoss::StacksFull),
        native_stacks_full: count(KernelLoss::NativeStacksFull),
        touches_full: own.touches_full + count(KernelLoss::TouchesFull),
        recursion_misses: skipped.runs,
        interrupts_skipped: skipped.by_interrupts,
        ..*own
    }
}

/// Everything that a trace has observed, once its hooks are off and all records have their rows.
pub(in crate::collect) struct FinalParts {
    pub(in crate::collect) records: Records,
    pub(in crate::collect) regions: RegionTable,
    pub(in crate::collect) timeline: Timeline,
    pub(in crate::collect) named: NamedWriters,
    pub(in crate::collect) who_holds: WhoHolds,
    pub(in crate::collect) balances: Vec<Balance>,
    pub(in crate::collect) grown: Grown,
}

/// Completes a run with these parts. Reads the files that processes have mapped under `proc_root`.
pub(in crate::collect) fn complete_run(mut run: Run, parts: FinalParts, proc_root: &Path) -> Run {
    let InRun {
        processes,
        command_lines,
        uncounted,
        rows,
        mut regions,
        growth,
    } = in_run(parts.records, parts.regions);

    memory::name_bss(&mut regions, &processes, proc_root, native::ask_data_ends);
    run.who_wrote = parts.named.who_wrote.in_regions(&regions);
    let growers = parts.named.growers;
    run.memory = CopiedMemory {
        processes,
        regions,
        rows,
        timeline: parts.timeline,
        command_lines,
        uncounted,
        ..run.memory
    };
    run.who_holds = parts.who_holds;
    run.growth = growth;
    run.growth.balances = parts.balances;
    run.growth.growers = growers;
    run.growth.grown = parts.grown;
    run
}

/// The processes of a run, what they counted, and where.
pub(in crate::collect) struct InRun {
    pub(in crate::collect) processes: Vec<Process>,
    pub(in crate::collect) command_lines: Vec<CommandLine>,
    pub(in crate::collect) uncounted: Vec<u32>,
    pub(in crate::collect) rows: Vec<Row>,
    pub(in crate::collect) regions: Vec<Region>,
    pub(in crate::collect) growth: Growth,
}

/// From records whose rows are final.
pub(in crate::collect) fn in_run(records: Records, regions: RegionTable) -> InRun {
    let ids = records.ids_in_run();
    let (mut rows, mut processes) = (Vec::new(), Vec::new());
    let (mut command_lines, mut uncounted) = (Vec::new(), Vec::new());
    let mut growth = Growth::default();
    for record in records.into_in_run() {
        let counted = Counted::of(record.rows.as_deref().unwrap_or_default());
        processes.push(record.process(counted, &ids));
        command_lines.extend(record.command_line());
        uncounted.extend(record.is_uncounted.then_some(record.id));
        growth
            .first_touches
            .extend(record.touches.in_run(record.id));
        growth.held_before.extend(record.held_before());
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
        command_lines,
        uncounted,
        rows,
        regions: regions.into_regions(|process| masters.contains(&process)),
        growth,
    }
}
