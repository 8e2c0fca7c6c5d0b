//! Which variables hold what was copied: asked at the end, of the process whose memory it was or
//! of one that still has it; else as it was when it was asked before.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use super::{
    Collector,
    copies::Addresses,
    early::{Seen, begun, ended},
    heaps::Heap,
    record::Record,
};
use crate::{
    run::{AlsoHeld, CopiedType, HeapWalk, Holder},
    writer::{Limits, Variable},
};

/// Heaps that are looked through: those with most copies.
const MAX_WALKS: usize = 4;
/// Time for all of them.
const TIME: Duration = Duration::from_secs(5);

impl Collector {
    /// Finds the variables, most pages first, and tells how they were looked for.
    pub(super) fn find_holders(&mut self) -> (Vec<Holder>, Vec<HeapWalk>) {
        let ends = Instant::now() + TIME;
        let copies = std::mem::take(&mut self.copies);
        self.loss.addresses_full += copies.dropped;
        let (mut holders, mut walks) = (Vec::new(), Vec::new());
        let mut others: Option<HeapWalk> = None;
        for (rank, (heap, addresses)) in copies.into_heaps().into_iter().enumerate() {
            if rank >= MAX_WALKS {
                let more = others.get_or_insert_with(|| HeapWalk {
                    failure: Some("too many processes passed memory on".into()),
                    ..begun(heap, &Addresses::default())
                });
                more.asked_pages += addresses.pages;
                more.by_page += addresses.by_page;
                continue;
            }
            let left = ends.saturating_duration_since(Instant::now());
            let (found, walk) = self.walk_heap(heap, addresses, left);
            let variables = found.variables.into_iter();
            add(&mut holders, variables.map(|it| holder(heap, it)));
            walks.push(walk);
        }
        walks.extend(others);
        holders.sort_by_key(|holder| Reverse(holder.copied_pages));
        (holders, walks)
    }

    /// Pages that a process has written since it is traced, copied or not.
    pub(super) fn written(&self, record: &Record) -> u64 {
        let totals = record
            .slot
            .map_or(record.totals, |slot| self.probe.tables.totals(slot));
        totals.copied_pages() + totals.reused
    }

    fn walk_heap(&mut self, heap: Heap, addresses: Addresses, time: Duration) -> Seen {
        let mut walk = begun(heap, &addresses);
        let keeper = self.records.keeper_of(heap, |record| self.written(record));
        let before = |collector: &mut Self| collector.early.of(heap);
        let Some(keeper) = keeper else {
            let why =
                "the processes that had this memory have exited or changed it; end the trace \
                       before they do"
                    .to_owned();
            return before(self).unwrap_or_else(|| ended(walk, Err(why)));
        };
        if keeper.has_changed
            && let Some(before) = before(self)
        {
            return before;
        }
        walk.read_process_id = Some(keeper.id);
        walk.has_changed = keeper.has_changed;
        let limits = Limits {
            time,
            ..Limits::default()
        };
        let (addresses, pages) = addresses.into_parts();
        let found = self
            .writers
            .objects(self.records.image_of(heap.process))
            .ok_or_else(|| "it runs no CPython that is known".to_owned())
            .and_then(|objects| objects.holders(keeper.pid, addresses, pages, limits));
        let now = ended(walk, found);
        // A process that is ending has given up what it had.
        before(self)
            .filter(|(before, _)| before.held_pages >= now.0.held_pages)
            .unwrap_or(now)
    }
}

fn holder(heap: Heap, variable: Variable) -> Holder {
    let typed = |(type_name, copied_pages)| CopiedType {
        type_name,
        copied_pages,
    };
    let held = |(path, copied_pages)| AlsoHeld { path, copied_pages };
    Holder {
        process_id: heap.process,
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
