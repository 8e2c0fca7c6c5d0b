//! The walks at the end of the trace: of the process whose memory was copied, or of one that still has it.
//! If neither finds as much as an earlier walk did, the earlier result stays.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use super::{
    copies::{Addresses, CopiedAddresses},
    early::EarlyWalks,
    keepers::Keeper,
    later::{is_better, with_later},
    samples::ObjectSamples,
    together::{add_walk, put_in_order},
    view::TraceView,
    walk::{WalkResult, new_walk, result_of, walk_in_turn},
};
use crate::{
    collect::processes::inheritance::Inheritance,
    run::{HeapWalk, WhoHolds},
    stop::Stop,
    writer::Objects,
};

/// Groups that are walked: those of which most was copied.
const MAX_WALKS: usize = 4;
/// Time limit of all walks together, if none is of a large process.
const TIME: Duration = Duration::from_secs(5);
/// Of a large one, a walk may take as long as reading this many bytes a second does: a third of the slowest measured.
const BYTES_A_SECOND: u64 = 75 << 20;
/// But all together no longer than this.
const MOST_TIME: Duration = Duration::from_secs(30);

/// Memory of one process that one walk covers.
struct WalkGroup {
    /// Inheritances with their copied addresses: several if the process still has all of them.
    parts: Vec<(Inheritance, Addresses)>,
    /// The processes to read, in this order.
    keepers: Vec<Keeper>,
}

impl WalkGroup {
    fn pages(&self) -> u64 {
        self.parts
            .iter()
            .map(|(_, addresses)| addresses.pages)
            .sum()
    }

    /// The process that passed the memory on, if it still has it.
    fn owner(&self) -> Option<u32> {
        let (inheritance, _) = self.parts.first()?;
        let first = self.keepers.first()?;
        (first.id == inheritance.process && !first.has_changed).then_some(first.id)
    }
}

/// The walks at the end.
pub(super) struct LastWalks<'a> {
    samples: &'a ObjectSamples,
    early: &'a mut EarlyWalks,
    view: TraceView<'a>,
    began: Instant,
    /// Ends them.
    stop: Stop,
}

impl<'a> LastWalks<'a> {
    pub(super) fn new(
        samples: &'a ObjectSamples,
        early: &'a mut EarlyWalks,
        view: TraceView<'a>,
        stop: Stop,
    ) -> Self {
        Self {
            samples,
            early,
            view,
            began: Instant::now(),
            stop,
        }
    }

    /// Finds the variables that hold the copied addresses, most pages first, and how they were found.
    pub(super) fn find(mut self, copies: CopiedAddresses) -> WhoHolds {
        let mut found = WhoHolds::default();
        let mut others: Option<HeapWalk> = None;
        let mut groups = self.groups(copies);
        let beyond = groups.split_off(groups.len().min(MAX_WALKS));
        for group in groups {
            for result in self.walk_group(group) {
                add_walk(&mut found, result);
            }
        }
        for (inheritance, addresses) in beyond.into_iter().flat_map(|group| group.parts) {
            if let Some(before) = self.early.take(inheritance) {
                add_walk(&mut found, with_later(before, &addresses));
                continue;
            }
            let more = others.get_or_insert_with(|| HeapWalk {
                failure: Some("more processes passed memory on than cowtrace reads".into()),
                ..new_walk(inheritance, &Addresses::default())
            });
            more.asked_pages += addresses.pages;
            more.by_page += addresses.by_page;
        }
        found.heap_walks.extend(others);
        put_in_order(&mut found, self.view.records);
        found
    }

    /// What to walk, most pages first. A process that still has all that it passed on, at whichever
    /// fork, is walked once.
    fn groups(&self, copies: CopiedAddresses) -> Vec<WalkGroup> {
        let mut groups: Vec<WalkGroup> = Vec::new();
        for (inheritance, addresses) in copies.into_inheritances() {
            let group = WalkGroup {
                keepers: self.view.keepers_of(inheritance, self.samples),
                parts: vec![(inheritance, addresses)],
            };
            let owner = group.owner();
            let same = groups
                .iter_mut()
                .find(|known| owner.is_some() && known.owner() == owner);
            match same {
                Some(known) => known.parts.extend(group.parts),
                None => groups.push(group),
            }
        }
        groups.sort_by_key(|group| Reverse(group.pages()));
        groups
    }

    fn walk_group(&mut self, mut group: WalkGroup) -> Vec<WalkResult> {
        if group.parts.len() == 1 {
            let parts = group.parts.into_iter();
            return parts
                .map(|(inheritance, addresses)| {
                    self.walk_part(inheritance, addresses, &group.keepers)
                })
                .collect();
        }
        let mut all = Addresses::default();
        for (_, addresses) in &group.parts {
            all.join(addresses.clone());
        }
        let first = group.parts[0].0;
        let now = self.walk(first, all, &group.keepers[..1]);
        let held_before = self.held_before(&group.parts);
        if now.1.failure.is_none() && !is_better(held_before, now.1.held_pages, now.1.asked_pages) {
            return vec![now];
        }
        // It is exiting, or has exited: others may still have what it has freed.
        let owner = group.keepers.remove(0);
        let parts = group.parts.into_iter();
        parts
            .map(|(inheritance, addresses)| {
                let mut keepers = self.view.keepers_of(inheritance, self.samples);
                keepers.retain(|keeper| keeper.id != owner.id);
                self.walk_part(inheritance, addresses, &keepers)
            })
            .collect()
    }

    /// Pages whose variable the earlier walks found.
    fn held_before(&mut self, parts: &[(Inheritance, Addresses)]) -> u64 {
        parts
            .iter()
            .filter_map(|(inheritance, addresses)| {
                let before = self.early.take(*inheritance)?;
                let (_, walk) = with_later(before.clone(), addresses);
                self.early.put_back(*inheritance, before);
                Some(walk.held_pages)
            })
            .sum()
    }

    fn walk_part(
        &mut self,
        inheritance: Inheritance,
        addresses: Addresses,
        keepers: &[Keeper],
    ) -> WalkResult {
        let before = self.early.take(inheritance);
        let before = before.map(|before| with_later(before, &addresses));
        let has_changed = keepers.first().is_none_or(|keeper| keeper.has_changed);
        if has_changed && let Some(before) = before {
            return before;
        }
        let now = self.walk(inheritance, addresses, keepers);
        // A process that is exiting has freed what it had.
        let has_failed = now.1.failure.is_some();
        before
            .filter(|(_, before)| {
                has_failed || is_better(before.held_pages, now.1.held_pages, now.1.asked_pages)
            })
            .unwrap_or(now)
    }

    /// Walks the first of the processes that can be read to the end.
    fn walk(
        &self,
        inheritance: Inheritance,
        addresses: Addresses,
        keepers: &[Keeper],
    ) -> WalkResult {
        let walk = new_walk(inheritance, &addresses);
        let Some(objects) = self.view.objects_of(inheritance) else {
            return result_of(
                walk,
                Err("cowtrace found no CPython in it that it can read".into()),
            );
        };
        let deadline = self.deadline(&objects, keepers);
        walk_in_turn(
            &objects,
            &walk,
            addresses,
            keepers,
            (deadline, 0, &self.stop),
        )
    }

    /// Until when a walk may take: what holds the copies is not known if it is cut short.
    fn deadline(&self, objects: &Objects, keepers: &[Keeper]) -> Instant {
        let first = keepers.first();
        let resident = first.map_or(0, |first| objects.resident_bytes(first.pid));
        let needed = Instant::now() + Duration::from_secs(resident / BYTES_A_SECOND);
        needed.clamp(self.began + TIME, self.began + MOST_TIME)
    }
}
