//! How far copies have come: what the workers that live no longer share, of what they inherited.

use super::room::Room;
use crate::{
    run::{BalanceIs, Run, Worker},
    verdict::{
        advice::share_of_masters,
        answer::unshared_bytes,
        growth::{GrowthShape, TreeGrowth, held_at_end, processes_at_end},
    },
};

/// From this share on, what the master copied is part of what workers no longer share.
const MASTER_SHARE: f64 = 0.1;

/// How far copies have come.
pub(crate) struct Outlook {
    /// What the workers no longer share, as far as the trace saw, bytes.
    pub(crate) unshared_bytes: u64,
    /// What they inherited, and so the most that they can copy, bytes.
    pub(crate) ceiling_bytes: u64,
    /// The most of it that reading alone can copy, bytes; `None` if that is not known of every worker.
    pub(crate) by_reading_bytes: Option<u64>,
    /// Workers that lived at the end.
    pub(crate) workers: usize,
    /// Whether some were there before the trace: what they had copied by then is not known.
    pub(crate) is_since_start: bool,
    /// Whether all of these have ended since.
    pub(crate) have_ended: bool,
    /// Copies a second towards the end, bytes; `None` if not known.
    pub(crate) rate: Option<u64>,
    /// For how long next to nothing was copied, ns.
    pub(crate) flat_ns: Option<u64>,
    /// What they may still copy, bytes: what they share at the end, as far as that was read.
    pub(crate) remaining_bytes: u64,
    /// What there is for it; `None` if that was not read.
    pub(crate) room: Option<Room>,
    /// What more workers of this kind would take; `None` if new memory keeps growing, or is not known.
    pub(crate) more_workers: Option<MoreWorkers>,
}

/// What more workers would take at most, bytes: each its own copy of all that the largest one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MoreWorkers {
    /// Each.
    pub(crate) each_bytes: u64,
    /// How many there would be.
    pub(crate) workers: u64,
    /// All of them and the masters.
    pub(crate) all_bytes: u64,
}

impl Outlook {
    /// `None` if nothing was copied, no worker lived, or what the workers share cannot be known.
    pub(crate) fn of(run: &Run, growth: Option<&TreeGrowth>) -> Option<Self> {
        let all = run.workforce().workers;
        let at_end = processes_at_end(run);
        let lives = |worker: &&Worker<'_>| match &at_end {
            Some(ids) => ids.contains(&worker.forked.id),
            None => worker.forked.exited_ns.is_none(),
        };
        let living: Vec<&Worker<'_>> = all.iter().filter(lives).collect();
        let inherited = living.iter().map(|it| it.inherited_pages);
        let ceiling_bytes = run.bytes(inherited.sum::<Option<u64>>()?);
        if run.copied().total() == 0 || ceiling_bytes == 0 {
            return None;
        }
        let unshared_bytes = if living.len() == all.len() {
            unshared_bytes(run)?
        } else if share_of_masters(run) < MASTER_SHARE {
            let copied = living.iter().map(|worker| own_copies(worker));
            run.bytes(copied.sum())
        } else {
            return None;
        };
        let shared = shared_at_end(run, &living).map(|pages| run.bytes(pages));
        Some(Self {
            remaining_bytes: shared.unwrap_or_else(|| ceiling_bytes.saturating_sub(unshared_bytes)),
            room: Room::of(run),
            more_workers: more_workers(run, growth, living.len() as u64),
            by_reading_bytes: by_reading(run, &living).map(|pages| run.bytes(pages)),
            unshared_bytes,
            ceiling_bytes,
            workers: living.len(),
            is_since_start: living.iter().any(|worker| worker.forked.started_ns == 0),
            have_ended: living.iter().all(|it| it.forked.exited_ns.is_some()),
            rate: growth.map(|growth| growth.copied_rate),
            flat_ns: growth.and_then(|growth| growth.copied_flat_ns),
        })
    }
}

/// Pages that a worker copied of what it inherited.
fn own_copies(worker: &Worker<'_>) -> u64 {
    let copied = worker.forked.copied.total() - worker.forked.copied.zero;
    copied.min(worker.inherited_pages.unwrap_or(0))
}

/// Of the pages that workers inherited, those with a reference count, by the part that they are of the pages of the
/// process that was read; `None` unless one was for each worker.
fn by_reading(run: &Run, workers: &[&Worker<'_>]) -> Option<u64> {
    let walks = &run.who_holds.heap_walks;
    let pages = workers.iter().map(|worker| {
        let donor = worker.donor?;
        let mut of_donor = walks.iter().filter(|walk| walk.process_id == donor);
        let reach = of_donor
            .find_map(|walk| walk.reading)
            .filter(|it| it.pages > 0)?;
        let inherited = u128::from(worker.inherited_pages?);
        let pages = inherited * u128::from(reach.with_counts) / u128::from(reach.pages);
        u64::try_from(pages).ok()
    });
    pages.sum()
}

/// Pages that workers share with the process that they inherited from; `None` unless all were read.
fn shared_at_end(run: &Run, workers: &[&Worker<'_>]) -> Option<u64> {
    let shared = workers.iter().map(|worker| {
        let last = run.growth.balances_of(worker.forked.id).last()?;
        let is_known = matches!(last.pages.is, BalanceIs::Exact | BalanceIs::Sampled);
        let is_of_end = last.at_ns >= run.head.duration_ns;
        (is_known && is_of_end).then_some(last.pages.shared_pages)
    });
    shared.sum()
}

/// As many workers as there are processors, or else twice as many as there are: all with their own copy of
/// all that the largest of them has, beside the masters.
fn more_workers(run: &Run, growth: Option<&TreeGrowth>, workers: u64) -> Option<MoreWorkers> {
    let growth = growth?;
    // How much a worker will have is not known.
    let may_grow = matches!(growth.shape, GrowthShape::Growing | GrowthShape::Unclear);
    if may_grow || growth.lives.is_some() {
        return None;
    }
    let cpus = run.head.host.cpus as u64;
    let number = if cpus > workers { cpus } else { workers * 2 };
    let (largest, masters) = held_at_end(run)?;
    let pages = largest.checked_mul(number)?.checked_add(masters)?;
    Some(MoreWorkers {
        each_bytes: run.bytes(largest),
        workers: number,
        all_bytes: pages.checked_mul(run.head.host.page_bytes)?,
    })
}
