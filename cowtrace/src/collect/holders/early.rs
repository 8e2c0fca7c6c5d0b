//! Variables that are looked for while the trace goes on, because what is traced may be gone before
//! its end: beside the trace, in a thread of its own, one walk at a time.

use std::{
    collections::{HashMap, VecDeque},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{at_end::ask_in_turn, copies::Addresses, keepers::has_heirs, later::is_better};
use crate::{
    collect::{Collector, processes::inheritance::Inheritance},
    memory,
    run::HeapWalk,
    writer::{Found, Survey},
};

/// Copied pages for which a walk is worth it.
const LEAST_PAGES: u64 = 1024;
/// Walks take at most this part of the time, but for the first.
const TIME_PART: u32 = 20;
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// A program that is tried out may be over in a second.
const BEFORE_FIRST: Duration = Duration::from_millis(300);
/// Time of one, whoever is asked: it may be waited for at the end.
const TIME: Duration = Duration::from_secs(2);
/// Heaps that wait to be looked through.
const MAX_WAITING: usize = 8;
/// Landmarks of a walk: two in each page of 1 GiB. With what is copied, 16 MiB are kept of a walk.
const LANDMARKS: usize = 1 << 19;
/// Walks whose surveys are kept.
const MAX_SURVEYS: usize = 4;

/// What was found in a heap.
pub(in crate::collect) type Seen = (Found, HeapWalk);

/// Walks that were made, are to be made, and the one under way.
#[derive(Default)]
pub(in crate::collect) struct Early {
    /// Whether heaps are looked through from time to time.
    is_regular: bool,
    due: Option<Instant>,
    waiting: VecDeque<Inheritance>,
    /// Heaps of which a process has exited that had inherited them.
    exits: Vec<Inheritance>,
    under_way: Option<UnderWay>,
    seen: HashMap<Inheritance, Seen>,
}

struct UnderWay {
    inheritance: Inheritance,
    began: Instant,
    thread: JoinHandle<Seen>,
}

impl Early {
    /// Notes that a process has exited that had inherited a heap.
    pub(in crate::collect) fn note_exit(&mut self, inheritance: Option<Inheritance>) {
        self.exits
            .extend(inheritance.filter(|inheritance| !self.exits.contains(inheritance)));
    }

    /// Has a heap looked through as soon as may be.
    pub(in crate::collect) fn ask(&mut self, inheritance: Inheritance) {
        if self.waiting.len() < MAX_WAITING && !self.waiting.contains(&inheritance) {
            self.waiting.push_back(inheritance);
        }
    }

    /// What was found in a heap, if it was looked through; copies that came later are added by
    /// [`with_later`](super::later::with_later).
    pub(in crate::collect) fn of(&mut self, inheritance: Inheritance) -> Option<Seen> {
        if self
            .under_way
            .as_ref()
            .is_some_and(|it| it.inheritance == inheritance)
        {
            self.end();
        }
        self.seen.remove(&inheritance)
    }

    /// Keeps what was found for another time.
    pub(in crate::collect) fn put_back(&mut self, inheritance: Inheritance, seen: Seen) {
        self.seen.insert(inheritance, seen);
    }

    /// Takes what the walk under way finds, and waits for it.
    fn end(&mut self) {
        let Some(it) = self.under_way.take() else {
            return;
        };
        let pause = it.began.elapsed() * TIME_PART;
        self.due = Instant::now().checked_add(pause.max(LEAST_PAUSE));
        if let Ok(seen) = it.thread.join() {
            self.keep(it.inheritance, seen);
        }
    }

    /// Keeps the result of a walk, unless an earlier walk found a larger part of the copied memory: an
    /// interpreter that ends frees its variables one after the other, and a walk may see it half done.
    /// The earlier walk's survey then attributes the copies made since.
    fn keep(&mut self, inheritance: Inheritance, seen: Seen) {
        let has_better = |(_, before): &Seen| is_ending(before, &seen.1);
        if seen.1.failure.is_none() && !self.seen.get(&inheritance).is_some_and(has_better) {
            self.seen.insert(inheritance, seen);
            self.bound_surveys();
        }
    }

    /// Forgets the survey of which least was copied, where there are too many.
    fn bound_surveys(&mut self) {
        let kept = self.seen.values_mut();
        let mut kept: Vec<&mut Seen> = kept.filter(|seen| !seen.0.survey.is_empty()).collect();
        if kept.len() > MAX_SURVEYS {
            kept.sort_by_key(|(_, walk)| walk.asked_pages);
            kept[0].0.survey = Survey::default();
        }
    }

    fn asked_pages(&self, inheritance: Inheritance) -> u64 {
        self.seen
            .get(&inheritance)
            .map_or(0, |(_, walk)| walk.asked_pages)
    }

    /// Whether so many copies are a reason to look again: a quarter more than the last time.
    fn is_worth_it(&self, inheritance: Inheritance, pages: u64) -> bool {
        let before = self.asked_pages(inheritance);
        pages >= LEAST_PAGES.max(before + before / 4)
    }
}

impl Collector {
    /// Has variables looked for from time to time: what is traced may end by itself.
    pub fn walk_regularly(&mut self) {
        self.early.is_regular = true;
        self.early.due = Instant::now().checked_add(BEFORE_FIRST);
    }

    /// Notes that a process forks, and tells what heap its child has. One that is not passed on any
    /// more is looked through: it is there only as long as those that have it.
    pub(in crate::collect) fn pass_on(&mut self, process: u32, pages: u64) -> Inheritance {
        let record = self.processes.records().get(process);
        let written = record.map_or(0, |record| self.written(record));
        let pid = record.map(|record| record.pid);
        let contents = &self.contents;
        let kept = |inheritance| {
            contents.kept_part(inheritance, |at, to| {
                pid.is_some_and(|pid| memory::read(pid, at, to))
            })
        };
        let (inheritance, is_other) = self
            .processes
            .records_mut()
            .pass_on(process, written, pages, kept);
        if is_other {
            self.early.ask(Inheritance {
                generation: inheritance.generation - 1,
                ..inheritance
            });
        }
        inheritance
    }

    /// Begins the next walk that is worth it, unless one is under way.
    pub fn walk_early(&mut self) {
        if self
            .early
            .under_way
            .as_ref()
            .is_some_and(|it| !it.thread.is_finished())
        {
            return;
        }
        self.early.end();
        // A master tends to end after its last worker.
        for inheritance in std::mem::take(&mut self.early.exits) {
            if !has_heirs(self.processes.records(), inheritance) {
                self.early.ask(inheritance);
            }
        }
        let asked = self.early.waiting.pop_front();
        let is_due =
            self.early.is_regular && self.early.due.is_some_and(|due| due <= Instant::now());
        let mut most: Vec<(Inheritance, u64)> = self
            .copies
            .inheritances()
            .filter(|(inheritance, _)| is_due || asked == Some(*inheritance))
            .filter(|(inheritance, pages)| self.early.is_worth_it(*inheritance, *pages))
            .collect();
        most.sort_by_key(|(inheritance, pages)| {
            (asked != Some(*inheritance), std::cmp::Reverse(*pages))
        });
        if let Some((inheritance, _)) = most.first() {
            self.begin_walk(*inheritance);
        }
    }

    fn begin_walk(&mut self, inheritance: Inheritance) {
        let mut keepers = self.keepers_of(inheritance);
        keepers.retain(|keeper| !keeper.has_changed);
        if keepers.is_empty() {
            return;
        }
        let Some(objects) = self
            .writers
            .objects(self.processes.records().image_of(inheritance.process))
        else {
            return;
        };
        let addresses = self.copies.so_far(inheritance);
        let walk = HeapWalk {
            at_ns: Some(self.clock.elapsed_ns()),
            ..begun(inheritance, &addresses)
        };
        let ends = Instant::now() + TIME;
        let look = move || ask_in_turn(&objects, &walk, addresses, &keepers, (ends, LANDMARKS));
        let thread = std::thread::Builder::new().name("walk".into()).spawn(look);
        self.early.under_way = thread.ok().map(|thread| UnderWay {
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
    has_lost || is_better(expected, held)
}

/// A walk that nothing is known of yet.
pub(in crate::collect) fn begun(inheritance: Inheritance, addresses: &Addresses) -> HeapWalk {
    HeapWalk {
        process_id: inheritance.process,
        asked_pages: addresses.pages,
        by_page: addresses.by_page,
        ..HeapWalk::default()
    }
}

/// What a walk has found, and how.
pub(in crate::collect) fn ended(walk: HeapWalk, found: Result<Found, String>) -> Seen {
    match found {
        Ok(found) => {
            let walk = HeapWalk {
                held_pages: found.held_pages,
                objects: found.objects,
                bytes_read: found.bytes_read,
                duration_ns: found.duration_ns,
                is_partial: found.is_partial,
                is_compared: found.is_compared,
                ..walk
            };
            (found, walk)
        }
        Err(why) => {
            let walk = HeapWalk {
                failure: Some(why),
                ..walk
            };
            (Found::default(), walk)
        }
    }
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
        let mut early = Early::default();
        let mut kept_of = |walk| {
            early.keep(inheritance, (Found::default(), walk));
            early.seen[&inheritance].1.asked_pages
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
