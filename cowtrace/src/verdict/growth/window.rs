//! The part of a trace that a verdict is about: from the first fork on, while workers lived.

use std::collections::BTreeMap;

use crate::run::{IdMap, IdSet, Role, Run, Sample};

/// While fewer than one in so many of the workers that there are at most times live, a service has not begun
/// or is shutting down.
const FEW: usize = 2;
/// Where programs that were started do the work: those that ran for at least one in so many of the trace.
const LASTS: u64 = 5;

/// A part of a trace.
pub(super) struct Window<'a> {
    /// Never empty.
    samples: &'a [Sample],
    /// Anonymous pages that each process had at the beginning, or when it was first traced later.
    before: IdMap<u64>,
    /// Pages that had been touched for the first time by then.
    touched_before: u64,
    /// Likewise pages that had been copied, as by a script in front of a service.
    copied_before: u64,
    /// The same of each process that is older than the first fork.
    touched_before_by: IdMap<u64>,
    /// When the first worker was forked, ns; 0 if it is looked at from the start.
    first_fork_ns: u64,
}

impl<'a> Window<'a> {
    /// The part of a run; `None` if it has no samples.
    ///
    /// What a command loads before it forks its first worker is what they inherit: no growth. A service that
    /// was there before is looked at from the start, whatever it forks. What a service gives back when all
    /// its workers exit does not count against what they had.
    pub(super) fn of(run: &'a Run) -> Option<Self> {
        let samples = while_any_lived(&run.memory.timeline.samples);
        let workers = processes_at_work(run);
        let started = workers.iter().filter_map(|id| run.process(*id));
        let first_fork = started.map(|it| it.started_ns).min();
        let first_fork = first_fork.filter(|_| !is_attached(run)).unwrap_or(0);
        let first = samples.partition_point(|sample| sample.at_ns < first_fork);
        let living: Vec<usize> = samples
            .iter()
            .map(|sample| {
                let ids = sample.held_by_process.keys();
                ids.filter(|id| workers.contains(id)).count()
            })
            .collect();
        let last = last_at_work(&living, first)?;
        let first = first.min(last);
        let begun = &samples[first];
        Some(Self {
            samples: &samples[first..=last],
            before: held_before(run, begun, first_fork),
            touched_before: if first_fork == 0 {
                0
            } else {
                begun.touched_pages
            },
            copied_before: copied_by(samples, first_fork),
            touched_before_by: of_older(run, &begun.touched_by_process, first_fork).collect(),
            first_fork_ns: first_fork,
        })
    }

    /// Its samples, oldest first.
    pub(super) const fn samples(&self) -> &'a [Sample] {
        self.samples
    }

    /// When it begins and ends, ns since the start of the run.
    pub(super) fn bounds_ns(&self) -> Option<(u64, u64)> {
        let ends = self.samples.first().zip(self.samples.last());
        ends.map(|(first, last)| (first.at_ns, last.at_ns))
    }

    /// How long it is, ns.
    pub(super) fn duration_ns(&self) -> u64 {
        let bounds = self.bounds_ns();
        bounds.map_or(0, |(first, last)| last.saturating_sub(first))
    }

    /// New pages that a process has, which it did not have before.
    pub(super) fn new_pages(&self, process: u32, held: u64) -> u64 {
        let before = self.before.get(&process).copied().unwrap_or(held);
        held.saturating_sub(before)
    }

    /// What the masters of a command that was started had when they first forked, pages; `None` if the trace did
    /// not see them start, or they forked nothing.
    pub(super) fn loaded_pages(&self, run: &Run) -> Option<u64> {
        let masters = self.samples.first().filter(|_| self.first_fork_ns > 0)?;
        let masters = masters
            .held_by_process
            .keys()
            .filter(|id| run.process(**id).is_some_and(|it| it.role == Role::Master));
        masters.map(|id| self.before.get(id).copied()).sum()
    }

    /// Pages that a process had before, 0 if that is not known.
    pub(super) fn pages_before(&self, process: u32) -> u64 {
        self.before.get(&process).copied().unwrap_or(0)
    }

    /// The most that any process had before.
    pub(super) fn most_before(&self) -> u64 {
        self.before.values().copied().max().unwrap_or(0)
    }

    /// Pages that were touched for the first time in it, by its last sample.
    pub(super) fn touched_pages(&self) -> u64 {
        self.samples
            .last()
            .map_or(0, |sample| self.touched_by(sample))
    }

    /// Pages that had been copied when it began.
    pub(super) const fn copied_before(&self) -> u64 {
        self.copied_before
    }

    /// Pages that were touched in it, by a sample.
    pub(super) const fn touched_by(&self, sample: &Sample) -> u64 {
        sample.touched_pages.saturating_sub(self.touched_before)
    }

    /// Pages that a process touched for the first time in it, by a sample.
    pub(super) fn touched_by_process(&self, process: u32, sample: &Sample) -> u64 {
        let touched = sample.touched_by_process.get(&process);
        let before = self.touched_before_by.get(&process).copied().unwrap_or(0);
        touched.map_or(0, |touched| touched.saturating_sub(before))
    }

    /// When the first worker was forked, ns since the start of the run; 0 if processes are looked at from the
    /// start.
    pub(super) const fn first_fork_ns(&self) -> u64 {
        self.first_fork_ns
    }
}

/// Samples up to the last at which anything lived: what the machine does after it is none of the service's. All of
/// them where nothing lived for long enough to be seen.
fn while_any_lived(samples: &[Sample]) -> &[Sample] {
    let last = samples
        .iter()
        .rposition(|sample| !sample.held_by_process.is_empty());
    last.map_or(samples, |last| &samples[..=last])
}

/// Pages that had been copied at the last sample before a time.
fn copied_by(samples: &[Sample], before_ns: u64) -> u64 {
    let later = samples.partition_point(|sample| sample.at_ns < before_ns);
    let last = later.checked_sub(1).and_then(|at| samples.get(at));
    last.map_or(0, |sample| sample.copied_pages)
}

/// The last sample before a service shuts down, by the workers that lived at each: from `first` on there were
/// usually more than twice as many as after it, or else they leave one after the other to the end.
fn last_at_work(living: &[usize], first: usize) -> Option<usize> {
    let mut counts = living.get(first..)?.to_vec();
    counts.sort_unstable();
    // Not the most: a service may fork many for a moment.
    let usual = counts.get(counts.len() / 2).copied().unwrap_or(0);
    let last = living.iter().rposition(|number| number * FEW >= usual)?;
    let stay = |at: &usize| living[at - 1] <= living[*at];
    Some((1..=last).rev().find(stay).unwrap_or(0))
}

/// What each process had at a sample if it is older than the first fork, else when it was first traced.
fn held_before(run: &Run, begun: &Sample, first_fork: u64) -> IdMap<u64> {
    let held = run.growth.held_before.iter();
    let mut before: IdMap<u64> = held.map(|it| (it.process_id, it.pages)).collect();
    before.extend(of_older(run, &begun.held_by_process, first_fork));
    before
}

/// The counts of processes that are older than the first fork.
fn of_older(
    run: &Run,
    counts: &BTreeMap<u32, u64>,
    first_fork: u64,
) -> impl Iterator<Item = (u32, u64)> {
    let is_older = move |id: u32| run.process(id).is_some_and(|it| it.started_ns < first_fork);
    let counts = counts.iter().map(|(id, pages)| (*id, *pages));
    counts.filter(move |(id, _)| is_older(*id))
}

/// Whether the masters were there before the trace.
fn is_attached(run: &Run) -> bool {
    let mut masters = run.memory.processes.iter();
    masters.any(|it| it.role == Role::Master && it.started_ns == 0)
}

/// The processes whose work a trace is about: workers, or else the programs that were started and lasted.
fn processes_at_work(run: &Run) -> IdSet {
    let forked = run.workforce().workers;
    if !forked.is_empty() {
        return forked.iter().map(|it| it.forked.id).collect();
    }
    let end = run.head.duration_ns;
    let lasts = |started: u64, exited: Option<u64>| {
        exited.unwrap_or(end).saturating_sub(started) >= end / LASTS
    };
    run.descendants()
        .filter(|it| lasts(it.started_ns, it.exited_ns))
        .map(|it| it.id)
        .collect()
}
