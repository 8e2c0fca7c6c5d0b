//! One walk through the objects of a process, for the variables that hold copied memory.

use std::time::Instant;

use super::{copies::Addresses, keepers::Keeper};
use crate::{
    collect::processes::inheritance::Inheritance,
    run::HeapWalk,
    stop::Stop,
    writer::{Found, Limits, Objects},
};

/// Processes that are read one after the other, if one after the other exits.
const MAX_READ: usize = 8;
const GONE: &str =
    "every process that had this memory has exited or changed it; end the trace earlier";

/// What a walk found, and how.
pub(super) type WalkResult = (Found, HeapWalk);

/// A walk that has not begun.
pub(super) fn new_walk(inheritance: Inheritance, addresses: &Addresses) -> HeapWalk {
    HeapWalk {
        process_id: inheritance.process,
        asked_pages: addresses.pages,
        by_page: addresses.by_page,
        ..HeapWalk::default()
    }
}

/// The result of a walk that found something or failed.
pub(super) fn result_of(walk: HeapWalk, found: Result<Found, String>) -> WalkResult {
    match found {
        Ok(found) => {
            let walk = HeapWalk {
                held_pages: found.held_pages,
                free: found.free.clone(),
                objects: found.objects,
                bytes_read: found.bytes_read,
                duration_ns: found.duration_ns,
                is_partial: found.is_partial,
                is_compared: found.is_compared,
                freeze: found.freeze,
                reading: found.reading,
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

/// Walks the objects of one process after the other, until one of them lives to the end of the walk or
/// `deadline` has come; with this number of landmarks for copies made later.
pub(super) fn walk_in_turn(
    objects: &Objects,
    walk: &HeapWalk,
    addresses: Addresses,
    keepers: &[Keeper],
    (deadline, landmarks, stop): (Instant, usize, &Stop),
) -> WalkResult {
    let (addresses, pages) = addresses.into_parts();
    first_that_stays(walk, keepers, |keeper| {
        let limits = Limits {
            time: deadline.saturating_duration_since(Instant::now()),
            landmarks,
            stop: stop.clone(),
            ..Limits::default()
        };
        objects.holders(keeper.pid, addresses.clone(), pages.clone(), &limits)
    })
}

fn first_that_stays(
    walk: &HeapWalk,
    keepers: &[Keeper],
    find: impl Fn(&Keeper) -> Result<Found, String>,
) -> WalkResult {
    let mut last = result_of(walk.clone(), Err(GONE.into()));
    for keeper in keepers.iter().take(MAX_READ) {
        let walk = HeapWalk {
            read_process_id: Some(keeper.id),
            has_changed: keeper.has_changed,
            ..walk.clone()
        };
        last = result_of(walk, find(keeper));
        if last.1.failure.is_none() {
            break;
        }
    }
    last
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

    /// Which processes are read, if those with a serial number below `stays_from` exit during the walk.
    fn read(keepers: &[Keeper], stays_from: u32) -> (Vec<u32>, HeapWalk) {
        let read = std::cell::RefCell::new(Vec::new());
        let (_, walk) = first_that_stays(&HeapWalk::default(), keepers, |keeper| {
            read.borrow_mut().push(keeper.id);
            if keeper.id < stays_from {
                return Err("it ended while it was read".into());
            }
            Ok(Found {
                held_pages: 7,
                ..Found::default()
            })
        });
        (read.into_inner(), walk)
    }

    #[test]
    fn a_process_that_exits_while_it_is_read_is_followed_by_the_next() {
        let keepers = [1, 2, 3].map(keeper);
        let (who, walk) = read(&keepers, 2);
        assert_eq!(who, [1, 2]);
        assert_eq!((walk.read_process_id, walk.held_pages), (Some(2), 7));
        assert!(walk.failure.is_none() && !walk.has_changed);
        let (who, walk) = read(&keepers, 3);
        assert_eq!((who.len(), walk.has_changed), (3, true));
    }

    #[test]
    fn if_all_exit_the_last_failure_is_kept_and_nothing_is_found() {
        let keepers = [1, 2].map(keeper);
        let (_, walk) = read(&keepers, 9);
        assert_eq!((walk.read_process_id, walk.held_pages), (Some(2), 0));
        assert!(walk.failure.is_some());
        let (_, walk) = read(&[], 0);
        assert_eq!(walk.failure.as_deref(), Some(GONE));
        assert_eq!(walk.read_process_id, None);
    }
}
