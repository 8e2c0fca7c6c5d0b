//! What workers grow by until they are replaced. Where each grows for its whole life and another takes its place,
//! the memory of the whole tree stays flat, or comes and goes, while every worker leaks.

use std::collections::{HashMap, HashSet};

use super::{
    series::{NewMemory, PARTS, keeps_growing},
    shape::{GrowthShape, Series},
    window::Window,
};
use crate::run::{Process, Role, Run, Worker};

/// Workers that were replaced after a whole life in the trace, at least.
const LEAST_LIVES: usize = 3;
/// In shorter lives there are too few samples, ns.
const LEAST_LIFE_NS: u64 = 4_000_000_000;
/// What is less is not worth a word, bytes for each worker.
const LEAST_BYTES: u64 = 4 << 20;
/// Nor is less than this part of what a worker had at its start: a fiftieth.
const LEAST_PART: u64 = 50;
/// It is what workers do if this share of them grew by half as much as the usual one at least.
const ALIKE: f64 = 0.75;
/// After a warm-up, each later fifth of a life must bring this share of what they bring on average, and the last
/// this share of the one before the one before it.
const STEADY: f64 = 0.75;
/// The whole stays flat if the second half of the time had no higher peak than the first by more than this.
const FLAT: f64 = 1.2;

/// What workers grow by until they are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GrowthOfLives {
    /// Workers that began, ended and were replaced in the time.
    pub(crate) replaced: u64,
    /// How long the usual one lived, ns.
    pub(crate) life_ns: u64,
    /// New memory that the usual one had at its end, bytes.
    pub(crate) bytes: u64,
    /// What the usual one had copied by then, bytes.
    pub(crate) copied_bytes: u64,
    /// New memory in the middle of each fifth of a life, on average, bytes.
    pub(crate) by_age: [u64; PARTS],
    /// Workers of this kind that lived at the end.
    pub(crate) living: u64,
    /// Whether the whole of new memory stays flat.
    pub(crate) is_flat: bool,
    /// Whether others than these workers keep growing.
    pub(crate) others_grow: bool,
}

/// The whole life of a worker that was replaced.
struct Life<'a> {
    worker: &'a Process,
    donor: Option<u32>,
    ended_ns: u64,
    /// New pages over time, without what it gave back at its end.
    new: Series,
}

impl GrowthOfLives {
    /// `None` if too few were seen, or if they do not grow to their ends.
    pub(super) fn of(run: &Run, window: &Window<'_>, floor_pages: u64) -> Option<Self> {
        let workforce = run.workforce();
        let workers = workforce.workers.as_slice();
        let lives = whole_lives(workers, window);
        let life_ns = median_of(lives.iter().map(Life::length_ns).collect())?;
        if lives.len() < LEAST_LIVES || life_ns < LEAST_LIFE_NS {
            return None;
        }
        let at_end: Vec<u64> = lives.iter().map(Life::new_pages).collect();
        let pages = median_of(at_end.clone())?;
        let had = lives.iter().map(|it| window.pages_before(it.worker.id));
        let least = (LEAST_BYTES / run.head.host.page_bytes.max(1))
            .max(median_of(had.collect())? / LEAST_PART);
        let alike = at_end.iter().filter(|it| **it * 2 >= pages).count();
        if pages < least || (alike as f64) < lives.len() as f64 * ALIKE {
            return None;
        }
        if !grows_to_its_end(&least_by_age(&lives)?, least) {
            return None;
        }
        let of_lives: HashSet<Option<u32>> = lives.iter().map(|it| it.donor).collect();
        let alike = workers.iter().filter(|it| of_lives.contains(&it.donor));
        let alike: HashSet<u32> = alike.map(|it| it.forked.id).collect();
        let new = NewMemory::of(window);
        let others = NewMemory::of_some(window, |id| !alike.contains(&id));
        let at_the_end = window.samples().last()?;
        let copied = lives
            .iter()
            .map(|it| it.worker.copied.total() - it.worker.copied.zero);
        let of_parts = mean_by_age(&lives);
        Some(Self {
            replaced: lives.len() as u64,
            life_ns,
            bytes: run.bytes(pages),
            copied_bytes: run.bytes(median_of(copied.collect())?),
            by_age: of_parts.map(|pages| run.bytes(pages)),
            living: at_the_end
                .held_by_process
                .keys()
                .filter(|id| alike.contains(id))
                .count() as u64,
            is_flat: is_flat(new.series()),
            others_grow: others.shape(floor_pages, others.last()) == GrowthShape::Growing,
        })
    }
}

impl Life<'_> {
    fn length_ns(&self) -> u64 {
        self.ended_ns - self.worker.started_ns
    }

    /// New pages at the last sample.
    fn last_pages(&self) -> u64 {
        self.new.last().map_or(0, |(_, pages)| *pages)
    }

    /// New pages at the end: what the last sample has not seen came as fast as before it, for a fifth of the life
    /// at most.
    fn new_pages(&self) -> u64 {
        let fifth = self.length_ns() / PARTS as u64;
        let early = self.worker.started_ns + 2 * fifth;
        let begun = self.new.iter().find(|(at, _)| *at >= early);
        let Some(((at, pages), (last, most))) = begun.zip(self.new.last()) else {
            return self.last_pages();
        };
        let unseen = self.ended_ns.saturating_sub(*last).min(fifth);
        let more = u128::from(most.saturating_sub(*pages)) * u128::from(unseen)
            / u128::from((last - at).max(1));
        most.saturating_add(u64::try_from(more).unwrap_or(0))
    }

    /// The pages of each fifth of it.
    fn by_age(&self) -> [Vec<u64>; PARTS] {
        let mut parts: [Vec<u64>; PARTS] = Default::default();
        for (at, pages) in &self.new {
            let age = u128::from(at.saturating_sub(self.worker.started_ns));
            let part = age * PARTS as u128 / u128::from(self.length_ns().max(1));
            let part = usize::try_from(part).unwrap_or(PARTS).min(PARTS - 1);
            parts[part].push(*pages);
        }
        parts
    }
}

/// When a worker ended that began in the trace and was replaced; `newest_ns` is when the newest one of the same parent
/// began.
fn end_of_whole_life(worker: &Process, newest_ns: u64) -> Option<u64> {
    let ended_ns = worker.exited_ns?;
    let half = ended_ns - (ended_ns.saturating_sub(worker.started_ns)) / 2;
    let was_killed = worker.exit.is_some_and(|exit| exit.out_of_memory);
    let is_one = worker.pid != 0 && worker.role == Role::Worker && worker.started_ns > 0;
    (is_one && newest_ns >= half && !was_killed).then_some(ended_ns)
}

/// The lives of workers that began and ended in the time, and after whose first half another one was forked from the
/// same process. A worker that the kernel killed was not replaced by its master's will.
fn whole_lives<'a>(workers: &[Worker<'a>], window: &Window<'_>) -> Vec<Life<'a>> {
    let Some((_, end)) = window.bounds_ns() else {
        return Vec::new();
    };
    let mut newest: HashMap<Option<u32>, u64> = HashMap::new();
    for worker in workers.iter().filter(|it| it.forked.started_ns <= end) {
        let newest = newest.entry(worker.donor).or_default();
        *newest = worker.forked.started_ns.max(*newest);
    }
    let whole = workers.iter().filter_map(|worker| {
        let newest = newest.get(&worker.donor).copied().unwrap_or(0);
        let ended_ns = end_of_whole_life(worker.forked, newest).filter(|ended| *ended <= end)?;
        Some(Life {
            worker: worker.forked,
            donor: worker.donor,
            ended_ns,
            new: Series::new(),
        })
    });
    let mut lives: Vec<Life<'a>> = whole.collect();
    let by_id: HashMap<u32, usize> = (0..)
        .zip(&lives)
        .map(|(at, it)| (it.worker.id, at))
        .collect();
    for sample in window.samples() {
        for (id, held) in &sample.held_by_process {
            if let Some(at) = by_id.get(id) {
                lives[*at]
                    .new
                    .push((sample.at_ns, window.new_pages(*id, *held)));
            }
        }
    }
    for life in &mut lives {
        let most = life.new.iter().map(|(_, pages)| *pages).max().unwrap_or(0);
        // What it gave back at its end, in no more than its last sample.
        if life.last_pages() < most {
            life.new.pop();
        }
    }
    lives.retain(|life| !life.new.is_empty());
    lives
}

/// The least pages of each fifth of the lives, on average; `None` if too few have samples in one.
fn least_by_age(lives: &[Life<'_>]) -> Option<[f64; PARTS]> {
    let mut sums = [(0.0, 0_usize); PARTS];
    for life in lives {
        for (sum, pages) in sums.iter_mut().zip(life.by_age()) {
            if let Some(least) = pages.into_iter().min() {
                sum.0 += least as f64;
                sum.1 += 1;
            }
        }
    }
    let is_known = sums.iter().all(|(_, number)| *number >= LEAST_LIVES);
    is_known.then(|| sums.map(|(sum, number)| sum / number as f64))
}

/// The mean of each fifth.
fn mean_by_age(lives: &[Life<'_>]) -> [u64; PARTS] {
    let mut sums = [(0_u64, 0_u64); PARTS];
    for life in lives {
        for (sum, pages) in sums.iter_mut().zip(life.by_age()) {
            sum.0 = pages
                .iter()
                .fold(sum.0, |sum, pages| sum.saturating_add(*pages));
            sum.1 += pages.len() as u64;
        }
    }
    sums.map(|(sum, number)| sum / number.max(1))
}

/// Whether a life grows to its end: most of it late, or after a warm-up about the same in each fifth, by `least`
/// pages at least.
fn grows_to_its_end(parts: &[f64; PARTS], floor: u64) -> bool {
    let [_, second, third, fourth, last] = *parts;
    if last <= 0.0 {
        return false;
    }
    let steps = [third - second, fourth - third, last - fourth];
    let mean = (last - second) / 3.0;
    let is_steady =
        steps.iter().all(|step| *step >= mean * STEADY) && steps[2] >= steps[0] * STEADY;
    keeps_growing(third, fourth, last) || is_steady && last - second >= floor as f64
}

/// Whether the highest peak of the second half of the time is no higher than that of the first.
fn is_flat(series: &Series) -> bool {
    let Some((first, end)) = series.first().zip(series.last()) else {
        return false;
    };
    let middle = u64::midpoint(first.0, end.0);
    let peak = |is_late: bool| {
        let half = series.iter().filter(|(at, _)| (*at > middle) == is_late);
        half.map(|(_, pages)| *pages).max().unwrap_or(0) as f64
    };
    peak(true) <= peak(false) * FLAT
}

fn median_of(mut numbers: Vec<u64>) -> Option<u64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts of small numbers"
)]
mod tests;
