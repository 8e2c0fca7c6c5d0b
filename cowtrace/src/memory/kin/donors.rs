//! From which of its elders a process was forked, by what they share.
//!
//! A process shares with its donor all pages that neither has written since the fork. With the donor's other
//! children it shares fewer, as long as the donor itself writes little afterwards. A page that a process shares with
//! others, where an elder has another frame that yet others have too, shows that this elder had another page already
//! when the process was forked: it is not the donor.

use super::frames::{ALONE, FrameTable};

/// Elders that are all compared; of more, those that share most in some pages, and the oldest.
const ALL_COMPARED: usize = 64;
const SOME_COMPARED: usize = 32;
const OLDEST_COMPARED: usize = 16;
/// Pages by which these are found.
const FIRST_PAGES: usize = 64;
/// Fewer shared pages say nothing.
const LEAST_SHARED: usize = 4;
/// Two elders share the same amount if their numbers differ by less than this part of the larger one (a 64th).
const SAME: usize = 64;
/// An elder is a candidate if it shares at most this part (an eighth) less than the best one.
const NEAR: usize = 8;
/// An elder is ruled out if more than this part (a 50th) of the shared pages contradict it.
const CONTRADICTED: usize = 50;
/// The parent is the donor if it has all pages that are shared with anybody but this part (a 16th).
const NEARLY_ALL: usize = 16;
/// The parent is not the donor if it lacks this part (a third) of the pages that are shared with another process.
const LACKING: usize = 3;
/// That other process must have begun at least this long before, clock ticks: it took time to make the pages. Of two
/// children that a parent forked at once, neither is the other's donor, even if the parent has since freed the pages.
const LOADING_TICKS: u64 = 5;

/// What speaks for an elder.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    at: usize,
    shared: usize,
    /// Pages where it had another frame already when the process was forked.
    contradicted: usize,
}

/// The donor of a process, by their places in the table. All before it are older. `parent` is the one that the
/// kernel names, if it is of the family: it is the donor unless something speaks against it. `usual` is the donor of
/// another one.
pub(super) fn choose_donor(
    table: &FrameTable,
    heir: usize,
    parent: Option<usize>,
    usual: Option<usize>,
) -> Option<usize> {
    let mut family = Relatives::of(table, heir);
    if let Some(donor) = family.obvious(parent, usual) {
        return Some(donor);
    }
    family.take_in_elders(parent);
    let best = family.best().filter(|best| best.shared >= LEAST_SHARED);
    let Some(best) = best else {
        return parent;
    };
    let parent = parent.map(|at| family.candidate(at));
    match parent {
        Some(parent) if family.is_likely(parent, best) => Some(parent.at),
        _ => Some(best.at),
    }
}

/// A process and those that it may have been forked from.
struct Relatives<'a> {
    table: &'a FrameTable,
    /// The process itself, and what it has.
    heir: usize,
    own: &'a [u64],
    /// Pages of these that it shares with somebody, by their places.
    common: Vec<usize>,
    /// Its elders, or those of them that matter, the oldest first.
    elders: Vec<usize>,
}

impl<'a> Relatives<'a> {
    fn of(table: &'a FrameTable, heir: usize) -> Self {
        let own = &table.rows[heir];
        let is_common = |page: &usize| own[*page] != 0 && own[*page] & ALONE == 0;
        Self {
            table,
            heir,
            own,
            common: (0..own.len()).filter(is_common).collect(),
            elders: Vec::new(),
        }
    }

    fn take_in_elders(&mut self, parent: Option<usize>) {
        self.elders = if self.heir > ALL_COMPARED {
            self.nearest()
        } else {
            (0..self.heir).collect()
        };
        let is_new = |parent: &usize| !self.elders.contains(parent);
        let parent = parent.filter(is_new);
        self.elders.extend(parent);
    }

    /// The donor, where it shares nearly all that the process shares with anybody.
    fn obvious(&self, parent: Option<usize>, usual: Option<usize>) -> Option<usize> {
        let all = self.common.len();
        let has_nearly_all =
            |at: &usize, part: usize| all >= LEAST_SHARED && self.shared(*at) + all / part >= all;
        if let Some(parent) = parent.filter(|at| has_nearly_all(at, NEARLY_ALL)) {
            return Some(parent);
        }
        let usual = self.candidate(usual.filter(|at| has_nearly_all(at, SAME))?);
        let parent = parent.map(|at| self.candidate(at));
        let is_open = parent.is_some_and(|parent| self.is_likely(parent, usual));
        (!is_open).then_some(usual.at)
    }

    /// The elder that the process was most likely forked from, by frames alone.
    fn best(&self) -> Option<Candidate> {
        let all = self.elders.iter().map(|&at| (at, self.shared(at)));
        let all: Vec<(usize, usize)> = all.collect();
        let most = all.iter().map(|(_, shared)| *shared).max()?;
        let near = all
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
        let is_lacking = |page: &&usize| {
            self.has(best.at, **page, self.own[**page]) && self.frame(parent.at, **page) == 0
        };
        let lacking = self.common.iter().filter(is_lacking).count();
        let is_free = parent.contradicted <= best.shared / CONTRADICTED;
        let age = |at: usize| self.table.started[at];
        let could_load = age(best.at) + LOADING_TICKS <= age(self.heir);
        let has_pages = lacking * LACKING < best.shared || !could_load;
        parent.at == best.at || (has_pages && is_free)
    }

    fn candidate(&self, at: usize) -> Candidate {
        Candidate {
            at,
            shared: self.shared(at),
            contradicted: self.contradicted(at),
        }
    }

    fn frame(&self, at: usize, page: usize) -> u64 {
        self.table.rows[at].get(page).copied().unwrap_or(0)
    }

    fn has(&self, at: usize, page: usize, frame: u64) -> bool {
        self.frame(at, page) == frame
    }

    fn shared(&self, at: usize) -> usize {
        let is_shared = |page: &&usize| self.has(at, **page, self.own[**page]);
        self.common.iter().filter(is_shared).count()
    }

    fn contradicted(&self, at: usize) -> usize {
        let others_have = |page: usize, frame: u64| {
            let mut others = self.elders.iter().filter(|other| **other != at);
            others.any(|other| self.has(*other, page, frame))
        };
        let contradicts = |page: &&usize| {
            let (own, elder) = (self.own[**page], self.frame(at, **page));
            let may_be = elder != 0 && elder & ALONE == 0 && elder != own;
            may_be && others_have(**page, own) && others_have(**page, elder)
        };
        self.common.iter().filter(contradicts).count()
    }

    /// Of many elders, those that share most of some pages, and the oldest.
    fn nearest(&self) -> Vec<usize> {
        let step = self.common.len().div_ceil(FIRST_PAGES).max(1);
        let pages: Vec<usize> = self.common.iter().copied().step_by(step).collect();
        let shared = |at: usize| {
            let is_shared = |page: &&usize| self.has(at, **page, self.own[**page]);
            pages.iter().filter(is_shared).count()
        };
        let mut by_share: Vec<(usize, usize)> = (0..self.heir).map(|at| (shared(at), at)).collect();
        by_share.sort_by_key(|(shared, at)| (std::cmp::Reverse(*shared), *at));
        let first = by_share.into_iter().take(SOME_COMPARED).map(|(_, at)| at);
        let mut found: Vec<usize> = first.chain(0..OLDEST_COMPARED).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests;
