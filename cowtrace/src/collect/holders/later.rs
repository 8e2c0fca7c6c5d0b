//! Copies made after a walk, in memory that no process has any more: attributed by what the walk saw
//! at their addresses.

use super::{copies::Addresses, walk::WalkResult};
use crate::run::HeapWalk;

/// Attributes all copies made so far by what an earlier walk saw. Copies in memory that it did not see
/// are not counted as looked for.
pub(super) fn with_later((mut found, walk): WalkResult, addresses: &Addresses) -> WalkResult {
    if found.survey.is_empty() {
        return (found, walk);
    }
    let by_page = addresses.by_page;
    let (addresses, pages) = addresses.clone().into_parts();
    let credit = std::mem::take(&mut found.survey).credit(&addresses, &pages);
    found.variables = credit.variables;
    found.asked_pages = credit.asked_pages;
    found.held_pages = credit.held_pages;
    found.free = credit.free;
    let walk = HeapWalk {
        asked_pages: credit.asked_pages,
        held_pages: credit.held_pages,
        free: found.free.clone(),
        by_page: (by_page + credit.by_page).min(credit.asked_pages),
        ..walk
    };
    (found, walk)
}

/// Whether an earlier walk knows more than the last one, of a process that was ending: a walk that
/// has everything finds more or fewer pages by a few in a hundred, since objects come and go. Where
/// variables hold next to nothing of what was looked for, it does not matter.
pub(super) const fn is_better(held_before: u64, held_now: u64, asked_now: u64) -> bool {
    let missing = held_before.saturating_sub(held_now);
    missing > held_before / 20 && missing > asked_now / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_walk_is_better_where_much_of_what_was_asked_is_missing() {
        assert!(is_better(5_000, 4_700, 6_000) && !is_better(5_000, 4_800, 6_000));
        assert!(!is_better(15, 0, 40_000), "variables hold next to nothing");
        assert!(is_better(500, 0, 40_000) && !is_better(0, 500, 40_000));
    }
}
