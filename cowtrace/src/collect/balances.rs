//! What living processes share with those that they inherited from, at the start of a trace, at its end, and from
//! time to time between.
//!
//! Reading takes up to half a second, in which evidence would pile up: before the end a thread does it.

use std::{
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    clock::Clock,
    processes::{record::Record, records::Records},
};
use crate::{
    memory::{self, BalanceBudget, balance_spans, read_balance, read_layout_text, read_mappings},
    run::{Balance, BalanceIs, Timeline},
};

/// Processes that are read at most, those with the most copies first: each takes up to 30 ms.
const MOST_PROCESSES: usize = 64;

/// Pages that are all looked at, of a donor and its inheritors together; of more, a sample is. 4 GiB of small
/// ones take 0.1 s.
const MOST_PAGES: u64 = 1 << 20;
/// Units of 64 KiB in a sample: 9 ms a process.
const UNITS: u64 = 1_024;

/// Between two readings before the end, ns;
const EACH_NS: u64 = 30_000_000_000;
/// and in times what a reading took: the thread runs for at most half a percent of the time.
const SHARE: u64 = 200;

/// A process that others inherited from, and those: serial number, pid, pages copied so far.
#[derive(Debug)]
struct DonorFamily {
    donor: u32,
    inheritors: Vec<(u32, u32, u64)>,
}

/// Balances of a trace.
#[derive(Debug, Default)]
pub(super) struct Balances {
    /// Those of the start.
    start: Vec<Balance>,
    /// The last ones that were read since.
    latest: Vec<Balance>,
    /// Those that a thread is reading.
    reading: Option<BalanceReading>,
    has_begun: bool,
    /// When the next ones are to be read, ns since the start.
    due_ns: u64,
}

/// A thread that reads balances.
#[derive(Debug)]
struct BalanceReading {
    thread: JoinHandle<(Vec<Balance>, Duration)>,
    /// Whether they are those of the start.
    is_start: bool,
}

impl Balances {
    /// Begins to read those of the processes that are there already, and from time to time those of all that live: a
    /// trace that is cut off has the last ones.
    pub(super) fn look(&mut self, records: &Records, proc_root: &Path, clock: Clock) {
        self.take_read(clock, false);
        let begun_ns = clock.elapsed_ns();
        let is_start = !self.has_begun;
        if self.reading.is_some() || !is_start && begun_ns < self.due_ns {
            return;
        }
        self.has_begun = true;
        self.due_ns = begun_ns.saturating_add(EACH_NS);
        let families = living_families(records, |heir| !is_start || heir.started_ns == 0);
        if families.is_empty() {
            return;
        }
        let root: PathBuf = proc_root.to_owned();
        let thread = thread::Builder::new().name("balances".into());
        let thread = thread.spawn(move || {
            let begun = Instant::now();
            let found = read_families(&families, &root, clock);
            (found, begun.elapsed())
        });
        self.reading = thread
            .ok()
            .map(|thread| BalanceReading { thread, is_start });
    }

    /// Takes what the thread has read, if it is done, or else waits for it.
    fn take_read(&mut self, clock: Clock, waits: bool) {
        let is_done = |it: &mut BalanceReading| waits || it.thread.is_finished();
        let Some(reading) = self.reading.take_if(is_done) else {
            return;
        };
        // Not until now: that it is done is seen at the next tick only.
        let (found, took) = reading.thread.join().unwrap_or_default();
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let pause_ns = took_ns.saturating_mul(SHARE).max(EACH_NS);
        self.due_ns = clock.elapsed_ns().saturating_add(pause_ns);
        if reading.is_start {
            self.start = found;
        } else {
            self.latest = found;
        }
    }

    /// Those of the start and the latest, in the order of process and time. The timeline has what was copied while
    /// they were read. Without processes that are not known any more.
    pub(super) fn so_far(&self, records: &Records, timeline: &Timeline) -> Vec<Balance> {
        let all = self.start.iter().chain(&self.latest);
        let known = all.filter(|it| records.get(it.process_id).is_some());
        let mut balances: Vec<Balance> = known
            .map(|balance| Balance {
                copied_pages: timeline.copied_at(balance.process_id, balance.at_ns),
                ..*balance
            })
            .collect();
        balances.sort_by_key(|balance| (balance.process_id, balance.at_ns));
        balances
    }

    /// Those of the start, and of the end at `at_ns` since the start, or else the latest of processes that ended.
    pub(super) fn finish(
        mut self,
        records: &Records,
        proc_root: &Path,
        timeline: &Timeline,
        clock: Clock,
        at_ns: u64,
    ) -> Vec<Balance> {
        self.take_read(clock, true);
        let families = living_families(records, |_| true);
        let end = read_families(&families, proc_root, clock).into_iter();
        let end: Vec<Balance> = end.map(|balance| Balance { at_ns, ..balance }).collect();
        let is_at_end = |it: &Balance| end.iter().any(|end| end.process_id == it.process_id);
        self.latest.retain(|it| !is_at_end(it));
        let mut balances = self.so_far(records, timeline);
        balances.extend(end);
        balances.sort_by_key(|balance| (balance.process_id, balance.at_ns));
        balances
    }
}

/// Living processes that inherited from living ones, by these: who has exited hands its place to the one that it was
/// forked from.
fn living_families(records: &Records, is_wanted: impl Fn(&Record) -> bool) -> Vec<DonorFamily> {
    let lives = |id: u32| {
        records
            .get(id)
            .filter(|it| it.is_alive_in_run() && it.pid != 0)
    };
    let mut inheritors: Vec<_> = records
        .in_run()
        .filter_map(|record| {
            let heir = lives(record.id).filter(|heir| is_wanted(heir))?;
            let mut ancestors =
                std::iter::successors(heir.forked_from, |id| records.get(*id)?.forked_from);
            let donor = ancestors.find_map(lives)?;
            let copied = heir.totals.copied_pages();
            Some((donor.pid, (heir.id, heir.pid, copied)))
        })
        .collect();
    inheritors.sort_by_key(|(_, (_, _, copied))| std::cmp::Reverse(*copied));
    inheritors.truncate(MOST_PROCESSES);
    inheritors.sort_by_key(|(donor, _)| *donor);
    let families = inheritors.chunk_by(|one, other| one.0 == other.0);
    families
        .map(|family| DonorFamily {
            donor: family[0].0,
            inheritors: family.iter().map(|(_, heir)| *heir).collect(),
        })
        .collect()
}

fn read_families(families: &[DonorFamily], root: &Path, clock: Clock) -> Vec<Balance> {
    families
        .iter()
        .flat_map(|family| read_family(family, root, clock))
        .collect()
}

/// Balances of a family, as of the middle of the time that reading took.
fn read_family(family: &DonorFamily, root: &Path, clock: Clock) -> Vec<Balance> {
    let pids: Vec<u32> = family.inheritors.iter().map(|(_, pid, _)| *pid).collect();
    let mappings: Vec<_> = pids
        .iter()
        .chain([&family.donor])
        .filter_map(|pid| read_mappings(&read_layout_text(root, *pid).ok()?).ok())
        .flatten()
        .collect();
    let spans = balance_spans(&mappings);
    let budget = BalanceBudget {
        pages_in_all: MOST_PAGES,
        units: UNITS,
        ..BalanceBudget::default()
    };
    let page_bytes = memory::page_bytes();
    let begun_ns = clock.elapsed_ns();
    let found = read_balance(root, family.donor, &pids, &spans, page_bytes, budget);
    let at_ns = begun_ns.midpoint(clock.elapsed_ns());
    let inheritors = family.inheritors.iter().zip(found.inheritors);
    inheritors
        .filter(|(_, pages)| pages.is != BalanceIs::Unknown)
        .map(|(&(process_id, _, copied_pages), pages)| Balance {
            process_id,
            at_ns,
            copied_pages,
            pages,
        })
        .collect()
}
