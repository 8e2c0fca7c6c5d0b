//! Living processes that still have memory that was passed on: a walk can read it there.

use std::cmp::Ordering;

use crate::collect::processes::{
    inheritance::{Inheritance, KEPT_PART},
    record::Record,
    records::Records,
};

/// A process that has less than this part of the sampled objects does not have the memory any more.
const LEAST_KEPT: f64 = 0.25;
/// Heirs that are considered.
const MOST_HEIRS: usize = 8;

/// A living process that still has an inheritance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keeper {
    pub(super) id: u32,
    pub(super) pid: u32,
    /// Whether it has changed much of it since.
    pub(super) has_changed: bool,
}

/// Living processes that may still have an inheritance, in the order in which to read them: the one that
/// passed it on; then its heirs, those that wrote least first; then, if the first is gone, the processes
/// that it forked from. Processes that have changed it come last, and those that have nothing left of it
/// are left out. `written` gives the pages that a process has written, `kept` the part of the sampled
/// objects that it still has.
pub(super) fn keepers_of(
    records: &Records,
    inheritance: Inheritance,
    written: impl Fn(&Record) -> u64,
    kept: impl Fn(&Record) -> Option<f64>,
) -> Vec<Keeper> {
    let owner = records
        .get(inheritance.process)
        .filter(|record| record.is_alive_in_run());
    let mut heirs: Vec<(u64, &Record)> = records
        .iter()
        .filter(|record| record.inheritance == Some(inheritance) && record.is_alive_in_run())
        .map(|record| (written(record), record))
        .collect();
    heirs.sort_by_key(|(written, record)| (*written, record.id));
    let heirs = heirs.iter().take(MOST_HEIRS).map(|(_, record)| *record);
    let ancestors = ancestors_of(records, inheritance).filter(|_| owner.is_none());
    let candidates = owner.into_iter().chain(heirs).chain(ancestors);
    let judged = |record: &Record| {
        let part = kept(record);
        let has_changed = match part {
            Some(part) if part < LEAST_KEPT => return None,
            Some(part) => part < KEPT_PART,
            None if record.inheritance == Some(inheritance) => false,
            None => may_have_changed(record, inheritance, &written)?,
        };
        let (id, pid) = (record.id, record.pid);
        let keeper = Keeper {
            id,
            pid,
            has_changed,
        };
        Some((part.unwrap_or(0.0), keeper))
    };
    let mut found: Vec<(f64, Keeper)> = candidates.filter_map(judged).collect();
    // Of those that have changed it, the one that has most of it comes first.
    found.sort_by(|(part, keeper), (other_part, other)| {
        let by_part = other_part.total_cmp(part);
        let by_change = keeper.has_changed.cmp(&other.has_changed);
        by_change.then(if keeper.has_changed {
            by_part
        } else {
            Ordering::Equal
        })
    });
    found.into_iter().map(|(_, keeper)| keeper).collect()
}

/// Living processes that an inheritance's process forked from, the nearest first.
fn ancestors_of(records: &Records, inheritance: Inheritance) -> impl Iterator<Item = &Record> {
    let parent = |record: &&Record| records.get(record.inheritance?.process);
    std::iter::successors(records.get(inheritance.process), parent)
        .skip(1)
        .filter(|record| record.is_alive_in_run())
}

/// Whether a living process inherited this memory.
pub(super) fn has_heirs(records: &Records, inheritance: Inheritance) -> bool {
    records
        .alive()
        .any(|record| record.inheritance == Some(inheritance))
}

/// Whether a process has written much of the memory that it passed on, if nothing else is known; none if
/// it has passed on another inheritance since.
fn may_have_changed(
    record: &Record,
    inheritance: Inheritance,
    written: impl Fn(&Record) -> u64,
) -> Option<bool> {
    let passed = record.passed.unwrap_or_default();
    if record.id == inheritance.process && passed.generation != inheritance.generation {
        return None;
    }
    Some(passed.is_changed(written(record), || None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Role;

    const PAGES: u64 = 100_000;

    fn add(records: &mut Records, pid: u32, inheritance: Option<Inheritance>) -> u32 {
        let role = if inheritance.is_some() {
            Role::Worker
        } else {
            Role::Master
        };
        let mut record = Record::new(pid, pid, 1, "w".into(), role);
        record.parent = inheritance.map(|inheritance| inheritance.process);
        record.inheritance = inheritance;
        records.add(record)
    }

    fn exit(records: &mut Records, id: u32) {
        records.get_mut(id).unwrap().exited_ns = Some(1);
    }

    /// Who is read first, if the master has written so much, each worker its pid, and of what was
    /// copied a process has the part that is given by pid.
    fn read_knowing(
        records: &Records,
        inheritance: Inheritance,
        by_master: u64,
        kept: impl Fn(u32) -> Option<f64>,
    ) -> Vec<(u32, bool)> {
        let written = |record: &Record| match record.role {
            Role::Master => by_master,
            Role::Worker => u64::from(record.pid),
        };
        let keepers = keepers_of(records, inheritance, written, |record| kept(record.pid));
        let keepers = keepers.into_iter();
        keepers
            .map(|keeper| (keeper.pid, keeper.has_changed))
            .collect()
    }

    /// As [`read_knowing`], where nothing is known of what was copied.
    fn read(records: &Records, inheritance: Inheritance, by_master: u64) -> Option<(u32, bool)> {
        let keepers = read_knowing(records, inheritance, by_master, |_| None);
        keepers.first().copied()
    }

    fn pass(records: &mut Records, process: u32, written: u64) -> Inheritance {
        records.pass_on(process, written, PAGES, |_| None).0
    }

    #[test]
    fn a_fork_after_much_was_written_passes_on_another_heap() {
        let mut records = Records::default();
        let master = add(&mut records, 2, None);
        let mut pass = |written| {
            let (inheritance, is_other) = records.pass_on(master, written, PAGES, |_| None);
            (inheritance.generation, is_other)
        };
        assert_eq!(pass(500), (0, false));
        assert_eq!(pass(500 + PAGES / 16), (0, false));
        assert_eq!(pass(501 + PAGES / 16), (1, true));
        assert_eq!(pass(600 + PAGES / 16), (1, false));
    }

    #[test]
    fn a_master_that_only_forks_passes_on_the_same_however_often() {
        let mut records = Records::default();
        let master = add(&mut records, 2, None);
        for fork in 0..10_000 {
            // Some hundred pages are written after each fork, always the same.
            let written = fork * 300;
            let passed = records.pass_on(master, written, 2_000, |_| Some(0.9));
            assert_eq!((passed.0.generation, passed.1), (0, false), "fork {fork}");
        }
        let (inheritance, _) = records.pass_on(master, 3_000_000, 2_000, |_| Some(0.9));
        let worker = add(&mut records, 3, Some(inheritance));
        let has_most = |_| Some(0.9);
        let keepers = read_knowing(&records, inheritance, 6_000_000, has_most);
        assert_eq!(keepers, [(2, false), (3, false)]);
        // What it has replaced is other memory.
        let (other, is_other) = records.pass_on(master, 3_002_000, 2_000, |_| Some(0.5));
        assert!(is_other && other.generation == 1);
        let kept = |pid| Some(if pid == 2 { 0.5 } else { 1.0 });
        let keepers = read_knowing(&records, inheritance, 3_002_000, kept);
        assert_eq!(keepers, [(3, false), (2, true)]);
        exit(&mut records, worker);
        let keepers = read_knowing(&records, inheritance, 3_002_000, |_| Some(0.1));
        assert_eq!(keepers, [], "nothing is left of it");
    }

    #[test]
    fn memory_is_read_where_it_has_changed_least() {
        let mut records = Records::default();
        let master = add(&mut records, 2, None);
        let first = pass(&mut records, master, 0);
        let workers = [7, 5].map(|pid| add(&mut records, pid, Some(first)));
        assert_eq!(read(&records, first, 100), Some((2, false)));
        assert_eq!(read(&records, first, PAGES), Some((5, false)));
        let second = pass(&mut records, master, PAGES);
        assert_eq!(read(&records, first, PAGES), Some((5, false)));
        assert_eq!(read(&records, second, PAGES), Some((2, false)));
        exit(&mut records, workers[1]);
        assert_eq!(read(&records, first, PAGES), Some((7, false)));
        exit(&mut records, workers[0]);
        assert!(!has_heirs(&records, first));
        assert_eq!(read(&records, first, PAGES), None);
        assert_eq!(read(&records, second, 2 * PAGES), Some((2, true)));
        exit(&mut records, master);
        assert_eq!(read(&records, first, PAGES), None);
    }

    #[test]
    fn what_a_worker_passed_on_is_looked_for_in_its_master_once_all_who_have_it_are_gone() {
        let mut records = Records::default();
        let master = add(&mut records, 2, None);
        let of_master = pass(&mut records, master, 0);
        let worker = add(&mut records, 3, Some(of_master));
        let of_worker = pass(&mut records, worker, 0);
        let last = add(&mut records, 4, Some(of_worker));
        exit(&mut records, worker);
        assert_eq!(read(&records, of_worker, 0), Some((4, false)));
        exit(&mut records, last);
        assert_eq!(read(&records, of_worker, 0), Some((2, false)));
    }
}
