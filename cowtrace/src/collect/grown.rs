//! What lives on the pages that processes did not have before: which pages the processes had is read once,
//! and the objects on the new pages of those that grew most at the end.
//!
//! Reading the pages of a process takes 20 ms a GiB, in which evidence would pile up: a thread does it.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    processes::{record::Record, records::Records},
    writers::WriterEvidence,
};
use crate::{
    memory::{self, PresentPages, read_present},
    run::{Grown, GrownHeap},
    writer::Limits,
};

/// Processes whose objects are read at most, those that grew most first.
const MOST_READ: usize = 3;
/// Processes whose new pages are looked for at most.
const MOST_LOOKED_AT: usize = 8;
/// Processes whose pages are kept at most, the first ones: masters, and workers that were there before.
const MOST_KEPT: usize = 16;
/// Pages that processes may have which are read at one time; those with more are left out. 8 GiB of small ones
/// take 0.2 s.
const MOST_PAGES: u64 = 1 << 21;
/// New memory that is worth reading, bytes: of a process, and of all.
const LEAST_EACH: u64 = 1 << 20;
const LEAST_IN_ALL: u64 = 4 << 20;
/// Time for all of them together, and for one.
const TIME: Duration = Duration::from_secs(6);
const TIME_EACH: Duration = Duration::from_secs(4);

/// How often a process is read that moves its tables meanwhile, and the time that another time needs.
const TRIES: usize = 4;
const TIME_AGAIN: Duration = Duration::from_secs(1);

/// Which pages processes had, by serial number.
type PagesBefore = Vec<(u32, Option<PresentPages>)>;

/// The processes that may grow, with what they had before.
#[derive(Debug, Default)]
pub(super) struct NewPages {
    before: HashMap<u32, PresentPages>,
    /// Whose pages are known or being read, or cannot be.
    asked: HashSet<u32>,
    reading: Option<JoinHandle<PagesBefore>>,
}

impl NewPages {
    /// Begins to read the pages of processes that were there before the trace, and of masters that have begun
    /// to fork. Called regularly.
    pub(super) fn look(&mut self, records: &Records, proc_root: &Path) {
        if self.reading.as_ref().is_some_and(|it| !it.is_finished()) {
            return;
        }
        self.take_read();
        let is_wanted = |record: &&Record| {
            let has_begun = record.started_ns == 0 || record.passed.is_some();
            record.is_alive_in_run() && record.pid != 0 && has_begun
        };
        let room = MOST_KEPT.saturating_sub(self.asked.len());
        let wanted: Vec<(u32, u32)> = records
            .iter()
            .filter(is_wanted)
            .filter(|record| !self.asked.contains(&record.id))
            .take(room)
            .map(|record| (record.id, record.pid))
            .collect();
        if wanted.is_empty() {
            return;
        }
        self.asked.extend(wanted.iter().map(|(id, _)| *id));
        let proc_root = proc_root.to_owned();
        let read = move || {
            let mut left = MOST_PAGES;
            let wanted = wanted.into_iter();
            wanted
                .map(|(id, pid)| (id, present_pages_of(&proc_root, pid, &mut left)))
                .collect()
        };
        let thread = thread::Builder::new().name("pages".into());
        self.reading = thread.spawn(read).ok();
    }

    fn take_read(&mut self) {
        let read = self.reading.take().and_then(|thread| thread.join().ok());
        for (id, pages) in read.into_iter().flatten() {
            self.before.extend(pages.map(|pages| (id, pages)));
        }
    }

    /// What lives on the new pages of those that grew most, while they live.
    pub(super) fn find(
        &mut self,
        records: &Records,
        evidence: &WriterEvidence,
        proc_root: &Path,
    ) -> Grown {
        self.take_read();
        let mut grown = self.new_pages(records, proc_root);
        let all: u64 = grown.iter().map(|(_, pages)| pages.bytes()).sum();
        let mut found = Grown::default();
        if all < LEAST_IN_ALL {
            return found;
        }
        grown.sort_by_key(|(record, pages)| (std::cmp::Reverse(pages.bytes()), record.id));
        let deadline = Instant::now() + TIME;
        for (record, new) in grown.into_iter().take(MOST_READ) {
            let Some(objects) = evidence.objects(records.program_of(record.id)) else {
                continue;
            };
            let read = read_settled(deadline, |limits| objects.grown(record.pid, &new, limits));
            let mut read = read.unwrap_or_else(|why| Grown {
                heaps: vec![GrownHeap {
                    new_pages: new.bytes() / memory::page_bytes(),
                    failure: Some(why),
                    ..GrownHeap::default()
                }],
                ..Grown::default()
            });
            read.set_process(records.id_in_run(record.id));
            found.join(read);
        }
        found
    }

    /// The new pages of the processes that have most new memory.
    fn new_pages<'a>(
        &self,
        records: &'a Records,
        proc_root: &Path,
    ) -> Vec<(&'a Record, PresentPages)> {
        let mut by_growth: Vec<(u64, &Record)> = records
            .iter()
            .filter(|record| record.is_alive_in_run() && record.pid != 0)
            .filter_map(|record| {
                let grown = record.held_pages?.checked_sub(record.held_before?)?;
                (grown.saturating_mul(memory::page_bytes()) >= LEAST_EACH)
                    .then_some((grown, record))
            })
            .collect();
        by_growth.sort_by_key(|(grown, record)| (std::cmp::Reverse(*grown), record.id));
        let mut donors = HashMap::new();
        let mut left = MOST_PAGES;
        let mut found = Vec::new();
        for (_, record) in by_growth.into_iter().take(MOST_LOOKED_AT) {
            let pages = self.new_pages_of(record, records, proc_root, (&mut donors, &mut left));
            let pages = pages.filter(|pages| pages.bytes() >= LEAST_EACH);
            found.extend(pages.map(|pages| (record, pages)));
        }
        found
    }

    /// What a process has and did not have, or what the one that it was forked from lacks; none if neither is
    /// known.
    fn new_pages_of(
        &self,
        record: &Record,
        records: &Records,
        proc_root: &Path,
        (donors, left): (&mut HashMap<u32, Option<PresentPages>>, &mut u64),
    ) -> Option<PresentPages> {
        let now = present_pages_of(proc_root, record.pid, left)?;
        if let Some(before) = self.before.get(&record.id) {
            return Some(now.without(before));
        }
        if let Some(donor) = record.forked_from {
            let donor = records.get(donor).filter(|it| it.is_alive_in_run())?;
            let pages = donors
                .entry(donor.id)
                .or_insert_with(|| present_pages_of(proc_root, donor.pid, left));
            return Some(now.without(pages.as_ref()?));
        }
        // A program that was started in the trace.
        (record.started_ns > 0).then_some(now)
    }
}

/// Reads what lives on new pages, again where the process moved a large table meanwhile. If it does so each time,
/// the reading is not complete.
fn read_settled<E>(
    deadline: Instant,
    read: impl Fn(Limits) -> Result<Grown, E>,
) -> Result<Grown, E> {
    let mut left_to_try = TRIES;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let limits = Limits {
            time: left.min(TIME_EACH),
            ..Limits::default()
        };
        let mut found = read(limits)?;
        if !found.lacks_a_table() {
            return Ok(found);
        }
        left_to_try -= 1;
        if left_to_try == 0 || left < TIME_AGAIN {
            let heaps = found.heaps.iter_mut();
            heaps.for_each(|heap| heap.is_partial = true);
            return Ok(found);
        }
    }
}

/// The pages of a process, if it has no more than are left to be read.
fn present_pages_of(proc_root: &Path, pid: u32, left: &mut u64) -> Option<PresentPages> {
    *left = left.checked_sub(memory::resident_pages(proc_root, pid))?;
    read_present(proc_root, pid, memory::page_bytes())
}
