//! Which variables hold what was copied: asked at the end, of the process whose memory it was or
//! of one that still has it; else as it was when it was asked before.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use super::{
    copies::Addresses,
    early::{Seen, begun, ended},
    keepers::{Keeper, keepers_of},
    later::{is_better, with_later},
};
use crate::{
    collect::{
        Collector,
        processes::{inheritance::Inheritance, record::Record},
    },
    memory,
    run::{AlsoHeld, CopiedType, HeapWalk, Holder},
    writer::{Found, Limits, Objects, Variable},
};

/// Times that memory is looked through: that of which most was copied.
const MAX_WALKS: usize = 4;
/// Processes that are asked one after the other, where one after the other ends.
const MOST_ASKED: usize = 8;
const GONE: &str =
    "the processes that had this memory have exited or changed it; end the trace before they do";
/// Time for all of them.
const TIME: Duration = Duration::from_secs(5);

/// Memory of one process that is looked through at once.
struct Group {
    /// Heaps, with what was copied of each: several where the process still has them all.
    inheritances: Vec<(Inheritance, Addresses)>,
    /// Those to ask, in this order.
    keepers: Vec<Keeper>,
}

impl Group {
    fn pages(&self) -> u64 {
        self.inheritances
            .iter()
            .map(|(_, addresses)| addresses.pages)
            .sum()
    }

    /// The process, if it still has what it passed on.
    fn owner(&self) -> Option<u32> {
        let (inheritance, _) = self.inheritances.first()?;
        let first = self.keepers.first()?;
        (first.id == inheritance.process && !first.has_changed).then_some(first.id)
    }

    /// The processes to ask about each heap, once its own process is gone.
    fn apart(self) -> impl Iterator<Item = (Inheritance, Addresses)> {
        self.inheritances.into_iter()
    }
}

impl Collector {
    /// Finds the variables, most pages first, and tells how they were looked for.
    pub(in crate::collect) fn find_holders(&mut self) -> (Vec<Holder>, Vec<HeapWalk>) {
        let ends = Instant::now() + TIME;
        let (mut holders, mut walks) = (Vec::new(), Vec::new());
        let mut others: Option<HeapWalk> = None;
        for (rank, group) in self.groups().into_iter().enumerate() {
            if rank >= MAX_WALKS {
                for (inheritance, addresses) in group.apart() {
                    if let Some(before) = self.early.of(inheritance) {
                        let (found, walk) = with_later(before, &addresses);
                        tell(&mut holders, &mut walks, found, walk);
                        continue;
                    }
                    let more = others.get_or_insert_with(|| HeapWalk {
                        failure: Some("too many processes passed memory on".into()),
                        ..begun(inheritance, &Addresses::default())
                    });
                    more.asked_pages += addresses.pages;
                    more.by_page += addresses.by_page;
                }
                continue;
            }
            for (found, walk) in self.walk_group(group, ends) {
                tell(&mut holders, &mut walks, found, walk);
            }
        }
        walks.extend(others);
        holders.sort_by_key(|holder| Reverse(holder.copied_pages));
        self.number_as_in_run(&mut holders, &mut walks);
        (holders, walks)
    }

    /// Those whose records were joined have another number in the run.
    fn number_as_in_run(&self, holders: &mut [Holder], walks: &mut [HeapWalk]) {
        for holder in holders {
            holder.process_id = self.processes.records().id_in_run(holder.process_id);
        }
        for walk in walks {
            walk.process_id = self.processes.records().id_in_run(walk.process_id);
            let read = walk.read_process_id;
            walk.read_process_id = read.map(|id| self.processes.records().id_in_run(id));
        }
    }

    /// What is to be looked through, most pages first. A process that has all that it passed on, at
    /// whichever fork, is looked through once.
    fn groups(&mut self) -> Vec<Group> {
        let copies = std::mem::take(&mut self.copies);
        self.loss.addresses_full += copies.dropped;
        let mut groups: Vec<Group> = Vec::new();
        for (inheritance, addresses) in copies.into_inheritances() {
            let group = Group {
                keepers: self.keepers_of(inheritance),
                inheritances: vec![(inheritance, addresses)],
            };
            let owner = group.owner();
            let same = groups
                .iter_mut()
                .find(|known| owner.is_some() && known.owner() == owner);
            match same {
                Some(known) => known.inheritances.extend(group.inheritances),
                None => groups.push(group),
            }
        }
        groups.sort_by_key(|group| Reverse(group.pages()));
        groups
    }

    /// Living processes to ask for a heap, in this order.
    pub(in crate::collect) fn keepers_of(&self, inheritance: Inheritance) -> Vec<Keeper> {
        let kept = |record: &Record| {
            let part = self
                .contents
                .kept_part(inheritance, |at, to| memory::read(record.pid, at, to));
            log::debug!(
                "process {} still has {part:?} of {inheritance:?}",
                record.pid
            );
            part
        };
        keepers_of(
            self.processes.records(),
            inheritance,
            |record| self.written(record),
            kept,
        )
    }

    /// Pages that a process has written since it is traced, copied or not: each once for every fork.
    pub(in crate::collect) fn written(&self, record: &Record) -> u64 {
        let totals = record
            .slot
            .map_or(record.totals, |slot| self.probe.tables.totals(slot));
        totals.copied_pages() + totals.reused
    }

    fn walk_group(&mut self, mut group: Group, ends: Instant) -> Vec<Seen> {
        if group.inheritances.len() == 1 {
            let inheritances = group.inheritances.into_iter();
            return inheritances
                .map(|(inheritance, addresses)| {
                    self.walk_heap(inheritance, addresses, &group.keepers, ends)
                })
                .collect();
        }
        let mut all = Addresses::default();
        for (_, addresses) in &group.inheritances {
            all.join(addresses.clone());
        }
        let first = group.inheritances[0].0;
        let now = self.ask(first, all, &group.keepers[..1], ends);
        let inheritances = group.inheritances.iter();
        let held: u64 = inheritances
            .filter_map(|(inheritance, addresses)| {
                let before = self.early.of(*inheritance)?;
                let (_, walk) = with_later(before.clone(), addresses);
                self.early.put_back(*inheritance, before);
                Some(walk.held_pages)
            })
            .sum();
        if now.1.failure.is_none() && !is_better(held, now.1.held_pages) {
            return vec![now];
        }
        // It is ending, or has ended: others may have what it has given up.
        let owner = group.keepers.remove(0);
        let inheritances = group.apart();
        inheritances
            .map(|(inheritance, addresses)| {
                let mut keepers = self.keepers_of(inheritance);
                keepers.retain(|keeper| keeper.id != owner.id);
                self.walk_heap(inheritance, addresses, &keepers, ends)
            })
            .collect()
    }

    fn walk_heap(
        &mut self,
        inheritance: Inheritance,
        addresses: Addresses,
        keepers: &[Keeper],
        ends: Instant,
    ) -> Seen {
        let before = self.early.of(inheritance);
        let before = before.map(|before| with_later(before, &addresses));
        let has_changed = keepers.first().is_none_or(|keeper| keeper.has_changed);
        if has_changed && let Some(before) = before {
            return before;
        }
        let now = self.ask(inheritance, addresses, keepers, ends);
        // A process that is ending has given up what it had.
        let has_failed = now.1.failure.is_some();
        before
            .filter(|(_, before)| has_failed || is_better(before.held_pages, now.1.held_pages))
            .unwrap_or(now)
    }

    /// Looks through the first process that can be, until all of them have to end.
    fn ask(
        &self,
        inheritance: Inheritance,
        addresses: Addresses,
        keepers: &[Keeper],
        ends: Instant,
    ) -> Seen {
        let walk = begun(inheritance, &addresses);
        let objects = self
            .writers
            .objects(self.processes.records().image_of(inheritance.process));
        let Some(objects) = objects else {
            return ended(walk, Err("it runs no CPython that is known".into()));
        };
        ask_in_turn(&objects, &walk, addresses, keepers, (ends, 0))
    }
}

/// Looks through one process after the other, until one has not ended meanwhile; until when, and with how
/// many landmarks.
pub(in crate::collect) fn ask_in_turn(
    objects: &Objects,
    walk: &HeapWalk,
    addresses: Addresses,
    keepers: &[Keeper],
    (ends, landmarks): (Instant, usize),
) -> Seen {
    let (addresses, pages) = addresses.into_parts();
    first_that_stays(walk, keepers, |keeper| {
        let limits = Limits {
            time: ends.saturating_duration_since(Instant::now()),
            landmarks,
            ..Limits::default()
        };
        objects.holders(keeper.pid, addresses.clone(), pages.clone(), limits)
    })
}

fn first_that_stays(
    walk: &HeapWalk,
    keepers: &[Keeper],
    look: impl Fn(&Keeper) -> Result<Found, String>,
) -> Seen {
    let mut last = ended(walk.clone(), Err(GONE.into()));
    for keeper in keepers.iter().take(MOST_ASKED) {
        let walk = HeapWalk {
            read_process_id: Some(keeper.id),
            has_changed: keeper.has_changed,
            ..walk.clone()
        };
        last = ended(walk, look(keeper));
        if last.1.failure.is_none() {
            break;
        }
    }
    last
}

/// Adds what a walk found to what others did.
fn tell(holders: &mut Vec<Holder>, walks: &mut Vec<HeapWalk>, found: Found, walk: HeapWalk) {
    let variables = found.variables.into_iter();
    add(holders, variables.map(|it| holder(walk.process_id, it)));
    walks.push(walk);
}

fn holder(process_id: u32, variable: Variable) -> Holder {
    let typed = |(type_name, copied_pages)| CopiedType {
        type_name,
        copied_pages,
    };
    let held = |(path, copied_pages)| AlsoHeld { path, copied_pages };
    Holder {
        process_id,
        path: variable.path,
        type_name: variable.type_name,
        entries: variable.entries,
        copied_pages: variable.copied_pages,
        copied_types: variable.types.into_iter().map(typed).collect(),
        also_held_by: variable.also_held_by.into_iter().map(held).collect(),
    }
}

/// Adds the variables of a heap: one that a process had before, with as many entries, is the same.
fn add(holders: &mut Vec<Holder>, more: impl Iterator<Item = Holder>) {
    for one in more {
        let same = holders.iter_mut().find(|known| {
            let what = |holder: &Holder| (holder.process_id, holder.entries);
            what(known) == what(&one) && known.path == one.path && known.type_name == one.type_name
        });
        let Some(same) = same else {
            holders.push(one);
            continue;
        };
        same.copied_pages += one.copied_pages;
        for of in one.copied_types {
            let known = &mut same.copied_types;
            match known.iter_mut().find(|it| it.type_name == of.type_name) {
                Some(known) => known.copied_pages += of.copied_pages,
                None => known.push(of),
            }
        }
        for other in one.also_held_by {
            let known = &mut same.also_held_by;
            match known.iter_mut().find(|it| it.path == other.path) {
                Some(known) => known.copied_pages += other.copied_pages,
                None => known.push(other),
            }
        }
        same.copied_types.sort_by_key(|it| Reverse(it.copied_pages));
        same.also_held_by.sort_by_key(|it| Reverse(it.copied_pages));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(id: u32) -> Keeper {
        Keeper {
            id,
            pid: 100 + id,
            has_changed: id == 3,
        }
    }

    /// Who is read at last, of those of whom all below a number end meanwhile.
    fn asked(keepers: &[Keeper], stays_from: u32) -> (Vec<u32>, HeapWalk) {
        let asked = std::cell::RefCell::new(Vec::new());
        let (_, walk) = first_that_stays(&HeapWalk::default(), keepers, |keeper| {
            asked.borrow_mut().push(keeper.id);
            if keeper.id < stays_from {
                return Err("it ended while it was looked through".into());
            }
            Ok(Found {
                held_pages: 7,
                ..Found::default()
            })
        });
        (asked.into_inner(), walk)
    }

    #[test]
    fn a_process_that_ends_while_it_is_looked_through_is_followed_by_the_next() {
        let keepers = [1, 2, 3].map(keeper);
        let (who, walk) = asked(&keepers, 2);
        assert_eq!(who, [1, 2]);
        assert_eq!((walk.read_process_id, walk.held_pages), (Some(2), 7));
        assert!(walk.failure.is_none() && !walk.has_changed);
        let (who, walk) = asked(&keepers, 3);
        assert_eq!((who.len(), walk.has_changed), (3, true));
    }

    #[test]
    fn where_all_end_the_failure_is_told_of_the_last_and_nothing_is_found() {
        let keepers = [1, 2].map(keeper);
        let (_, walk) = asked(&keepers, 9);
        assert_eq!((walk.read_process_id, walk.held_pages), (Some(2), 0));
        assert!(walk.failure.is_some());
        let (_, walk) = asked(&[], 0);
        assert_eq!(walk.failure.as_deref(), Some(GONE));
        assert_eq!(walk.read_process_id, None);
    }
}
