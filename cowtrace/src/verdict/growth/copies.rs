//! Copies that may be in memory over the time of a trace: those of the processes that live.

use super::{series::PARTS, shape::Series, window::Window};
use crate::run::{Balance, BalanceIs, Donors, IdMap, IdSet, Process, Role, Run, Sample};

/// Copies in memory of a run.
pub(super) struct CopiesInMemory<'a> {
    /// All samples of the run.
    samples: &'a [Sample],
    processes: IdMap<&'a Process>,
    /// Those with children in the trace. What others copy is what they inherited themselves.
    parents: IdSet,
    donors: Donors,
    /// In the order of process and time.
    balances: &'a [Balance],
}

impl<'a> CopiesInMemory<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        let processes = run.memory.processes.iter();
        Self {
            samples: &run.memory.timeline.samples,
            parents: processes.clone().filter_map(|it| it.parent_id).collect(),
            processes: processes.map(|process| (process.id, process)).collect(),
            donors: Donors::of(&run.memory.processes),
            balances: &run.growth.balances,
        }
    }

    /// Pages of all processes over time.
    pub(super) fn over_time(&self, window: &Window<'_>) -> Series {
        let samples = window.samples().iter();
        samples
            .map(|sample| (sample.at_ns, self.in_sample(sample).map(|it| it.1).sum()))
            .collect()
    }

    /// Pages of the processes that have lived for at least the last part of the time. Copies of a master last
    /// as its children do.
    pub(super) fn lasting(&self, window: &Window<'_>) -> u64 {
        let samples = window.samples();
        let Some((first, last)) = samples.first().zip(samples.last()) else {
            return 0;
        };
        let since = last.at_ns - (last.at_ns - first.at_ns) / PARTS as u64;
        let then = samples.iter().rev().find(|sample| sample.at_ns <= since);
        let oldest = self.oldest_children(last);
        let has_lived = |id: &u32| then.is_some_and(|it| it.held_by_process.contains_key(id));
        let lived = |id: &u32| {
            if self.processes.get(id).is_some_and(|it| self.passes_on(it)) {
                oldest.get(id).is_some_and(|began| *began <= since)
            } else {
                has_lived(id)
            }
        };
        let lasting = self.in_sample(last).filter(|(id, _)| lived(id));
        lasting.map(|(_, pages)| pages).sum()
    }

    /// Pages of each process that lives. How many of its copies were filled from the page of zeros is known
    /// for the whole run alone: that many are taken off at the end, in proportion before.
    ///
    /// Each fork shares all pages again, and a process that goes on forking copies the same pages again and
    /// again. It has no more of them than it has memory. What a master had copied when the oldest of its
    /// living children was forked is its only copy by now, and no memory more.
    ///
    /// What a process had copied and given back by the time that its page frames were looked at is not there.
    pub(super) fn in_sample<'b>(
        &'b self,
        sample: &'b Sample,
    ) -> impl Iterator<Item = (u32, u64)> + use<'b> {
        let oldest = self.oldest_children(sample);
        sample.held_by_process.iter().filter_map(move |(id, held)| {
            let pages = *sample.by_process.get(id)?;
            let process = self.processes.get(id)?;
            let settled = if self.passes_on(process) {
                self.copied_by(*id, oldest.get(id).copied().unwrap_or(u64::MAX))
            } else {
                0
            };
            let lasting = pages.saturating_sub(settled);
            let lasting = lasting.saturating_sub(self.given_back(process, sample.at_ns));
            let (zero, all) = (process.copied.zero, process.copied.total());
            let filled = u128::from(lasting) * u128::from(zero) / u128::from(all.max(1));
            let filled = u64::try_from(filled).unwrap_or(u64::MAX);
            Some((*id, lasting.saturating_sub(filled).min(*held)))
        })
    }

    /// Copies that a process had given back at a time, at least, by its last balance before: it has no more of them
    /// than pages that only it has.
    fn given_back(&self, process: &Process, at_ns: u64) -> u64 {
        let key = |it: &Balance| (it.process_id, it.at_ns);
        let after = self
            .balances
            .partition_point(|it| key(it) <= (process.id, at_ns));
        let last = after.checked_sub(1).and_then(|at| self.balances.get(at));
        let by_frames =
            |it: &&Balance| matches!(it.pages.is, BalanceIs::Exact | BalanceIs::Sampled);
        let last = last
            .filter(|it| it.process_id == process.id)
            .filter(by_frames);
        last.map_or(0, |balance| {
            let pages = &balance.pages;
            // A sample may miss some of either. Huge pages of hugetlbfs are not among them.
            let own = [
                pages.unshared_pages,
                pages.new_pages,
                pages.swapped_pages,
                pages.error_pages,
                pages.error_pages,
                process.copied.hugetlb,
            ];
            let copied = balance.copied_pages;
            own.iter().fold(copied, |rest, it| rest.saturating_sub(*it))
        })
    }

    /// Whether it is a master, which shares its memory with its children, and not a worker that is traced alone.
    fn passes_on(&self, process: &Process) -> bool {
        process.role == Role::Master && self.parents.contains(&process.id)
    }

    /// When the oldest living child of each process was forked, ns since the start.
    fn oldest_children(&self, sample: &Sample) -> IdMap<u64> {
        let mut oldest = IdMap::default();
        for id in sample.held_by_process.keys() {
            let Some(process) = self.processes.get(id) else {
                continue;
            };
            if let Some(parent) = self.donors.donor(process) {
                let began = oldest.entry(parent).or_insert(process.started_ns);
                *began = process.started_ns.min(*began);
            }
        }
        oldest
    }

    /// Pages that a process had copied at a time, at least.
    fn copied_by(&self, id: u32, at_ns: u64) -> u64 {
        let later = self.samples.partition_point(|it| it.at_ns <= at_ns);
        let then = later.checked_sub(1).and_then(|at| self.samples.get(at));
        then.and_then(|it| it.by_process.get(&id))
            .copied()
            .unwrap_or(0)
    }
}
