//! What processes that ended in the trace had of their own before it: growth of the others stands against it.

use super::window::Window;
use crate::run::{BalanceIs, Process, Role, Run};

/// Pages that processes had of their own when the trace began, and gave back since they ended in the time that the
/// verdict is about. What is not known, or lives on in others, counts as 0.
pub(super) fn pages_of_ended(run: &Run, window: &Window<'_>) -> u64 {
    let Some(last) = window.samples().last() else {
        return 0;
    };
    let lives = |process: &Process| last.held_by_process.contains_key(&process.id);
    let processes = &run.memory.processes;
    let passes_on = |process: &Process| {
        let mut others = processes.iter().filter(|other| lives(other));
        others.any(|other| other.parent_id == Some(process.id) && other.inherited_pages.is_some())
    };
    let ended = processes
        .iter()
        .filter(|it| it.started_ns == 0 && !lives(it) && !passes_on(it));
    ended
        .map(|process| own_pages_before(run, window, process))
        .sum()
}

fn own_pages_before(run: &Run, window: &Window<'_>, process: &Process) -> u64 {
    if process.role == Role::Master || process.inherited_pages.is_none() {
        return window.pages_before(process.id);
    }
    let first = run.growth.balances_of(process.id).first();
    let is_known = |is: BalanceIs| matches!(is, BalanceIs::Exact | BalanceIs::Sampled);
    first
        .filter(|balance| is_known(balance.pages.is))
        .map_or(0, |balance| {
            balance.unshared_before() + balance.pages.new_pages
        })
}
