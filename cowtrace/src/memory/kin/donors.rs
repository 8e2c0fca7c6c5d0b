//! From which of its elders a process was forked, by what they share.
//!
//! A process shares with its donor all pages that neither has written since the fork. With the donor's other
//! children it shares fewer, as long as the donor itself writes little afterwards. A page that a process shares with
//! others, where an elder has another frame that yet others have too, shows that this elder had another page already
//! when the process was forked: it is not the donor.

use super::frames::FrameTable;

/// Elders that are all compared; of more, those that share most in some pages, and the oldest.
const ALL_COMPARED: usize = 64;
const SOME_COMPARED: usize = 32;
const OLDEST_COMPARED: usize = 16;
/// Pages by which these are found.
const FIRST_PAGES: usize = 64;
/// Fewer shared pages say nothing.
const LEAST_SHARED: usize = 4;
/// One of so many pages more is no difference.
const SAME: usize = 64;
/// Who shares less than the best by more than one of so many pages is no candidate.
const NEAR: usize = 8;
/// Of the shared pages, one of so many that contradict is enough.
const CONTRADICTED: usize = 50;
/// If the parent has nothing at one of so many of the pages that are shared with another one, it is not the donor.
const LACKING: usize = 3;

/// What speaks for an elder.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    at: usize,
    shared: usize,
    /// Pages where it had another frame already when the process was forked.
    contradicted: usize,
}

/// The donor of a process, by their places in the table. All before it are older. `parent` is the one that the
/// kernel names, if it is of the family: it is the donor unless something speaks against it.
pub(super) fn choose_donor(
    table: &FrameTable,
    heir: usize,
    parent: Option<usize>,
) -> Option<usize> {
    let family = Relatives::of(table, heir, parent);
    let best = family.best();
    let of_parent = parent.map(|at| family.candidate(at));
    let Some(best) = best.filter(|best| best.shared >= LEAST_SHARED) else {
        return parent;
    };
    match of_parent {
        Some(parent) if family.is_likely(parent, best) => Some(parent.at),
        _ => Some(best.at),
    }
}

/// A process and those that it may have been forked from.
struct Relatives<'a> {
    table: &'a FrameTable,
    /// What the process itself has.
    own: &'a [u64],
    /// Its elders, or those of them that matter, the oldest first.
    elders: Vec<usize>,
}

impl<'a> Relatives<'a> {
    fn of(table: &'a FrameTable, heir: usize, parent: Option<usize>) -> Self {
        let own = &table.rows[heir];
        let mut elders: Vec<usize> = (0..heir).collect();
        if heir > ALL_COMPARED {
            elders = nearest(table, own, elders);
        }
        elders.extend(parent.filter(|parent| !elders.contains(parent)));
        Self { table, own, elders }
    }

    /// The elder that the process was most likely forked from, by frames alone.
    fn best(&self) -> Option<Candidate> {
        let shared = self.elders.iter().map(|&at| (at, self.shared(at)));
        let shared: Vec<(usize, usize)> = shared.collect();
        let most = shared.iter().map(|(_, shared)| *shared).max()?;
        let near = shared
            .iter()
            .filter(|(_, shared)| *shared + most / NEAR >= most);
        let near: Vec<Candidate> = near.map(|(at, _)| self.candidate(*at)).collect();
        let is_free = |it: &&Candidate| it.contradicted <= most / CONTRADICTED;
        let free: Vec<&Candidate> = near.iter().filter(is_free).collect();
        let left = if free.is_empty() {
            near.iter().collect()
        } else {
            free
        };
        let most = left.iter().map(|it| it.shared).max()?;
        // The oldest of those that are alike.
        left.into_iter()
            .find(|it| it.shared + most / SAME >= most)
            .copied()
    }

    /// Whether the parent is the donor, although another shares as much or more.
    fn is_likely(&self, parent: Candidate, best: Candidate) -> bool {
        if parent.at == best.at {
            return true;
        }
        let others = self.table.rows[best.at].iter();
        let parents = self.row(parent.at);
        let lacking = self.own.iter().zip(others).zip(parents);
        let lacking =
            lacking.filter(|((own, other), parents)| **own != 0 && own == other && **parents == 0);
        lacking.count() * LACKING < best.shared && parent.contradicted <= best.shared / CONTRADICTED
    }

    fn candidate(&self, at: usize) -> Candidate {
        Candidate {
            at,
            shared: self.shared(at),
            contradicted: self.contradicted(at),
        }
    }

    fn row(&self, at: usize) -> &'a [u64] {
        &self.table.rows[at]
    }

    fn shared(&self, at: usize) -> usize {
        let pages = self.own.iter().zip(self.row(at));
        pages
            .filter(|(own, elder)| **own != 0 && own == elder)
            .count()
    }

    fn contradicted(&self, at: usize) -> usize {
        let has = |page: usize, frame: u64| {
            let mut others = self.elders.iter().filter(|other| **other != at);
            others.any(|other| self.row(*other).get(page) == Some(&frame))
        };
        let pages = self.own.iter().zip(self.row(at)).enumerate();
        let contradicts = |(page, (own, elder)): &(usize, (&u64, &u64))| {
            let differ = **own != 0 && **elder != 0 && own != elder;
            differ && has(*page, **own) && has(*page, **elder)
        };
        pages.filter(contradicts).count()
    }
}

/// Of many elders, those that share most of some pages, and the oldest.
fn nearest(table: &FrameTable, own: &[u64], elders: Vec<usize>) -> Vec<usize> {
    let present: Vec<usize> = (0..own.len()).filter(|&page| own[page] != 0).collect();
    let step = present.len().div_ceil(FIRST_PAGES).max(1);
    let pages: Vec<usize> = present.into_iter().step_by(step).collect();
    let shared = |at: usize| {
        let row = &table.rows[at];
        let same = pages
            .iter()
            .filter(|page| row.get(**page) == Some(&own[**page]));
        same.count()
    };
    let mut by_share: Vec<(usize, usize)> = elders.iter().map(|&at| (shared(at), at)).collect();
    by_share.sort_by_key(|(shared, at)| (std::cmp::Reverse(*shared), *at));
    let first = by_share.into_iter().take(SOME_COMPARED).map(|(_, at)| at);
    let mut found: Vec<usize> = first
        .chain(elders.into_iter().take(OLDEST_COMPARED))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests;
