//! What living processes share with those that they inherited from, at the start of a trace and at its end.
//!
//! Reading takes up to half a second, in which evidence would pile up: at the start a thread does it.

use std::{
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
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

/// A process that others inherited from, and those: serial number, pid, pages copied so far.
#[derive(Debug)]
struct DonorFamily {
    donor: u32,
    inheritors: Vec<(u32, u32, u64)>,
}

/// Balances of a trace.
#[derive(Debug, Default)]
pub(super) struct Balances {
    /// Those of the start, while they are read.
    start: Option<JoinHandle<Vec<Balance>>>,
    has_begun: bool,
}

impl Balances {
    /// Begins to read those of the processes that are there already, once.
    pub(super) fn begin(&mut self, records: &Records, proc_root: &Path, clock: Clock) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let families = living_families(records, |heir| heir.started_ns == 0);
        if families.is_empty() {
            return;
        }
        let root: PathBuf = proc_root.to_owned();
        let thread = thread::Builder::new().name("balances".into());
        self.start = thread
            .spawn(move || read_families(&families, &root, clock))
            .ok();
    }

    /// Those of the start, and of the end at `at_ns` since the start. The timeline has what was copied while the
    /// first were read.
    pub(super) fn finish(
        self,
        records: &Records,
        proc_root: &Path,
        timeline: &Timeline,
        clock: Clock,
        at_ns: u64,
    ) -> Vec<Balance> {
        let start = self.start.and_then(|thread| thread.join().ok());
        let mut balances = start.unwrap_or_default();
        for balance in &mut balances {
            balance.copied_pages = timeline.copied_at(balance.process_id, balance.at_ns);
        }
        let families = living_families(records, |_| true);
        let end = read_families(&families, proc_root, clock).into_iter();
        balances.extend(end.map(|balance| Balance { at_ns, ..balance }));
        balances.sort_by_key(|balance| (balance.process_id, balance.at_ns));
        balances
    }
}

/// Living processes that inherited from living ones, by these.
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
            let donor = lives(heir.forked_from?)?;
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
