//! Whose memory the copies are of: which process passed it on, and as it was at which of its forks.
//! Once a process has written much of it, its next fork passes on another.

use super::record::{Record, Records};

/// A process has changed its memory if it has written this part of it since it passed it on, and
/// at least so many pages: counting references is writing too, so this is an upper bound.
const CHANGED_PART: u64 = 16;
const LEAST_CHANGED: u64 = 1024;

/// Memory that a process passes on, until it has changed much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Heap {
    /// The process, by its serial number.
    pub(super) process: u32,
    /// How often it had changed much by then.
    pub(super) generation: u32,
}

/// A process's memory when it began to be passed on as it is now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed {
    generation: u32,
    /// Pages that the process had written by then.
    written: u64,
    /// Pages that it passed on.
    pages: u64,
}

impl Passed {
    fn is_changed(&self, written: u64) -> bool {
        let since = written.saturating_sub(self.written);
        since > LEAST_CHANGED.max(self.pages / CHANGED_PART)
    }
}

/// A living process that has some memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keeper {
    pub(super) id: u32,
    pub(super) pid: u32,
    /// Whether it has written much of it since.
    pub(super) has_changed: bool,
}

impl Records {
    /// Notes that a process passes pages on, having written some since it is traced. Tells the heap
    /// that it passes on, and whether that is another than it passed on before.
    pub(super) fn pass_on(&mut self, process: u32, written: u64, pages: u64) -> (Heap, bool) {
        let mut heap = Heap {
            process,
            generation: 0,
        };
        let Some(record) = self.get_mut(process) else {
            return (heap, false);
        };
        let before = record.passed.unwrap_or_default();
        let is_other = record.passed.is_some() && before.is_changed(written);
        heap.generation = before.generation + u32::from(is_other);
        if record.passed.is_none() || is_other {
            record.passed = Some(Passed {
                generation: heap.generation,
                written,
                pages,
            });
        }
        (heap, is_other)
    }

    /// Whose memory a slot's process copies: that of the process it forked from, or its own.
    pub(super) fn heap_of(&self, slot: u32) -> Option<Heap> {
        let record = self.written_in_slot(slot)?;
        Some(record.heap.unwrap_or_else(|| Heap {
            process: record.id,
            generation: record.passed.unwrap_or_default().generation,
        }))
    }

    /// A living process that has this memory: the one that passed it on unless it has changed much
    /// since, else of those that inherited it the one that has written least, else that one all the
    /// same, as long as it has passed on no other, else, if it is gone, the nearest that it forked
    /// from. `written` tells how many pages one has written.
    pub(super) fn keeper_of(&self, heap: Heap, written: impl Fn(&Record) -> u64) -> Option<Keeper> {
        let is_alive = |record: &&Record| record.exited_ns.is_none() && !record.is_launcher;
        let keeper = |record: &Record, heap: Heap| {
            let passed = record.passed.unwrap_or_default();
            Keeper {
                id: record.id,
                pid: record.pid,
                has_changed: record.id == heap.process
                    && (passed.generation != heap.generation || passed.is_changed(written(record))),
            }
        };
        let owner = self.get(heap.process);
        let owner_now = owner.filter(is_alive).map(|record| keeper(record, heap));
        let is_latest = |_: &Keeper| {
            let passed = owner.and_then(|record| record.passed);
            passed.unwrap_or_default().generation == heap.generation
        };
        let inherited = || {
            let heirs = self.iter().filter(|record| record.heap == Some(heap));
            let least = heirs.filter(is_alive).min_by_key(|record| written(record));
            least.map(|record| keeper(record, heap))
        };
        let ancestor = || {
            let mut next = owner?.heap?;
            loop {
                let record = self.get(next.process)?;
                if is_alive(&record) {
                    return Some(keeper(record, next));
                }
                next = record.heap?;
            }
        };
        owner_now
            .filter(|owner| !owner.has_changed)
            .or_else(inherited)
            .or_else(|| owner_now.filter(is_latest))
            .or_else(|| ancestor().filter(|_| owner_now.is_none()))
    }

    /// Whether a living process inherited this memory.
    pub(super) fn has_heirs(&self, heap: Heap) -> bool {
        self.alive().any(|record| record.heap == Some(heap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Role;

    const PAGES: u64 = 100_000;

    fn add(records: &mut Records, pid: u32, heap: Option<Heap>) -> u32 {
        let role = if heap.is_some() {
            Role::Worker
        } else {
            Role::Master
        };
        let mut record = Record::new(pid, pid, 1, "w".into(), role);
        record.parent = heap.map(|heap| heap.process);
        record.heap = heap;
        records.add(record)
    }

    fn exit(records: &mut Records, id: u32) {
        records.get_mut(id).unwrap().exited_ns = Some(1);
    }

    /// Who is read, if the master has written so much, and each worker its pid.
    fn read(records: &Records, heap: Heap, by_master: u64) -> Option<(u32, bool)> {
        let written = |record: &Record| match record.role {
            Role::Master => by_master,
            Role::Worker => u64::from(record.pid),
        };
        let keeper = records.keeper_of(heap, written)?;
        Some((keeper.pid, keeper.has_changed))
    }

    #[test]
    fn a_fork_after_much_was_written_passes_on_another_heap() {
        let mut records = Records::default();
        let master = add(&mut records, 2, None);
        let mut pass = |written| {
            let (heap, is_other) = records.pass_on(master, written, PAGES);
            (heap.generation, is_other)
        };
        assert_eq!(pass(500), (0, false));
        assert_eq!(pass(500 + PAGES / 16), (0, false));
        assert_eq!(pass(501 + PAGES / 16), (1, true));
        assert_eq!(pass(600 + PAGES / 16), (1, false));
    }

    #[test]
    fn memory_is_read_where_it_has_changed_least() {
        let mut records = Records::default();
        let master = add(&mut records, 2, None);
        let (first, _) = records.pass_on(master, 0, PAGES);
        let workers = [7, 5].map(|pid| add(&mut records, pid, Some(first)));
        assert_eq!(read(&records, first, 100), Some((2, false)));
        assert_eq!(read(&records, first, PAGES), Some((5, false)));
        let (second, _) = records.pass_on(master, PAGES, PAGES);
        assert_eq!(read(&records, first, PAGES), Some((5, false)));
        assert_eq!(read(&records, second, PAGES), Some((2, false)));
        exit(&mut records, workers[1]);
        assert_eq!(read(&records, first, PAGES), Some((7, false)));
        exit(&mut records, workers[0]);
        assert!(!records.has_heirs(first));
        assert_eq!(read(&records, first, PAGES), None);
        assert_eq!(read(&records, second, 2 * PAGES), Some((2, true)));
        exit(&mut records, master);
        assert_eq!(read(&records, first, PAGES), None);
    }

    #[test]
    fn what_a_worker_passed_on_is_looked_for_in_its_master_once_all_who_have_it_are_gone() {
        let mut records = Records::default();
        let master = add(&mut records, 2, None);
        let (of_master, _) = records.pass_on(master, 0, PAGES);
        let worker = add(&mut records, 3, Some(of_master));
        let (of_worker, _) = records.pass_on(worker, 0, PAGES);
        let last = add(&mut records, 4, Some(of_worker));
        exit(&mut records, worker);
        assert_eq!(read(&records, of_worker, 0), Some((4, false)));
        exit(&mut records, last);
        assert_eq!(read(&records, of_worker, 0), Some((2, false)));
    }
}
