//! How far copies have come: what the workers that live no longer share, of what they inherited.

use crate::{
    run::{Run, Worker},
    verdict::{
        advice::share_of_masters,
        answer::unshared_bytes,
        growth::{TreeGrowth, processes_at_end},
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
    /// Workers that lived at the end.
    pub(crate) workers: usize,
    /// Whether some were there before the trace: what they had copied by then is not known.
    pub(crate) is_since_start: bool,
    /// Copies a second towards the end, bytes; `None` if not known.
    pub(crate) rate: Option<u64>,
    /// For how long next to nothing was copied, ns.
    pub(crate) flat_ns: Option<u64>,
}

impl Outlook {
    /// `None` if nothing was copied, no worker lived, or what the workers share cannot be known.
    pub(super) fn of(run: &Run, growth: Option<&TreeGrowth>) -> Option<Self> {
        let all = run.workforce().workers;
        let at_end = processes_at_end(run);
        let lives = |worker: &&Worker<'_>| match &at_end {
            Some(ids) => ids.contains(&worker.forked.id),
            None => worker.forked.exited_ns.is_none(),
        };
        let living: Vec<&Worker<'_>> = all.iter().filter(lives).collect();
        let inherited = living.iter().filter_map(|it| it.forked.inherited_pages);
        let ceiling_bytes = run.bytes(inherited.sum());
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
        Some(Self {
            unshared_bytes,
            ceiling_bytes,
            workers: living.len(),
            is_since_start: living.iter().any(|worker| worker.forked.started_ns == 0),
            rate: growth.map(|growth| growth.copied_rate),
            flat_ns: growth.and_then(|growth| growth.copied_flat_ns),
        })
    }
}

/// Pages that a worker copied of what it inherited.
fn own_copies(worker: &Worker<'_>) -> u64 {
    let copied = worker.forked.copied.total() - worker.forked.copied.zero;
    copied.min(worker.forked.inherited_pages.unwrap_or(0))
}
