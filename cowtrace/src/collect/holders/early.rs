//! Walks while the trace runs, because the traced processes may exit before its end: in a thread of their
//! own, one at a time.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    copies::CopiedAddresses,
    keepers::has_heirs,
    later::is_better,
    samples::ObjectSamples,
    together::{add_walk, put_in_order},
    view::TraceView,
    walk::{WalkResult, new_walk, walk_in_turn},
};
use crate::{
    collect::processes::{inheritance::Inheritance, records::Records},
    run::{HeapWalk, WhoHolds},
    stop::Stop,
    writer::{Found, Survey},
};

/// Copied pages for which a walk is worth it.
const LEAST_PAGES: u64 = 1024;
/// After a walk, the next one waits this many times as long as it took.
const PAUSE_PER_WALK: u32 = 20;
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// Before the first walk: a short trial run may last only a second.
const BEFORE_FIRST: Duration = Duration::from_millis(300);
/// Time limit of one walk, over all processes that it reads: the end of the trace may wait for it.
const TIME: Duration = Duration::from_secs(2);
/// Inheritances that may wait for a walk.
const MAX_WAITING: usize = 8;
/// Landmarks of a walk: two in each page of 1 GiB. With the copied addresses, a walk keeps 16 MiB.
const LANDMARKS: usize = 1 << 19;
/// Surveys that are kept.
const MAX_SURVEYS: usize = 4;

/// The walks that have ended, the one that runs, and those that wait.
#[derive(Default)]
pub(super) struct EarlyWalks {
    /// Whether inheritances are walked from time to time.
    is_regular: bool,
    due: Option<Instant>,
    waiting: VecDeque<Inheritance>,
    /// Inheritances of which an heir has exited since the last look.
    exits: Vec<Inheritance>,
    running: Option<RunningWalk>,
    /// The best result of each inheritance.
    results: HashMap<Inheritance, WalkResult>,
    /// Number of results that were kept.
    kept: u64,
}

struct RunningWalk {
    inheritance: Inheritance,
    began: Instant,
    thread: JoinHandle<WalkResult>,
}

impl EarlyWalks {
    /// Notes that a process has exited, and what it had inherited.
    pub(super) fn note_exit(&mut self, inheritance: Option<Inheritance>) {
        self.exits
            .extend(inheritance.filter(|inheritance| !self.exits.contains(inheritance)));
    }

    /// Has an inheritance walked as soon as possible.
    pub(super) fn request(&mut self, inheritance: Inheritance) {
        if self.waiting.len() < MAX_WAITING && !self.waiting.contains(&inheritance) {
            self.waiting.push_back(inheritance);
        }
    }

    /// Takes out the result of an inheritance, if there is one; [`with_later`](super::later::with_later)
    /// adds the copies that came later.
    pub(super) fn take(&mut self, inheritance: Inheritance) -> Option<WalkResult> {
        if self
            .running
            .as_ref()
            .is_some_and(|it| it.inheritance == inheritance)
        {
            self.end();
        }
        self.results.remove(&inheritance)
    }

    /// Puts a result back that [`Self::take`] took out.
    pub(super) fn put_back(&mut self, inheritance: Inheritance, seen: WalkResult) {
        self.results.insert(inheritance, seen);
    }

    /// Number of results that were kept so far: with another one, there is more to show.
    pub(super) const fn kept(&self) -> u64 {
        self.kept
    }

    /// What the walks that have ended found.
    pub(super) fn so_far(&self, records: &Records) -> WhoHolds {
        let mut all = WhoHolds::default();
        for (found, walk) in self.results.values() {
            let found = Found {
                variables: found.variables.clone(),
                ..Found::default()
            };
            add_walk(&mut all, (found, walk.clone()));
        }
        all.heap_walks.sort_by_key(|walk| Reverse(walk.asked_pages));
        put_in_order(&mut all, records);
        all
    }

    /// Waits for the running walk and keeps its result.
    fn end(&mut self) {
        let Some(it) = self.running.take() else {
            return;
        };
        let pause = it.began.elapsed() * PAUSE_PER_WALK;
        self.due = Instant::now().checked_add(pause.max(LEAST_PAUSE));
        if let Ok(seen) = it.thread.join() {
            self.keep(it.inheritance, seen);
        }
    }

    /// Keeps the result of a walk, unless an earlier walk found a larger part of the copied memory: an
    /// interpreter that ends frees its variables one after the other, and a walk may see it half done.
    /// The earlier walk's survey then attributes the copies made since.
    fn keep(&mut self, inheritance: Inheritance, seen: WalkResult) {
        let has_better = |(_, before): &WalkResult| is_ending(before, &seen.1);
        if seen.1.failure.is_none() && !self.results.get(&inheritance).is_some_and(has_better) {
            self.results.insert(inheritance, seen);
            self.kept += 1;
            self.bound_surveys();
        }
    }

    /// If there are too many surveys, forgets that of the inheritance of which least was copied.
    fn bound_surveys(&mut self) {
        let kept = self.results.values_mut();
        let mut kept: Vec<&mut WalkResult> =
            kept.filter(|seen| !seen.0.survey.is_empty()).collect();
        if kept.len() > MAX_SURVEYS {
            kept.sort_by_key(|(_, walk)| walk.asked_pages);
            kept[0].0.survey = Survey::default();
        }
    }

    /// Whether this number of copied pages is worth another walk: a quarter more than at the last one.
    fn is_worth_it(&self, inheritance: Inheritance, pages: u64) -> bool {
        let before = self
            .results
            .get(&inheritance)
            .map_or(0, |(_, walk)| walk.asked_pages);
        pages >= LEAST_PAGES.max(before + before / 4)
    }

    /// Has inheritances walked from time to time: the traced processes may end by themselves.
    pub(super) fn begin_regularly(&mut self) {
        self.is_regular = true;
        self.due = Instant::now().checked_add(BEFORE_FIRST);
    }

    /// Begins the next walk that is worth it, unless one is running.
    pub(super) fn begin_next(
        &mut self,
        copies: &CopiedAddresses,
        samples: &ObjectSamples,
        view: TraceView<'_>,
        now_ns: u64,
    ) {
        let is_running = |walk: &RunningWalk| !walk.thread.is_finished();
        if self.running.as_ref().is_some_and(is_running) {
            return;
        }
        self.end();
        // A master usually exits after its last worker.
        for inheritance in std::mem::take(&mut self.exits) {
            if !has_heirs(view.records, inheritance) {
                self.request(inheritance);
            }
        }
        let requested = self.waiting.pop_front();
        let is_due = self.is_regular && self.due.is_some_and(|due| due <= Instant::now());
        let mut most: Vec<(Inheritance, u64)> = copies
            .inheritances()
            .filter(|(inheritance, _)| is_due || requested == Some(*inheritance))
            .filter(|(inheritance, pages)| self.is_worth_it(*inheritance, *pages))
            .collect();
        most.sort_by_key(|(inheritance, pages)| (requested != Some(*inheritance), Reverse(*pages)));
        if let Some((inheritance, _)) = most.first() {
            self.begin(*inheritance, copies, samples, view, now_ns);
        }
    }

    fn begin(
        &mut self,
        inheritance: Inheritance,
        copies: &CopiedAddresses,
        samples: &ObjectSamples,
        view: TraceView<'_>,
        now_ns: u64,
    ) {
        let mut keepers = view.keepers_of(inheritance, samples);
        keepers.retain(|keeper| !keeper.has_changed);
        if keepers.is_empty() {
            return;
        }
        let Some(objects) = view.objects_of(inheritance) else {
            return;
        };
        let addresses = copies.so_far(inheritance);
        let walk = HeapWalk {
            at_ns: Some(now_ns),
            ..new_walk(inheritance, &addresses)
        };
        let deadline = Instant::now() + TIME;
        let run = move || {
            walk_in_turn(
                &objects,
                &walk,
                addresses,
                &keepers,
                (deadline, LANDMARKS, &Stop::default()),
            )
        };
        let thread = std::thread::Builder::new().name("walk".into()).spawn(run);
        self.running = thread.ok().map(|thread| RunningWalk {
            inheritance,
            began: Instant::now(),
            thread,
        });
    }
}

/// Whether a walk has found so much less than an earlier one that it was of a process that ends.
fn is_ending(before: &HeapWalk, now: &HeapWalk) -> bool {
    let (held, asked) = (now.held_pages, now.asked_pages.max(1));
    // The same part of the pages that are looked up now.
    let part = u128::from(before.held_pages) * u128::from(asked);
    let expected = u64::try_from(part / u128::from(before.asked_pages.max(1))).unwrap_or(u64::MAX);
    let has_lost = now.is_partial && !before.is_partial && held < expected;
    has_lost || is_better(expected, held, asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_of_an_interpreter_that_ends_does_not_replace_a_better_one() {
        let inheritance = Inheritance {
            process: 1,
            generation: 0,
        };
        let walk = |asked_pages, held_pages| HeapWalk {
            asked_pages,
            held_pages,
            ..HeapWalk::default()
        };
        let mut early = EarlyWalks::default();
        let mut kept_of = |walk| {
            early.keep(inheritance, (Found::default(), walk));
            early.results[&inheritance].1.asked_pages
        };
        assert_eq!(kept_of(walk(4_000, 3_900)), 4_000);
        assert_eq!(kept_of(walk(22_814, 228)), 4_000, "it was ending");
        assert_eq!(kept_of(walk(23_000, 22_500)), 23_000);
        assert_eq!(
            kept_of(walk(127_953, 101_354)),
            23_000,
            "of more, a smaller part"
        );
        let torn = HeapWalk {
            is_partial: true,
            ..walk(30_000, 29_000)
        };
        assert_eq!(kept_of(torn), 23_000);
        assert_eq!(kept_of(walk(30_000, 29_000)), 30_000, "less by little");
        let failed = HeapWalk {
            failure: Some("it has ended".into()),
            ..walk(40_000, 0)
        };
        assert_eq!(kept_of(failed), 30_000);
    }
}
