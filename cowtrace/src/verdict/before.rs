//! What processes had unshared before the trace.

use crate::run::{BalanceIs, Process, Run};

/// Share of what workers inherited from which on its having been unshared before the trace says why nothing
/// was copied in it.
const MUCH_BEFORE: f64 = 0.15;

/// What workers had unshared before the trace, and what they inherited, bytes, if that is much and `floor`
/// bytes at least.
pub(super) fn much_unshared_before(run: &Run, floor: u64) -> Option<(u64, u64)> {
    let (before, inherited) = unshared_before_in_all(run)?;
    let is_much = before as f64 >= inherited as f64 * MUCH_BEFORE;
    let (before, inherited) = (run.bytes(before), run.bytes(inherited));
    (is_much && before >= floor).then_some((before, inherited))
}

/// Pages that a process had unshared before the trace, and how well that is known: `exact` for a process that
/// was forked in it, which had none; `at_most` since memory that both got at the same address counts too;
/// `sampled` likewise. `None` if it was not read.
pub(crate) fn unshared_before(run: &Run, process: &Process) -> Option<(u64, &'static str)> {
    if process.started_ns > 0 {
        return Some((0, "exact"));
    }
    let first = run.growth.balances_of(process.id).first()?;
    let is = match first.pages.is {
        BalanceIs::Exact => "at_most",
        BalanceIs::Sampled => "sampled",
        BalanceIs::Coarse | BalanceIs::Unknown => return None,
    };
    Some((first.unshared_before(), is))
}

/// What the workers that were there before the trace had unshared by then, and what they inherited in all,
/// pages; `None` if there were none, or if one was not read.
pub(crate) fn unshared_before_in_all(run: &Run) -> Option<(u64, u64)> {
    let workforce = run.workforce();
    let mut earlier = workforce
        .workers
        .iter()
        .map(|worker| worker.forked)
        .filter(|process| process.started_ns == 0)
        .peekable();
    earlier.peek()?;
    let mut sum = (0, 0);
    for process in earlier {
        let (pages, _) = unshared_before(run, process)?;
        sum.0 += pages;
        sum.1 += run
            .growth
            .balances_of(process.id)
            .first()
            .map_or(0, |it| it.pages.shared_pages + it.pages.unshared_pages);
    }
    Some(sum)
}
