//! The machine's memory while a trace runs: what is free and what is not, sockets, the cgroup of the traced
//! processes, and at the end who else grew.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::Instant,
};

use super::processes::{record::Record, records::Records};
use crate::{
    memory::{
        CgroupMounts, Consumers, KernelLog, MemoryCgroup, largest_growers, read_consumers,
        read_held_aside, read_machine, read_sockets, refresh_counters,
    },
    run::{
        Elsewhere, GrownProcess, Machine, MachineReading, MemoryKill, PlaceOnMachine, ServiceAside,
        ServiceShared,
    },
};

/// Time between two readings of the machine's memory, ns: some 0.1 ms each.
const SECOND_NS: u64 = 1_000_000_000;
/// Between two readings of all else, in readings of the machine's memory.
const ALL_EACH: u64 = 5;
/// Readings a second apart at the start and at the end: the one with the least that nothing explains is
/// the one to compare.
const CLOSE: usize = 5;
/// Readings that are kept, half of them at most from before the last doubling of their distance.
const MOST_READINGS: usize = 240;
/// Readings take at most 1/N of the time, with this N: zoneinfo grows with the processors.
const SHARE: u32 = 500;
/// Likewise for what the traced processes have aside, of which there may be many.
const SHARE_ASIDE: u32 = 1_000;
/// Traced processes whose page tables and swap are read at one time: 15 us each.
const MOST_ASIDE: usize = 1_000;
/// Traced processes whose cgroups are looked at: 20 us each.
const MOST_IN_CGROUP: usize = 256;
/// Cgroups below that of the traced processes that are searched for others.
const MOST_GROUPS: usize = 256;
/// Others that are named.
const MOST_GROWERS: usize = 8;

/// Watches the machine.
#[derive(Debug)]
pub(super) struct MachineWatch {
    page_bytes: u64,
    /// All but the last few.
    kept: Vec<MachineReading>,
    /// The last few, a second apart.
    recent: Vec<MachineReading>,
    /// Readings so far.
    number: u64,
    /// Every Nth reading is kept, with this N.
    each: u64,
    /// When the next one is due, ns.
    due_ns: u64,
    /// The same of what the traced processes have aside.
    aside_due_ns: u64,
    cgroup: Option<MemoryCgroup>,
    /// As last read.
    place: Option<PlaceOnMachine>,
    /// Whether nothing else was seen in it.
    is_alone: bool,
    /// Processes in it that were not known to be traced at the last look: one may have been forked since.
    strangers: HashSet<u32>,
    /// Other processes at the start, while they are read.
    before: Option<JoinHandle<Option<Consumers>>>,
    /// What the kernel writes since the start; `None` if it may not be read.
    log: Option<KernelLog>,
}

impl MachineWatch {
    pub(super) fn new(page_bytes: u64) -> Self {
        Self {
            page_bytes,
            kept: Vec::new(),
            recent: Vec::new(),
            number: 0,
            each: ALL_EACH,
            due_ns: 0,
            aside_due_ns: 0,
            cgroup: None,
            place: None,
            is_alone: true,
            strangers: HashSet::new(),
            before: None,
            log: KernelLog::open(),
        }
    }

    /// Reads what is due.
    pub(super) fn read_due(&mut self, records: &Records, root: &Path, at_ns: u64) {
        if at_ns < self.due_ns {
            return;
        }
        let begun = Instant::now();
        if self.number == 0 {
            self.begin(root);
        }
        self.read(records, root, at_ns, self.number.is_multiple_of(ALL_EACH));
        let next_ns = at_ns.saturating_add(SECOND_NS);
        // Ticks jitter.
        self.due_ns = after_pause(at_ns, begun, SHARE).max(next_ns - SECOND_NS / 10);
    }

    /// What is found once.
    fn begin(&mut self, root: &Path) {
        let _ = refresh_counters(root);
        let root: PathBuf = root.to_owned();
        let thread = thread::Builder::new().name("processes".into());
        self.before = thread.spawn(move || read_consumers(&root).ok()).ok();
    }

    fn read(&mut self, records: &Records, root: &Path, at_ns: u64, all: bool) {
        let Some(memory) = read_machine(root, self.page_bytes) else {
            return;
        };
        let mut reading = MachineReading {
            at_ns,
            memory,
            ..MachineReading::default()
        };
        if all {
            self.look_for_cgroup(records, root);
            self.look_for_strangers(records);
            let first = living(records).next();
            reading.sockets = first.and_then(|pid| read_sockets(root, pid, self.page_bytes));
            reading.cgroup = self.cgroup.as_ref().and_then(MemoryCgroup::read);
            self.place = Some(self.place_now());
            if at_ns >= self.aside_due_ns {
                let begun = Instant::now();
                let aside = read_aside(records, root);
                reading.service = aside.map(|(aside, _)| aside);
                reading.shared = aside.and_then(|(_, shared)| shared);
                self.aside_due_ns = after_pause(at_ns, begun, SHARE_ASIDE);
            }
        }
        self.recent.push(reading);
        if self.recent.len() > CLOSE {
            let oldest = self.recent.remove(0);
            self.keep(&oldest);
        }
        self.number += 1;
    }

    /// Keeps a reading that is not of the last few: the first few, and then one in some.
    fn keep(&mut self, reading: &MachineReading) {
        let number = self.number - CLOSE as u64;
        if self.kept.len() >= CLOSE && !number.is_multiple_of(self.each) {
            return;
        }
        self.kept.push(*reading);
        if self.kept.len() >= MOST_READINGS {
            self.each *= 2;
            let mut number = 0;
            self.kept.retain(|_| {
                number += 1;
                number <= CLOSE || number % 2 == 0
            });
        }
    }

    /// The cgroup, once there is a process.
    fn look_for_cgroup(&mut self, records: &Records, root: &Path) {
        let pids: Vec<u32> = living(records).take(MOST_IN_CGROUP).collect();
        if self.cgroup.is_none() && !pids.is_empty() {
            self.cgroup = CgroupMounts::read(root).common_to(root, &pids);
        }
    }

    /// Whether the cgroup has processes that are not traced. A child may not be known yet, so that only who
    /// is seen twice counts.
    fn look_for_strangers(&mut self, records: &Records) {
        let Some(cgroup) = self.cgroup.as_ref().filter(|_| self.is_alone) else {
            return;
        };
        let Some(there) = cgroup.processes(MOST_GROUPS) else {
            self.is_alone = false;
            return;
        };
        let known: HashSet<u32> = living(records).collect();
        let own = std::process::id();
        let is_strange = |pid: &u32| !known.contains(pid) && *pid != own;
        let strangers: HashSet<u32> = there.into_iter().filter(is_strange).collect();
        self.is_alone = self.strangers.is_disjoint(&strangers);
        self.strangers = strangers;
    }

    /// For lack of whose memory the kernel killed traced processes, as far as its log says.
    pub(super) fn kills(&mut self, records: &Records) -> Vec<MemoryKill> {
        let logged = self.log.as_mut().map(KernelLog::kills).unwrap_or_default();
        if logged.is_empty() {
            return Vec::new();
        }
        let victims = records
            .in_run()
            .filter(|it| it.exit.is_some_and(|exit| exit.out_of_memory));
        let kill = |victim: &Record| {
            let logged = logged.iter().rfind(|kill| kill.pid == victim.pid)?;
            Some(MemoryKill {
                process_id: victim.id,
                by: logged.by.clone(),
            })
        };
        victims.filter_map(kill).collect()
    }

    fn place_now(&self) -> PlaceOnMachine {
        let cgroup = self.cgroup.as_ref();
        PlaceOnMachine {
            cgroup: cgroup.map(MemoryCgroup::path),
            is_alone: self.is_alone && cgroup.is_some(),
            limit: cgroup.and_then(MemoryCgroup::nearest_limit),
        }
    }

    /// What was read so far.
    pub(super) fn so_far(&self) -> Machine {
        let readings = self.kept.iter().chain(&self.recent);
        Machine {
            readings: readings.copied().collect(),
            place: self.place.clone(),
            ..Machine::default()
        }
    }

    /// Reads all for the last time.
    pub(super) fn finish(&mut self, records: &Records, root: &Path, at_ns: u64) -> Machine {
        if self.number == 0 {
            return Machine::default();
        }
        let _ = refresh_counters(root);
        self.aside_due_ns = 0;
        self.read(records, root, at_ns, true);
        let before = self.before.take().and_then(|thread| thread.join().ok());
        let elsewhere = before
            .flatten()
            .and_then(|before| compare_consumers(&before, records, root));
        Machine {
            elsewhere,
            ..self.so_far()
        }
    }
}

/// When work may be done again that has taken the time since `begun`, if it may take one part in `share`.
fn after_pause(at_ns: u64, begun: Instant, share: u32) -> u64 {
    let pause = begun.elapsed().saturating_mul(share).as_nanos();
    at_ns.saturating_add(u64::try_from(pause).unwrap_or(u64::MAX))
}

/// Pids of living traced processes.
fn living(records: &Records) -> impl Iterator<Item = u32> {
    let alive = records.alive().filter(|it| !it.is_launcher && it.pid != 0);
    alive.map(|record| record.pid)
}

/// What they have beside private memory, and shared memory if the kernel counts that; `None` if none lives.
fn read_aside(records: &Records, root: &Path) -> Option<(ServiceAside, Option<ServiceShared>)> {
    let mut sum = ServiceAside::default();
    let mut shared = None::<ServiceShared>;
    let mut pids = living(records);
    for pid in pids.by_ref().take(MOST_ASIDE) {
        let Some(held) = read_held_aside(root, pid) else {
            continue;
        };
        sum.processes += 1;
        sum.page_tables_bytes = sum.page_tables_bytes.saturating_add(held.page_tables_bytes);
        sum.swapped_bytes = sum.swapped_bytes.saturating_add(held.swapped_bytes);
        if let Some(bytes) = held.shared_bytes {
            let all = shared.get_or_insert_default();
            all.sum_bytes = all.sum_bytes.saturating_add(bytes);
            all.most_bytes = all.most_bytes.max(bytes);
        }
    }
    sum.is_partial = pids.next().is_some();
    (sum.processes > 0).then_some((sum, shared))
}

/// Who grew that is not traced, and is not this program.
fn compare_consumers(before: &Consumers, records: &Records, root: &Path) -> Option<Elsewhere> {
    let after = read_consumers(root).ok()?;
    let mut ours: HashSet<u32> = living(records).collect();
    ours.insert(std::process::id());
    let growers = largest_growers(before, &after, |pid| ours.contains(&pid), usize::MAX);
    let grown = growers.iter().map(|it: &GrownProcess| it.grown_pages);
    Some(Elsewhere {
        grown_pages: grown.fold(0, u64::saturating_add),
        growers: growers.into_iter().take(MOST_GROWERS).collect(),
        processes: after.processes.len() as u64,
        is_partial: before.is_partial || after.is_partial,
    })
}
