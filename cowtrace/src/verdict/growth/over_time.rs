//! The memory of the traced tree over time, each page once.

use std::collections::{BTreeMap, HashMap};

use super::{copies::CopiesInMemory, window::Window};
use crate::{
    run::{Process, Run, Sample},
    verdict::before::unshared_before,
};

/// Anonymous memory of the processes that live at a moment, pages. The parts exclude each other, and were in
/// memory together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeMemory {
    /// When, ns since the start.
    pub(crate) at_ns: u64,
    /// What processes have from before and may share, once for those that have it.
    pub(crate) shared: u64,
    /// What those that were there before the trace had unshared by then; at most.
    pub(crate) unshared_before: u64,
    /// Copies of the trace.
    pub(crate) copied: u64,
    /// What is new since the trace began.
    pub(crate) new: u64,
    /// New memory that has been given back so far, by exits too. It is not in memory.
    pub(crate) given_back: u64,
}

/// Anonymous memory of a process at a moment, pages. The parts exclude each other, and add up to what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessMemory {
    /// What it has from before and may share.
    pub(crate) shared: u64,
    /// What it had unshared before the trace; at most.
    pub(crate) unshared_before: u64,
    /// Copies of the trace.
    pub(crate) copied: u64,
    /// What it has and did not have before.
    pub(crate) new: u64,
    /// New memory that it has given back so far. It is not in memory.
    pub(crate) given_back: u64,
}

impl ProcessMemory {
    /// Adds what another process has: shared memory counts for each.
    pub(crate) const fn add(&mut self, other: &Self) {
        self.shared = self.shared.saturating_add(other.shared);
        self.unshared_before = self.unshared_before.saturating_add(other.unshared_before);
        self.copied = self.copied.saturating_add(other.copied);
        self.new = self.new.saturating_add(other.new);
        self.given_back = self.given_back.saturating_add(other.given_back);
    }
}

/// The memory of each process that lives at samples of the timeline; `None` in recordings of versions that did
/// not look.
pub(crate) struct ProcessesOverTime<'a>(TreeOverTime<'a>);

impl<'a> ProcessesOverTime<'a> {
    pub(crate) fn of(run: &'a Run) -> Option<Self> {
        let window = run.has_growth().then(|| Window::of(run)).flatten()?;
        Some(Self(TreeOverTime::of(run, window)))
    }

    /// By the numbers of the processes.
    pub(crate) fn at(&self, sample: &Sample) -> BTreeMap<u32, ProcessMemory> {
        let copied: HashMap<u32, u64> = self.0.copies.in_sample(sample).collect();
        let held = sample.held_by_process.iter();
        let parts = held.map(|(&id, &held)| {
            let copied = copied.get(&id).copied().unwrap_or(0);
            let mut memory = self.0.parts_of(id, held, copied);
            memory.shared = memory.shared.saturating_sub(memory.copied);
            let touched = self.0.window.touched_by_process(id, sample);
            memory.given_back = touched.saturating_sub(memory.new);
            (id, memory)
        });
        parts.collect()
    }
}

/// The memory of the tree at each sample; empty in recordings of versions that did not look. What a command loads
/// before it forks its first worker is what they share.
pub(crate) fn memory_over_time(run: &Run) -> Vec<TreeMemory> {
    let window = run.has_growth().then(|| Window::of(run)).flatten();
    let Some(window) = window else {
        return Vec::new();
    };
    let tree = TreeOverTime::of(run, window);
    let samples = run.memory.timeline.samples.iter();
    samples.map(|sample| tree.memory_at(sample)).collect()
}

/// What the split of a sample needs of the whole run.
struct TreeOverTime<'a> {
    window: Window<'a>,
    processes: HashMap<u32, &'a Process>,
    unshared_before: HashMap<u32, u64>,
    copies: CopiesInMemory<'a>,
}

impl<'a> TreeOverTime<'a> {
    fn of(run: &'a Run, window: Window<'a>) -> Self {
        let processes = run.memory.processes.iter();
        let before = |it: &Process| Some((it.id, unshared_before(run, it)?.0));
        Self {
            processes: processes.clone().map(|it| (it.id, it)).collect(),
            window,
            unshared_before: processes.filter_map(before).collect(),
            copies: CopiesInMemory::of(run),
        }
    }

    fn memory_at(&self, sample: &Sample) -> TreeMemory {
        let copied: HashMap<u32, u64> = self.copies.in_sample(sample).collect();
        let mut memory = TreeMemory {
            at_ns: sample.at_ns,
            ..TreeMemory::default()
        };
        // What is left of each process's memory, by the first process of those that have it together.
        let mut common: HashMap<u32, u64> = HashMap::new();
        for (id, held) in &sample.held_by_process {
            let copied = copied.get(id).copied().unwrap_or(0);
            let parts = self.parts_of(*id, *held, copied);
            memory.new += parts.new;
            memory.copied += copied;
            memory.unshared_before += parts.unshared_before;
            let first = self.first_of(*id);
            let rest = if first == *id {
                held - parts.new
            } else {
                parts.shared.saturating_sub(copied)
            };
            let most = common.entry(first).or_default();
            *most = rest.max(*most);
        }
        memory.shared = common.values().sum();
        let touched = self.window.touched_by(sample);
        memory.given_back = touched.saturating_sub(memory.new);
        memory
    }

    /// What a process has, of which `copied` pages may be copies: they are still among those it may share.
    fn parts_of(&self, id: u32, held: u64, copied: u64) -> ProcessMemory {
        let new = self.window.new_pages(id, held);
        let before = self.unshared_before.get(&id).copied().unwrap_or(0);
        let unshared_before = before.min(held - new);
        let shared = held - new - unshared_before;
        ProcessMemory {
            shared,
            unshared_before,
            copied: copied.min(shared),
            new,
            given_back: 0,
        }
    }

    /// The process whose memory a process has by forks alone, itself if it was started.
    fn first_of(&self, mut id: u32) -> u32 {
        // A parent's number is below its children's.
        while let Some(process) = self.processes.get(&id) {
            let parent = process.parent_id.filter(|parent| *parent < id);
            match parent.filter(|_| process.inherited_pages.is_some()) {
                Some(parent) => id = parent,
                None => break,
            }
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Balance, BalanceIs, FirstTouches, HeldBefore, PageBalance, Role, Sources};

    fn process(id: u32, parent_id: Option<u32>, inherited_pages: Option<u64>) -> Process {
        Process {
            id,
            pid: 100 + id,
            parent_id,
            comm: "app".into(),
            role: if id == 0 { Role::Master } else { Role::Worker },
            started_ns: 0,
            exited_ns: None,
            exit: None,
            copied: Sources {
                anon: if id == 0 { 0 } else { 300 },
                ..Sources::default()
            },
            reused_faults: 0,
            inherited_pages,
            target: None,
        }
    }

    fn held_before(process_id: u32, pages: u64) -> HeldBefore {
        HeldBefore { process_id, pages }
    }

    /// A master of 1,000 pages and two workers that had 900 of them, and a program that one started.
    fn sample_run() -> Run {
        let mut run = Run::default();
        run.head.duration_ns = 2;
        run.memory.processes = vec![
            process(0, None, None),
            process(1, Some(0), Some(1000)),
            process(2, Some(0), Some(1000)),
            process(3, Some(1), None),
        ];
        run.growth.first_touches = vec![FirstTouches {
            process_id: 1,
            kind: None,
            pages: 90,
        }];
        run.growth.held_before = vec![
            held_before(0, 1000),
            held_before(1, 900),
            held_before(2, 900),
            held_before(3, 0),
        ];
        run.growth.balances = vec![Balance {
            process_id: 2,
            at_ns: 0,
            copied_pages: 0,
            pages: PageBalance {
                is: BalanceIs::Exact,
                shared_pages: 850,
                unshared_pages: 50,
                ..PageBalance::default()
            },
        }];
        run.memory.timeline.samples = vec![Sample {
            at_ns: 1,
            copied_pages: 500,
            reused_faults: 0,
            by_process: [(1, 300), (2, 200)].into(),
            touched_pages: 90,
            held_by_process: [(0, 1000), (1, 940), (2, 880), (3, 20)].into(),
            touched_by_process: [(1, 70), (3, 20)].into(),
        }];
        run
    }

    #[test]
    fn parts_exclude_each_other_and_shared_memory_counts_once() {
        let expected = TreeMemory {
            at_ns: 1,
            shared: 1000,
            unshared_before: 50,
            copied: 500,
            new: 40 + 20,
            given_back: 30,
        };
        assert_eq!(memory_over_time(&sample_run()), [expected]);
    }

    #[test]
    fn the_parts_of_a_process_add_up_to_what_it_has() {
        let run = sample_run();
        let sample = &run.memory.timeline.samples[0];
        let found = ProcessesOverTime::of(&run).unwrap().at(sample);
        let parts = |id: u32| {
            let it = found[&id];
            [it.shared, it.unshared_before, it.copied, it.new]
        };
        assert_eq!(parts(0), [1000, 0, 0, 0]);
        assert_eq!(parts(1), [600, 0, 300, 40]);
        assert_eq!(parts(2), [630, 50, 200, 0]);
        assert_eq!(found[&1].given_back, 30);
        for (id, held) in &sample.held_by_process {
            assert_eq!(parts(*id).iter().sum::<u64>(), *held);
        }
    }

    #[test]
    fn without_their_master_workers_still_have_its_memory_once() {
        let mut run = sample_run();
        run.memory.timeline.samples[0].held_by_process.remove(&0);
        let memory = memory_over_time(&run)[0];
        // 900 less 300 copied, and 880 less 200 copied and 50 from before: the larger.
        assert_eq!(memory.shared, 630);
    }

    #[test]
    fn older_recordings_say_nothing() {
        assert_eq!(memory_over_time(&Run::default()), []);
    }
}
