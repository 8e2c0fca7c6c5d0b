//! The part of a trace that a verdict is about: from the first fork on, while workers lived.

use std::collections::HashMap;

use crate::run::{Role, Run, Sample};

/// Samples without workers at the end are a service that has ended if they are at most one in so many.
const IDLE_PART: usize = 5;

/// A part of a trace.
pub(super) struct Window<'a> {
    /// Never empty.
    samples: &'a [Sample],
    /// Anonymous pages that each process had at the beginning, or when it was first traced later.
    before: HashMap<u32, u64>,
    /// Pages that had been touched for the first time by then.
    touched_before: u64,
}

impl<'a> Window<'a> {
    /// The part of a run; `None` if it has no samples.
    ///
    /// What a command loads before it forks its first worker is what they inherit: no growth. What a service
    /// gives back when all its workers exit does not count against what they had.
    pub(super) fn of(run: &'a Run) -> Option<Self> {
        let samples = &run.memory.timeline.samples;
        let workers = |sample: &Sample| {
            let ids = sample.held_by_process.keys();
            ids.filter(|id| run.process(**id).is_some_and(|it| it.role == Role::Worker))
                .count()
        };
        let first_fork = run.descendants().map(|it| it.started_ns).min().unwrap_or(0);
        let first = samples.partition_point(|sample| sample.at_ns < first_fork);
        let last = last_at_work(&samples.iter().map(workers).collect::<Vec<_>>())?;
        let first = first.min(last);
        let begun = &samples[first];
        let mut before: HashMap<u32, u64> = run
            .growth
            .held_before
            .iter()
            .map(|held| (held.process_id, held.pages))
            .collect();
        let is_older = |id: u32| run.process(id).is_some_and(|it| it.started_ns < first_fork);
        let older = begun
            .held_by_process
            .iter()
            .filter(|(id, _)| is_older(**id));
        before.extend(older);
        Some(Self {
            samples: &samples[first..=last],
            before,
            touched_before: if first_fork == 0 {
                0
            } else {
                begun.touched_pages
            },
        })
    }

    /// Its samples, oldest first.
    pub(super) const fn samples(&self) -> &'a [Sample] {
        self.samples
    }

    /// How long it is, ns.
    pub(super) fn duration_ns(&self) -> u64 {
        let ends = self.samples.first().zip(self.samples.last());
        ends.map_or(0, |(first, last)| last.at_ns.saturating_sub(first.at_ns))
    }

    /// New pages that a process has, which it did not have before.
    pub(super) fn new_pages(&self, process: u32, held: u64) -> u64 {
        let before = self.before.get(&process).copied().unwrap_or(held);
        held.saturating_sub(before)
    }

    /// The most that any process had before.
    pub(super) fn most_before(&self) -> u64 {
        self.before.values().copied().max().unwrap_or(0)
    }

    /// Pages that were touched for the first time in it, by its last sample.
    pub(super) fn touched_pages(&self) -> u64 {
        let last = self.samples.last().map_or(0, |sample| sample.touched_pages);
        last.saturating_sub(self.touched_before)
    }
}

/// The last sample before a service shuts down, by the workers that lived at each: after it they only leave.
/// Where there was none for long, as between two children of Redis, that is no end.
fn last_at_work(workers: &[usize]) -> Option<usize> {
    let idle = workers
        .iter()
        .rev()
        .take_while(|number| **number == 0)
        .count();
    let mut last = workers.len().checked_sub(1)?;
    if idle * IDLE_PART <= workers.len() {
        last = last.saturating_sub(idle);
    }
    while last > 0 && workers[last - 1] > workers[last] {
        last -= 1;
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::last_at_work;

    #[test]
    fn a_service_ends_when_its_workers_begin_to_leave() {
        assert_eq!(last_at_work(&[]), None);
        assert_eq!(last_at_work(&[0, 4, 4, 4, 4, 4]), Some(5));
        assert_eq!(last_at_work(&[0, 4, 4, 4, 4, 3, 1]), Some(4));
        assert_eq!(last_at_work(&[0, 4, 4, 4, 4, 0]), Some(4));
        assert_eq!(last_at_work(&[4, 4, 4, 4, 4, 4, 2, 0]), Some(5));
        // A child that saved and has ended.
        assert_eq!(last_at_work(&[0, 1, 1, 0, 0, 0]), Some(5));
        assert_eq!(last_at_work(&[0, 0, 0]), Some(2));
    }
}
