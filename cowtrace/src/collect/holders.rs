//! Which variables hold what was copied: asked at the end, of the process whose memory it was or
//! of one that still has it.

use std::time::{Duration, Instant};

use super::{Collector, copies::Addresses};
use crate::{
    run::{AlsoHeld, CopiedType, HeapWalk, Holder},
    writer::{Found, Limits},
};

/// Processes whose memory is looked through: those with most copies.
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
        for (id, addresses) in copies.into_heaps().into_iter().take(MAX_WALKS) {
            let left = ends.saturating_duration_since(Instant::now());
            let (found, walk) = self.walk_heap(id, addresses, left);
            let process_id = walk.process_id;
            walks.push(walk);
            holders.extend(found.variables.into_iter().map(|variable| {
                Holder {
                    process_id,
                    path: variable.path,
                    type_name: variable.type_name,
                    entries: variable.entries,
                    copied_pages: variable.copied_pages,
                    copied_types: variable
                        .types
                        .into_iter()
                        .map(|(type_name, copied_pages)| CopiedType {
                            type_name,
                            copied_pages,
                        })
                        .collect(),
                    also_held_by: variable
                        .also_held_by
                        .into_iter()
                        .map(|(path, copied_pages)| AlsoHeld { path, copied_pages })
                        .collect(),
                }
            }));
        }
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.copied_pages));
        (holders, walks)
    }

    fn walk_heap(&mut self, id: u32, addresses: Addresses, time: Duration) -> (Found, HeapWalk) {
        let by_page = addresses.by_page;
        let (addresses, pages) = addresses.into_parts();
        let mut walk = HeapWalk {
            process_id: id,
            asked_pages: pages.iter().map(|pages| u64::from(*pages)).sum(),
            by_page,
            ..HeapWalk::default()
        };
        let Some((read, pid)) = self.records.with_memory_of(id) else {
            walk.failure = Some("the processes that had this memory have exited".into());
            return (Found::default(), walk);
        };
        walk.read_process_id = Some(read);
        let limits = Limits {
            time,
            ..Limits::default()
        };
        let image = self.records.image_of(id);
        match self.writers.holders(image, pid, addresses, pages, limits) {
            Ok(found) => {
                walk.held_pages = found.held_pages;
                walk.objects = found.objects;
                walk.bytes_read = found.bytes_read;
                walk.duration_ns = found.duration_ns;
                walk.is_partial = found.is_partial;
                walk.is_compared = found.is_compared;
                (found, walk)
            }
            Err(why) => {
                walk.failure = Some(why);
                (Found::default(), walk)
            }
        }
    }
}
