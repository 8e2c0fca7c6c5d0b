//! What is exported of a run, in figures.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, SystemTime},
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};

use super::slots::Slots;
use crate::{
    foreign::printable,
    memory::page_bytes,
    run::{BalanceIs, Loss, Process, Role, Run, TracedTarget, Worker},
    verdict::{VerdictKind, growth_of_tree},
    watch::Moment,
    words::program_of,
};

/// Targets with figures of their own.
const MOST_TARGETS: usize = 50;
/// The name of all further ones.
const OTHERS: &str = "other";
/// A service has this name where nobody gave it one.
const NO_NAME: &str = "service";

/// The figures of a moment.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) targets: Vec<TargetFigures>,
    /// Losses, by the key of their cause.
    pub(super) lost: Vec<(&'static str, u64)>,
    /// When the trace began, by the wall clock.
    pub(super) started_at: SystemTime,
    pub(super) taken_at: SystemTime,
    /// How long the snapshot took the thread that traces.
    pub(super) took: Duration,
    pub(super) version: String,
    pub(super) backend: String,
    pub(super) own: Own,
}

/// What this program takes.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) cpu: Duration,
    /// `None` if it cannot be read.
    pub(super) resident_bytes: Option<u64>,
    pub(super) started_at: SystemTime,
}

/// The figures of a target. All that counts something includes processes that have exited.
#[derive(Clone, Debug, Default)]
pub(super) struct TargetFigures {
    pub(super) name: String,
    /// Bytes copied, by source, in the order of [`crate::run::Sources::each`].
    pub(super) copied: [u64; 6],
    /// Bytes copied by what was written, in the order of [`crate::run::WriteKind::ALL`].
    pub(super) written: [u64; 4],
    pub(super) reused_faults: u64,
    /// Workers that were forked during the trace.
    pub(super) forks: u64,
    /// Workers that have exited.
    pub(super) exits: u64,
    /// What the living workers inherited, bytes.
    pub(super) inherited: u64,
    /// What they no longer share of it, as far as the trace saw, bytes.
    pub(super) unshared: u64,
    pub(super) workers: u64,
    pub(super) held: Option<Held>,
    /// The least, the median and the most that a living worker no longer shares, bytes; `None` without workers.
    pub(super) worker_unshared: Option<[u64; 3]>,
    /// What each living worker no longer shares, bytes, by its serial number.
    pub(super) by_worker: Vec<(u32, u64)>,
    /// The same by slot, as far as that is wanted.
    pub(super) by_slot: Vec<(String, u64)>,
    /// `None` as long as it is not known, and when none of its processes lives.
    pub(super) verdict: Option<VerdictKind>,
}

/// What the living workers had when it was last read, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) shared: u64,
    pub(super) unshared: u64,
    pub(super) new: u64,
}

impl Figures {
    /// The figures of a moment of a trace.
    pub(super) fn of(moment: Moment<'_>, program_started_at: SystemTime) -> Self {
        let run = moment.run;
        let causes = Loss::CAUSES.iter().filter(|cause| cause.is_loss);
        let started_at = humantime::parse_rfc3339(&run.head.started_at);
        Self {
            targets: figures_of_targets(run),
            lost: causes
                .map(|cause| (cause.key, (cause.count)(&run.loss)))
                .collect(),
            started_at: started_at.unwrap_or(SystemTime::UNIX_EPOCH),
            taken_at: moment.taken_at,
            took: moment.took,
            version: run.head.tool_version.clone(),
            backend: run.head.backend.clone(),
            own: Own::read(program_started_at),
        }
    }

    /// The same, with counters at least as large as before: a copy of an unknown source may get to know one, and
    /// records of processes that have exited are merged, but to Prometheus a counter that falls began anew.
    pub(super) fn at_least(mut self, before: &Self) -> Self {
        for target in &mut self.targets {
            let before = before.targets.iter().find(|it| it.name == target.name);
            if let Some(before) = before {
                target.raise(before);
            }
        }
        for (reason, count) in &mut self.lost {
            let before = before.lost.iter().find(|(other, _)| other == reason);
            *count = before.map_or(*count, |(_, before)| (*count).max(*before));
        }
        self
    }
}

impl Own {
    fn read(started_at: SystemTime) -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let cpu = usage.map(|it| it.user_time() + it.system_time());
        let micros = cpu.map_or(0, |cpu| cpu.num_microseconds());
        Self {
            cpu: Duration::from_micros(u64::try_from(micros).unwrap_or(0)),
            resident_bytes: resident_bytes(),
            started_at,
        }
    }
}

/// Memory of this program: the second number of statm, in pages (proc(5)).
fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(page_bytes())
}

/// The figures of each target, up to a limit; those of the others in one sum.
fn figures_of_targets(run: &Run) -> Vec<TargetFigures> {
    let names = &run.head.traced_targets;
    if names.len() < 2 {
        return vec![TargetFigures::of(run, name_of(run, names.first()))];
    }
    let parts = (0..).zip(names).map(|(place, target)| {
        let part = run.of_target(place);
        TargetFigures::of(&part, name_of(&part, Some(target)))
    });
    let mut all: Vec<TargetFigures> = parts.collect();
    let others = all.split_off(all.len().min(MOST_TARGETS));
    all.extend(TargetFigures::sum_of(&others));
    distinguish(&mut all);
    all
}

/// Two services of one program get numbers.
fn distinguish(targets: &mut [TargetFigures]) {
    let mut taken = HashSet::new();
    for target in targets {
        let name = target.name.clone();
        let mut number = 1;
        while !taken.insert(target.name.clone()) {
            number += 1;
            target.name = format!("{name}-{number}");
        }
    }
}

impl TargetFigures {
    /// What several have in all; `None` of none. Figures that are no sums are left out.
    fn sum_of(all: &[Self]) -> Option<Self> {
        let mut sum = Self {
            name: OTHERS.into(),
            ..all.first()?.clone()
        };
        (sum.held, sum.worker_unshared, sum.verdict) = (None, None, None);
        for other in &all[1..] {
            let add = |to: &mut [u64], more: &[u64]| {
                to.iter_mut().zip(more).for_each(|(to, more)| *to += more);
            };
            add(&mut sum.copied, &other.copied);
            add(&mut sum.written, &other.written);
            sum.reused_faults += other.reused_faults;
            sum.forks += other.forks;
            sum.exits += other.exits;
            sum.inherited += other.inherited;
            sum.unshared += other.unshared;
            sum.workers += other.workers;
            sum.by_worker.extend(&other.by_worker);
        }
        Some(sum)
    }

    fn of(run: &Run, name: String) -> Self {
        let workforce = run.workforce();
        // Records that stand for several, under no process id, are counted by the loss.
        let single = || workforce.workers.iter().filter(|it| it.forked.pid != 0);
        let folded = run.loss.processes_folded;
        let forks = single().filter(|it| it.forked.started_ns > 0).count();
        let living: Vec<&Worker<'_>> = single()
            .filter(|it| it.forked.exited_ns.is_none())
            .collect();
        let exits = single().count() - living.len();
        let unshared = |it: &&Worker<'_>| (it.forked.id, run.bytes(unshared_pages(it)));
        let by_worker: Vec<(u32, u64)> = living.iter().map(unshared).collect();
        let mut unshared: Vec<u64> = by_worker.iter().map(|(_, bytes)| *bytes).collect();
        unshared.sort_unstable();
        let inherited = living.iter().filter_map(|it| it.forked.inherited_pages);
        Self {
            name,
            copied: run.copied().each().map(|pages| run.bytes(pages)),
            written: written(run),
            reused_faults: run.reused_faults(),
            forks: forks as u64 + folded,
            exits: exits as u64 + folded,
            inherited: run.bytes(inherited.sum()),
            unshared: unshared.iter().sum(),
            workers: living.len() as u64,
            held: Held::of(run, &living),
            worker_unshared: least_median_most(&unshared),
            by_worker,
            by_slot: Vec::new(),
            verdict: growth_of_tree(run)
                .filter(|_| any_lives(run))
                .map(|growth| growth.kind),
        }
    }

    /// Puts its workers into slots, of which there are `number`.
    pub(super) fn place_workers(&mut self, slots: &mut Slots, number: usize) {
        let workers: Vec<u32> = self.by_worker.iter().map(|(id, _)| *id).collect();
        let placed = slots.assign(&workers, number).iter();
        let bytes = |id: &u32| self.by_worker.iter().find(|(other, _)| other == id);
        self.by_slot = placed
            .filter_map(|(slot, id)| Some((slot.to_string(), bytes(id)?.1)))
            .collect();
    }

    /// Makes its counters at least as large as before.
    fn raise(&mut self, before: &Self) {
        let pairs = self.copied.iter_mut().zip(&before.copied);
        let pairs = pairs.chain(self.written.iter_mut().zip(&before.written));
        let single = [
            (&mut self.reused_faults, &before.reused_faults),
            (&mut self.forks, &before.forks),
            (&mut self.exits, &before.exits),
        ];
        for (now, before) in pairs.chain(single) {
            *now = (*now).max(*before);
        }
    }
}

impl Held {
    /// `None` unless every worker was read.
    fn of(run: &Run, living: &[&Worker<'_>]) -> Option<Self> {
        let mut sum = Self::default();
        for worker in living {
            let last = run.growth.balances_of(worker.forked.id).last()?.pages;
            if last.is == BalanceIs::Unknown {
                return None;
            }
            sum.shared += run.bytes(last.shared_pages);
            sum.unshared += run.bytes(last.unshared_pages);
            sum.new += run.bytes(last.new_pages);
        }
        (!living.is_empty()).then_some(sum)
    }
}

fn any_lives(run: &Run) -> bool {
    let mut processes = run.memory.processes.iter();
    processes.any(|it| it.pid != 0 && it.exited_ns.is_none())
}

/// Pages that a worker copied of what it inherited.
fn unshared_pages(worker: &Worker<'_>) -> u64 {
    let copied = worker
        .copied_pages
        .saturating_sub(worker.forked.copied.zero);
    copied.min(worker.forked.inherited_pages.unwrap_or(0))
}

fn least_median_most(sorted: &[u64]) -> Option<[u64; 3]> {
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted[(sorted.len() - 1) / 2].midpoint(sorted[sorted.len() / 2]);
    Some([least, middle, most])
}

/// Bytes copied by what was written.
fn written(run: &Run) -> [u64; 4] {
    let mut pages = [0; 4];
    for writer in &run.who_wrote.writers {
        pages[writer.kind as usize] += writer.copied_pages;
    }
    pages.map(|pages| run.bytes(pages))
}

/// What a target is called: as its user calls it, or by what it is; of a process by the program of its master, since
/// the number of one would be new after each restart.
fn name_of(run: &Run, target: Option<&TracedTarget>) -> String {
    let own = target.filter(|target| !is_pid(target));
    let name = own.map(|target| printable(&target.name));
    let is_master = |it: &&Process| it.role == Role::Master && it.pid != 0;
    let master = || run.memory.processes.iter().find(is_master);
    name.or_else(|| Some(program_of(run, master()?)))
        .unwrap_or_else(|| NO_NAME.into())
}

/// Whether it has no name but one that is made of its pid.
fn is_pid(target: &TracedTarget) -> bool {
    let pid = target.what.strip_prefix("pid ");
    pid == Some(target.name.as_str())
}
