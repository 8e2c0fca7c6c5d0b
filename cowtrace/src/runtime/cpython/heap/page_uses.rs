//! What lies on the sampled pages by variable, and what follows from it: which variables are used, and what moving
//! some of them away saves.
//!
//! Of a page that others use too, a variable's share is saved, because the rest moves together and is copied still;
//! of a page where nothing else is used, all of it. Whether another variable would have the page copied by itself
//! shows on pages where it lies without those that were written. If it has none, it counts as used: a promise must
//! not be too high.

use super::{occupancy::PageCount, regions::PAGE};
use crate::run::{FreezeSaving, Saving};

/// Less of a variable than this on a page does not count as a use of the page, bytes.
const FLOOR: u32 = 128;
/// How much of a variable must lie on pages of its own to show whether it is used: bytes, and one part in this
/// many of it.
const LEAST_OWN_BYTES: f64 = (16 * PAGE) as f64;
const LEAST_OWN_PART: f64 = 20.0;
/// A variable that by itself makes less than this part of a page's copies does not use it.
const LEAST_USE: f64 = 0.1;
/// Neighbours lie on at least this part of a variable's pages.
const LEAST_SHARED: f64 = 0.2;
/// If for more than this part of what is saved it is not known whether reading would have copied it, it is a bound.
const MOST_UNKNOWN: f64 = 0.2;
/// Most neighbours that are listed for a variable.
const MAX_NEIGHBOURS: usize = 8;

/// What lies on a page of one variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct VariablePart {
    /// Its index.
    pub(super) variable: usize,
    pub(super) bytes: u32,
    pub(super) has_counts: bool,
    pub(super) has_headers: bool,
    /// Copies that began with a write to it.
    pub(super) copies: u64,
}

impl VariablePart {
    const fn counts(&self) -> bool {
        self.has_counts && self.bytes >= FLOOR
    }

    const fn is_in(&self, variables: u64) -> bool {
        variables >> self.variable & 1 != 0
    }
}

/// A sampled page.
#[derive(Clone, Debug, Default)]
pub(super) struct PageUse {
    pub(super) is_copied: bool,
    pub(super) copies: u64,
    /// Copies that began with a write to something that no variable holds.
    pub(super) unheld: u64,
    /// Copies that began with a write to a header of the collector.
    pub(super) in_headers: u64,
    pub(super) parts: Vec<VariablePart>,
}

/// What lies on the sampled pages, by variable: those that hold the written addresses first, then other
/// neighbours, then everything else as one.
pub(super) struct PageUses {
    pub(super) pages: Vec<PageUse>,
    pub(super) variables: usize,
    /// How many of the variables hold written addresses.
    pub(super) written: usize,
    pub(super) copied: PageCount,
    pub(super) others: PageCount,
}

/// How many copies a page of each variable has by the variable itself; none if that is not known.
pub(super) type OwnCopies = Vec<Option<f64>>;

/// Of a variable: what lies on pages without those that were written, and with them, in bytes, and in bytes times
/// copies of their pages.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    own: f64,
    own_copies: f64,
    mixed: f64,
    mixed_copies: f64,
}

impl Evidence {
    fn copies_a_page(&self) -> Option<f64> {
        let is_enough = self.own * LEAST_OWN_PART >= self.own + self.mixed;
        let of_own = self.own_copies / self.own.max(1.0);
        let of_mixed = self.mixed_copies / self.mixed.max(1.0);
        (self.own >= LEAST_OWN_BYTES && is_enough).then_some(of_own.max(of_mixed))
    }
}

impl PageUses {
    /// How many copies a page of each variable has by the variable itself.
    pub(super) fn own_copies(&self) -> OwnCopies {
        let mut all = vec![Evidence::default(); self.variables];
        for page in &self.pages {
            let scale = self.scale_of(page);
            let counting = || page.parts.iter().filter(|part| part.counts());
            let written = counting()
                .filter(|part| part.variable < self.written)
                .count();
            for part in counting() {
                let bytes = f64::from(part.bytes) * scale;
                let evidence = &mut all[part.variable];
                if written == usize::from(part.variable < self.written) {
                    evidence.own += bytes;
                    evidence.own_copies += bytes * page.copies as f64;
                } else {
                    evidence.mixed += bytes;
                    evidence.mixed_copies += bytes * part.copies as f64;
                }
            }
        }
        all.iter().map(Evidence::copies_a_page).collect()
    }

    /// How many copies a page of each variable has by reading: of its pages without a header of the collector.
    fn copies_by_reading(&self) -> OwnCopies {
        let mut all = vec![Evidence::default(); self.variables];
        for page in &self.pages {
            let has_headers = page.parts.iter().any(|part| part.has_headers);
            for part in page.parts.iter().filter(|part| part.counts()) {
                let bytes = f64::from(part.bytes) * self.scale_of(page);
                let evidence = &mut all[part.variable];
                if has_headers {
                    evidence.mixed += bytes;
                } else {
                    evidence.own += bytes;
                    evidence.own_copies += bytes * page.copies as f64;
                }
            }
        }
        all.iter().map(Evidence::copies_a_page).collect()
    }

    /// What keeping the collector from writing headers saves. `scale` is how many copies each sampled one stands
    /// for.
    pub(super) fn freeze_saving(&self, scale: f64) -> FreezeSaving {
        let by_reading = self.copies_by_reading();
        let (mut headers, mut saved, mut unknown) = (0, 0.0, 0.0);
        for page in self.pages.iter().filter(|page| page.in_headers > 0) {
            headers += page.in_headers;
            let parts = page.parts.iter().filter(|part| part.counts());
            let rates = parts.map(|part| by_reading[part.variable]);
            let is_known = rates.clone().all(|rate| rate.is_some());
            let anyway = rates.flatten().fold(0.0, f64::max);
            let left = (page.copies as f64 - anyway).max(0.0);
            let here = left.min(page.in_headers as f64);
            saved += here;
            unknown += if is_known { 0.0 } else { here };
        }
        FreezeSaving {
            header_pages: in_all(headers as f64, scale),
            saved_pages: in_all(saved, scale),
            is_bound: unknown > saved * MOST_UNKNOWN,
        }
    }

    /// How many pages each sampled page of its kind stands for.
    fn scale_of(&self, page: &PageUse) -> f64 {
        let count = if page.is_copied {
            self.copied
        } else {
            self.others
        };
        count.all as f64 / count.sampled.max(1) as f64
    }

    /// What moving a variable saves, and its neighbours with the pages on which both lie. `scale` is how many
    /// copies each sampled one stands for.
    pub(super) fn saving_of(
        &self,
        variable: usize,
        own: &OwnCopies,
        scale: f64,
    ) -> (Saving, Vec<(usize, u64)>) {
        let alone = 1 << variable;
        let neighbours = self.neighbours(variable, own);
        let together = neighbours.iter().fold(alone, |all, it| all | 1 << it.0);
        let scaled = |pages: f64| in_all(pages, scale);
        let (mut with, mut by_itself) = (0, 0);
        for page in &self.pages {
            let is_there = |part: &&VariablePart| part.is_in(alone) && part.has_counts;
            if page.parts.iter().find(is_there).is_some() {
                with += page.copies;
                let others = copies_without(page, alone, own);
                if others < page.copies as f64 * LEAST_USE {
                    by_itself += page.copies;
                }
            }
        }
        let saving = Saving {
            pages_with: scaled(with as f64),
            pages_alone: scaled(by_itself as f64),
            saved_pages: scaled(self.saved(alone, own)),
            saved_together_pages: scaled(self.saved(together, own)),
            ..Saving::default()
        };
        let pages = neighbours.into_iter();
        let pages = pages.map(|(index, pages)| (index, scaled(pages as f64)));
        (saving, pages.collect())
    }

    /// Copies of the sampled pages that moving these variables saves.
    fn saved(&self, variables: u64, own: &OwnCopies) -> f64 {
        let saved = |page: &PageUse| {
            let mine = page.parts.iter().filter(|part| part.is_in(variables));
            let mine: u32 = mine.map(|part| part.bytes).sum();
            let known: u32 = page.parts.iter().map(|part| part.bytes).sum();
            if mine == 0 {
                return 0.0;
            }
            // What was written may be anywhere in the rest of the page.
            let all = if page.unheld > 0 {
                known.max(PAGE as u32)
            } else {
                known
            };
            let left = f64::from(all - mine) / f64::from(all);
            page.copies as f64 - left * copies_without(page, variables, own)
        };
        self.pages.iter().map(saved).sum()
    }

    /// Other variables that are used, or may be, on many of the same copied pages, most pages first.
    fn neighbours(&self, variable: usize, own: &OwnCopies) -> Vec<(usize, u64)> {
        let mut shared = vec![(0, 0); self.variables];
        for page in self.pages.iter().filter(|page| page.copies > 0) {
            let counting = || page.parts.iter().filter(|part| part.counts());
            if counting().any(|part| part.variable == variable) {
                for part in counting() {
                    let (pages, copies) = &mut shared[part.variable];
                    *pages += 1;
                    *copies += page.copies;
                }
            }
        }
        let with = shared[variable].1 as f64;
        let mut found: Vec<(usize, u64)> = (0..self.variables - 1)
            .filter(|other| {
                let (pages, copies) = shared[*other];
                let a_page = copies as f64 / f64::from(pages).max(1.0);
                let is_used = own[*other].is_none_or(|own| own >= a_page * LEAST_USE);
                *other != variable && copies > 0 && copies as f64 >= with * LEAST_SHARED && is_used
            })
            .map(|other| (other, shared[other].1))
            .collect();
        found.sort_by_key(|(other, copies)| (std::cmp::Reverse(*copies), *other));
        found.truncate(MAX_NEIGHBOURS);
        found
    }
}

/// Copies of the sampled pages, of all of them.
#[expect(clippy::cast_sign_loss, reason = "copies are counted upwards")]
fn in_all(copies: f64, scale: f64) -> u64 {
    // A thousandth below, so that what was counted in whole pages stays so.
    (copies * scale - 0.001).ceil() as u64
}

/// How many copies of a page there would be by what lies there beside these variables: at most all of them.
fn copies_without(page: &PageUse, variables: u64, own: &OwnCopies) -> f64 {
    let others = page.parts.iter();
    let others = others.filter(|part| !part.is_in(variables) && part.counts());
    let copies = others.map(|part| own[part.variable].unwrap_or(f64::INFINITY));
    (page.unheld as f64 + copies.sum::<f64>()).min(page.copies as f64)
}

#[cfg(test)]
mod tests;
