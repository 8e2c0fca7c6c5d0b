//! Copies of memory that was free in the process that passed it on: workers put new objects there.

use super::advice_item::Advice;
use crate::{
    run::{FreeMemory, HeapWalk, Run},
    words::{percent, size},
};

/// From this share of the copies on, there is advice about it.
const ADVICE_SHARE: f64 = 0.1;
/// Allocators with a smaller share of them are not named.
const PART_SHARE: f64 = 0.1;
/// From this share of the copies on, they are more about new objects than about inherited ones.
const MAIN_SHARE: f64 = 0.5;

/// Copies of free memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FreePages {
    /// By allocator, most pages first.
    pub(crate) by_allocator: Vec<FreeMemory>,
    /// Of all copies.
    pub(crate) share: f64,
}

impl FreePages {
    /// `None` if there are none, or that was not looked for.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let mut by_allocator: Vec<FreeMemory> = Vec::new();
        let walks = run.who_holds.heap_walks.iter();
        for of_walk in walks
            .filter(|walk| is_of_fork(walk))
            .flat_map(|it| &it.free)
        {
            let mut known = by_allocator.iter_mut();
            match known.find(|it| it.allocator == of_walk.allocator) {
                Some(known) => {
                    known.copied_pages += of_walk.copied_pages;
                    known.in_use_bytes += of_walk.in_use_bytes;
                    known.free_bytes += of_walk.free_bytes;
                }
                None => by_allocator.push(*of_walk),
            }
        }
        by_allocator.sort_by_key(|it| std::cmp::Reverse(it.copied_pages));
        let pages: u64 = by_allocator.iter().map(|it| it.copied_pages).sum();
        let all = run.copied().total().max(pages);
        (pages > 0).then(|| Self {
            by_allocator,
            share: pages as f64 / all as f64,
        })
    }

    pub(crate) fn pages(&self) -> u64 {
        self.by_allocator.iter().map(|it| it.copied_pages).sum()
    }

    /// The share of these pages that the process that passed them on uses.
    fn used_part(&self, run: &Run) -> f64 {
        let in_use: u64 = self.by_allocator.iter().map(|it| it.in_use_bytes).sum();
        in_use as f64 / run.bytes(self.pages()).max(1) as f64
    }

    /// Names of the allocators that have a share worth a word.
    pub(crate) fn allocators(&self) -> String {
        let least = self.pages() as f64 * PART_SHARE;
        let shown = |it: &&FreeMemory| it.copied_pages as f64 >= least;
        let names = self.by_allocator.iter().filter(shown);
        let names: Vec<&str> = names.map(|it| it.allocator.name()).collect();
        names.join(", ")
    }

    /// Whether most of what was copied is new objects.
    pub(crate) fn are_most(&self) -> bool {
        self.share >= MAIN_SHARE
    }
}

/// Whether what a walk found free was so when the memory was passed on, as far as can be told.
const fn is_of_fork(walk: &HeapWalk) -> bool {
    walk.failure.is_none() && !walk.has_changed
}

/// Pages of a walk that were free memory.
pub(super) fn free_pages_of_walk(walk: &HeapWalk) -> u64 {
    if is_of_fork(walk) {
        walk.free.iter().map(|it| it.copied_pages).sum()
    } else {
        0
    }
}

/// A sentence for the answer; none if it is not much.
pub(super) fn free_memory_in_words(run: &Run) -> Option<String> {
    let free = FreePages::of(run).filter(|free| free.share >= ADVICE_SHARE)?;
    Some(format!(
        "{} of the copied memory was free in the master: the workers put new objects there.",
        percent(free.share)
    ))
}

/// A note for the rows of free memory; none if there are none.
pub(super) fn note_on_free_memory(run: &Run) -> Option<String> {
    let free = FreePages::of(run)?;
    Some(format!(
        "Free memory of the master is what it had given back to its allocator. Workers put new objects \
         there, which need memory anyway; what the master uses takes {} of these pages.",
        percent(free.used_part(run))
    ))
}

/// Adds what to do about holes in the master's heap: first if most copies are of them, last otherwise.
pub(super) fn add_advice_on_free_memory(run: &Run, all: &mut Vec<Advice>) {
    let free = FreePages::of(run).filter(|free| free.share >= ADVICE_SHARE);
    if let Some(free) = free {
        let place = if free.are_most() { 0 } else { all.len() };
        all.insert(place, advice_on_holes(run, &free));
    }
}

fn advice_on_holes(run: &Run, free: &FreePages) -> Advice {
    let in_use: u64 = free.by_allocator.iter().map(|it| it.in_use_bytes).sum();
    let unused: u64 = free.by_allocator.iter().map(|it| it.free_bytes).sum();
    let because = format!(
        "{} of the copies are of memory that was free in the master: it had made objects and freed them, its \
         heap kept the holes, and the workers put new objects there. They need memory for these anyway: \
         without holes the workers would save what the master uses of these pages, which is {} of them, and \
         the master its holes, {} or more. Load temporary data in a child process that hands over what \
         stays, or copy what stays before the rest is freed. malloc_trim() does not reach the holes of \
         CPython's own allocator.",
        percent(free.share),
        percent(free.used_part(run)),
        size(unused)
    );
    let what = "loading in a child process: its holes end with it";
    Advice::helping(what, because, in_use)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        run::Allocator,
        verdict::{CauseIs, HeldPages, remedies::advice_by_cause, walks::notes_on_walks},
    };

    const SERVICE: &str = include_str!("../../../tests/tests/runs/service.json");

    /// A run whose first walk found this many pages of 8,491 in pools, a quarter of them in use.
    fn run(pages: u64) -> Run {
        let mut run: Run = serde_json::from_str(SERVICE).unwrap();
        let walk = &mut run.who_holds.heap_walks[0];
        let free = |allocator, copied_pages| FreeMemory {
            allocator,
            copied_pages,
            in_use_bytes: copied_pages * 1024,
            free_bytes: copied_pages * 3072 / 2,
        };
        walk.held_pages = 100;
        walk.is_partial = false;
        walk.free = vec![
            free(Allocator::Malloc, 40),
            free(Allocator::Pymalloc, pages),
        ];
        run.who_holds.holders.clear();
        run
    }

    #[test]
    fn pages_are_added_up_unless_the_memory_has_changed() {
        let mut run = run(6000);
        let free = FreePages::of(&run).unwrap();
        assert_eq!(
            (free.pages(), free.allocators().as_str()),
            (6040, "pymalloc")
        );
        assert!((free.used_part(&run) - 0.25).abs() < 1e-9);
        let held = HeldPages::of(&run).unwrap();
        assert_eq!((held.found, held.free), (100, 6040));
        let missing: Vec<u64> = held.missing().iter().map(|it| it.0).collect();
        assert_eq!(missing[..3], [8480 - 6140, 0, 0]);
        run.who_holds.heap_walks[0].has_changed = true;
        assert_eq!(FreePages::of(&run), None);
        let held = HeldPages::of(&run).unwrap();
        assert_eq!((held.free, held.missing()[2].0), (0, 8380));
        run.who_holds.heap_walks[0].free.clear();
        run.who_holds.heap_walks[0].has_changed = false;
        assert_eq!(FreePages::of(&run), None);
    }

    #[test]
    fn the_card_names_it_with_its_cause_and_what_would_be_saved() {
        let run = run(6000);
        let card = crate::verdict::Card::of(&run);
        let copies = card.copies.unwrap();
        let first = &copies.variables[0];
        assert_eq!(first.path, "free memory of the master");
        assert_eq!(first.bytes, run.bytes(6040));
        let is_new = |is: CauseIs| is == CauseIs::NewObjects;
        let new = copies.causes.iter().find(|it| is_new(it.is));
        // Of no other kind there are not as many here.
        assert!(new.is_none_or(|it| it.share <= first.share));
        let advice = advice_by_cause(&run);
        let advice = advice
            .iter()
            .find(|it| it.what.starts_with("loading in a child"));
        let advice = advice.unwrap();
        assert_eq!(advice.saves_at_most_bytes, Some(6040 * 1024));
        assert!(
            advice.because.contains("25 % of them"),
            "{}",
            advice.because
        );
        // With these, three quarters of the copies are explained.
        let notes = notes_on_walks(&self::run(6600));
        assert!(
            notes.iter().any(|it| it.contains("25 % of these pages")),
            "{notes:?}"
        );
        assert!(
            !notes.iter().any(|it| it.contains("was freed before")),
            "{notes:?}"
        );
    }

    #[test]
    fn a_little_gets_no_advice() {
        let run = run(300);
        let advice = advice_by_cause(&run);
        assert!(
            !advice
                .iter()
                .any(|it| it.what.contains("in a child process"))
        );
        assert!(free_memory_in_words(&run).is_none());
        assert!(!FreePages::of(&run).unwrap().are_most());
    }
}
