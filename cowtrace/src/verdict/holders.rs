//! Which variables hold the copied memory, and how much of it.

use super::free_memory::{free_memory_in_words, free_pages_of_walk};
use crate::{
    run::{AlsoHeld, HeapWalk, Holder, Run},
    words::{owner_of, percent, printable, shorten, type_and_entries},
};

/// A variable with at least this share of all copies is named in the answer.
pub(super) const ANSWER_SHARE: f64 = 0.1;
pub(super) const MOST_IN_ANSWER: usize = 3;
/// Longer paths in the answer are cut.
const MAX_NAME: usize = 60;
const MOST_TYPES: usize = 3;
/// Another variable with at least this share of a holder's pages is shown beside it.
const SHARED: f64 = 0.2;
/// One with less than this share is not mentioned.
const ALSO: f64 = 0.01;
/// Types with a smaller share are not mentioned.
const TYPE_SHARE: f64 = 0.01;

/// Copied pages of a run, by whether a variable holds them.
#[derive(Default)]
pub(crate) struct HeldPages {
    /// All copied pages.
    pub(crate) all: u64,
    /// Pages found under a variable.
    pub(crate) found: u64,
    /// Pages that were free memory.
    pub(crate) free: u64,
    /// Pages not found, although all memory was searched.
    unreachable: u64,
    /// Pages not found in memory that was searched only in part.
    cut_short: u64,
    /// Pages not found in memory that has been replaced since.
    replaced: u64,
}

impl HeldPages {
    /// None if variables were not looked up.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let asked: u64 = run
            .who_holds
            .heap_walks
            .iter()
            .map(|walk| walk.asked_pages)
            .sum();
        let mut held = Self {
            all: run.copied().total().max(asked),
            ..Self::default()
        };
        for walk in &run.who_holds.heap_walks {
            held.found += walk.held_pages;
            let free = free_pages_of_walk(walk);
            held.free += free;
            let missing = walk.asked_pages.saturating_sub(walk.held_pages);
            let missing = missing.saturating_sub(free);
            match walk {
                // No process was searched.
                HeapWalk {
                    failure: Some(_), ..
                } => {}
                HeapWalk {
                    is_partial: true, ..
                } => held.cut_short += missing,
                HeapWalk {
                    has_changed: true, ..
                } => held.replaced += missing,
                _ => held.unreachable += missing,
            }
        }
        (asked > 0).then_some(held)
    }

    /// Whether variables may hold more than was found: because memory was searched only in part, or
    /// copies came after a walk that was made before the end.
    pub(super) fn is_lower_bound(&self, run: &Run) -> bool {
        let is_early = run
            .who_holds
            .heap_walks
            .iter()
            .any(|walk| walk.at_ns.is_some());
        let is_partial = run.who_holds.heap_walks.iter().any(|walk| walk.is_partial);
        is_partial || (is_early && self.all > self.looked_for())
    }

    fn looked_for(&self) -> u64 {
        self.found + self.free + self.unreachable + self.cut_short + self.replaced
    }

    /// Pages without a variable, by reason.
    pub(crate) fn missing(&self) -> [(u64, &'static str); 4] {
        let looked_for = self.looked_for();
        [
            (self.unreachable, "(not reachable from any variable)"),
            (self.cut_short, "(not found: looked through only in part)"),
            (self.replaced, "(not found: its memory was replaced)"),
            (self.all.saturating_sub(looked_for), "(not looked for)"),
        ]
    }

    /// A share of all copies.
    pub(crate) fn share(&self, pages: u64) -> f64 {
        pages as f64 / self.all as f64
    }
}

/// Which variables hold most of the copied memory, and how much of it was free, in sentences for the
/// answer; none if nothing stands out.
pub(crate) fn held_most(run: &Run) -> Option<String> {
    let held = HeldPages::of(run)?;
    let leading = run
        .who_holds
        .holders
        .iter()
        .filter(|holder| held.share(holder.copied_pages) >= ANSWER_SHARE)
        .take(MOST_IN_ANSWER);
    let parts: Vec<String> = leading
        .enumerate()
        .map(|(index, holder)| {
            let share = percent(held.share(holder.copied_pages));
            let verb = if index == 0 {
                "of the copied memory is held by"
            } else {
                "by"
            };
            let or = equal_holders(holder)
                .next()
                .map_or_else(String::new, |other| {
                    format!(" (also reachable as {})", name(&other.path))
                });
            let what = holder
                .type_name
                .as_ref()
                .map_or_else(String::new, |_| format!(", {}", type_and_entries(holder)));
            let owner = owner_among_alike(run, holder);
            format!("{share} {verb} {}{owner}{or}{what}", name(&holder.path))
        })
        .collect();
    let least = if held.is_lower_bound(run) {
        "At least "
    } else {
        ""
    };
    let held = (!parts.is_empty()).then(|| format!("{least}{}.", parts.join("; ")));
    let all: Vec<String> = free_memory_in_words(run).into_iter().chain(held).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// ` of python3 (4242)`: the variable's process, if another process has one with the same path.
pub(crate) fn owner_among_alike(run: &Run, holder: &Holder) -> String {
    let is_alike = |it: &Holder| it.path == holder.path && it.process_id != holder.process_id;
    if run.who_holds.holders.iter().any(is_alike) {
        format!(" of {}", owner_of(run, holder))
    } else {
        String::new()
    }
}

/// Whether the variables belong to several processes.
pub(crate) fn are_of_several_processes(run: &Run) -> bool {
    let first = run
        .who_holds
        .holders
        .first()
        .map(|holder| holder.process_id);
    run.who_holds
        .holders
        .iter()
        .any(|it| Some(it.process_id) != first)
}

fn name(path: &str) -> String {
    shorten(&printable(path), MAX_NAME)
}

/// Other variables that hold so much of the same memory that they are shown beside it.
pub(crate) fn equal_holders(holder: &Holder) -> impl Iterator<Item = &AlsoHeld> {
    let others = holder.also_held_by.iter();
    others.filter(|also| part_of(holder, also.copied_pages) > SHARED)
}

/// Other variables that hold less of the same memory, but enough to be mentioned.
pub(crate) fn lesser_holders(holder: &Holder) -> impl Iterator<Item = &AlsoHeld> {
    let others = holder.also_held_by.iter();
    others.filter(|also| (ALSO..=SHARED).contains(&part_of(holder, also.copied_pages)))
}

/// A share of a variable's copies.
pub(crate) fn part_of(holder: &Holder, pages: u64) -> f64 {
    pages as f64 / holder.copied_pages.max(1) as f64
}

/// Whether the types of at least half of the objects copied in it are known.
pub(super) fn has_types(holder: &Holder) -> bool {
    let known: u64 = holder.copied_types.iter().map(|of| of.copied_pages).sum();
    known.saturating_mul(2) >= holder.copied_pages
}

/// `str 71 %, int 29 %`: the types of the objects copied in it; empty if less than half of them are
/// known, since the rest may have other types.
pub(crate) fn copied_types(holder: &Holder) -> String {
    if !has_types(holder) {
        return String::new();
    }
    let share = |pages: u64| part_of(holder, pages);
    let types: Vec<String> = holder
        .copied_types
        .iter()
        .filter(|of| share(of.copied_pages) >= TYPE_SHARE)
        .take(MOST_TYPES)
        .map(|of| {
            let name = shorten(&printable(&of.type_name), 24);
            format!("{name} {}", percent(share(of.copied_pages)))
        })
        .collect();
    types.join(", ")
}
