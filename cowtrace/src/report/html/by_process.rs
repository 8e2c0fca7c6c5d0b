//! The memory of the processes that grew most, each over time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde::Serialize;

use super::{memory::PARTS, timeline::at_most};
use crate::{
    run::Run,
    verdict::{ProcessMemory, ProcessesOverTime},
    words::{plural, role_in_words, what_runs},
};

/// Processes that are shown one by one; all others are one more.
const MOST_PROCESSES: usize = 24;
/// Points in time of each.
const MOST_POINTS: usize = 100;

/// Processes and their memory over time.
#[derive(Serialize)]
pub(super) struct MemoryByProcess {
    at_ns: Vec<u64>,
    parts: [&'static str; PARTS.len()],
    processes: Vec<ProcessBands>,
    note: &'static str,
}

/// The memory of a process, or of all that are not shown one by one.
#[derive(Serialize)]
struct ProcessBands {
    name: String,
    /// Pages at each point, in the order of the parts.
    bands: [Vec<u64>; PARTS.len()],
    /// New memory that it has given back by then.
    given_back: Vec<u64>,
}

impl ProcessBands {
    fn of(name: String, memory: &[ProcessMemory]) -> Self {
        let mut own = Self {
            name,
            bands: std::array::from_fn(|_| Vec::new()),
            given_back: Vec::new(),
        };
        for it in memory {
            let parts = [it.shared, it.unshared_before, it.copied, it.new];
            for (band, pages) in own.bands.iter_mut().zip(parts) {
                band.push(pages);
            }
            own.given_back.push(it.given_back);
        }
        own
    }
}

/// Those of a run, most copies and new memory first; `None` if there is but one process, or if that was not looked
/// at.
pub(super) fn memory_by_process(run: &Run) -> Option<MemoryByProcess> {
    let all = ProcessesOverTime::of(run)?;
    let samples = at_most(&run.memory.timeline.samples, MOST_POINTS);
    let memory: Vec<BTreeMap<u32, ProcessMemory>> =
        samples.iter().map(|sample| all.at(sample)).collect();
    let order = by_growth(&memory);
    if order.len() < 2 {
        return None;
    }
    let of = |id: u32| -> Vec<ProcessMemory> {
        let memory = memory.iter();
        memory
            .map(|at| at.get(&id).copied().unwrap_or_default())
            .collect()
    };
    let name = |id: u32| {
        let process = run.process(id);
        process.map_or_else(String::new, |it| {
            format!("{} {} {}", role_in_words(it), it.pid, what_runs(run, it))
        })
    };
    let shown = order.iter().take(MOST_PROCESSES);
    let mut processes: Vec<ProcessBands> = shown
        .map(|&id| ProcessBands::of(name(id), &of(id)))
        .collect();
    let others: BTreeSet<u32> = order.iter().skip(MOST_PROCESSES).copied().collect();
    if !others.is_empty() {
        let name = format!(
            "the {} together",
            plural(others.len() as u64, "other process")
        );
        processes.push(ProcessBands::of(name, &sums_of(&memory, &others)));
    }
    Some(MemoryByProcess {
        at_ns: samples.iter().map(|sample| sample.at_ns).collect(),
        parts: PARTS,
        processes,
        note: "Copied: as counted. New: what it has more than when it was first seen, so what it gave back of \
               what it inherited makes it too small. Still shared: at most. Between the start and the end \
               memory is read from /proc/PID/statm.",
    })
}

/// Processes by the most copies and new memory that they had at one time.
fn by_growth(memory: &[BTreeMap<u32, ProcessMemory>]) -> Vec<u32> {
    let mut most: BTreeMap<u32, u64> = BTreeMap::new();
    for (id, it) in memory.iter().flatten() {
        let grown = most.entry(*id).or_default();
        *grown = it.copied.saturating_add(it.new).max(*grown);
    }
    let mut order: Vec<(u32, u64)> = most.into_iter().collect();
    order.sort_by_key(|(id, grown)| (Reverse(*grown), *id));
    order.into_iter().map(|(id, _)| id).collect()
}

/// What several processes have at each point.
fn sums_of(
    memory: &[BTreeMap<u32, ProcessMemory>],
    processes: &BTreeSet<u32>,
) -> Vec<ProcessMemory> {
    let sum = |at: &BTreeMap<u32, ProcessMemory>| {
        let mut sum = ProcessMemory::default();
        let those = at.iter().filter(|(id, _)| processes.contains(id));
        those.for_each(|(_, it)| sum.add(it));
        sum
    };
    memory.iter().map(sum).collect()
}
