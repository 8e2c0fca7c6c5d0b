//! New memory by process, in the time that a verdict is about.

use std::collections::HashMap;

use super::window::Window;
use crate::run::{Role, Run, Sample};

/// Processes that have less than this share of the new memory are not counted among those that grew.
const NEARLY_ALL: f64 = 0.9;

/// New memory of a process, pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewOfProcess {
    /// What it has at the end and did not have before; 0 if it has ended.
    pub(crate) held: u64,
    /// What else it touched: it gave that back, at the latest when it ended. A page that came and went
    /// twice counts twice.
    pub(crate) given_back: u64,
}

/// New memory of all processes of a run, by their numbers; `None` in recordings of versions that did not look.
pub(crate) fn new_by_process(run: &Run) -> Option<HashMap<u32, NewOfProcess>> {
    let window = run.has_growth().then(|| Window::of(run)).flatten()?;
    let last = window.samples().last()?;
    let is_counted = |it: &Sample| !it.touched_by_process.is_empty();
    let in_all = if window.samples().iter().any(is_counted) {
        None
    } else {
        Some(touched_in_all(run, window.first_fork_ns()))
    };
    let processes = run.memory.processes.iter();
    let new = processes.map(|process| {
        let held = last.held_by_process.get(&process.id);
        let held = held.map_or(0, |held| window.new_pages(process.id, *held));
        let touched = in_all.as_ref().map_or_else(
            || window.touched_by_process(process.id, last),
            |all| all.get(&process.id).copied().unwrap_or(0),
        );
        let given_back = touched.saturating_sub(held);
        (process.id, NewOfProcess { held, given_back })
    });
    Some(new.collect())
}

/// First touches by process in the whole trace, of those that are not older than `since_ns`: recordings of some
/// versions have no others.
fn touched_in_all(run: &Run, since_ns: u64) -> HashMap<u32, u64> {
    let mut sums = HashMap::new();
    for touches in &run.growth.first_touches {
        let process = run.process(touches.process_id);
        if process.is_some_and(|it| it.started_ns >= since_ns) {
            *sums.entry(touches.process_id).or_default() += touches.pages;
        }
    }
    sums
}

/// Processes that together have nearly all of the new memory at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WhereNew {
    /// Most first: their numbers, and what each has, pages.
    pub(crate) processes: Vec<(u32, u64)>,
    /// What all processes have, pages.
    pub(crate) pages: u64,
}

impl WhereNew {
    /// `None` if none has any, or that is not known.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let new = new_by_process(run)?.into_iter();
        let mut all: Vec<(u32, u64)> = new.map(|(id, new)| (id, new.held)).collect();
        all.retain(|(_, pages)| *pages > 0);
        all.sort_by_key(|(id, pages)| (std::cmp::Reverse(*pages), *id));
        let pages = all.iter().map(|(_, pages)| pages).sum();
        let (mut sum, mut number) = (0, 0);
        while (sum as f64) < pages as f64 * NEARLY_ALL {
            sum += all.get(number)?.1;
            number += 1;
        }
        // Those that have as much as the last of them are no less part of it.
        let least = number.checked_sub(1).and_then(|last| all.get(last))?.1;
        all.retain(|(_, pages)| *pages as f64 >= least as f64 * NEARLY_ALL);
        Some(Self {
            processes: all,
            pages,
        })
    }

    /// What those of a role have, most first.
    pub(crate) fn of_role(&self, run: &Run, role: Role) -> Vec<(u32, u64)> {
        let has_role = |id: u32| run.process(id).is_some_and(|it| it.role == role);
        let all = self.processes.iter().copied();
        all.filter(|(id, _)| has_role(*id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{FirstTouches, HeldBefore, Process, arbitrary};

    const SECOND: u64 = 1_000_000_000;

    fn process(id: u32, role: Role) -> Process {
        let service: Run =
            serde_json::from_str(include_str!("../../../../tests/tests/runs/service.json"))
                .unwrap();
        Process {
            id,
            pid: 100 + id,
            parent_id: (role == Role::Worker).then_some(0),
            role,
            // The trace began with the command.
            started_ns: u64::from(id) * SECOND + 1,
            exited_ns: None,
            inherited_pages: (role == Role::Worker).then_some(50_000),
            ..service.memory.processes[0].clone()
        }
    }

    /// A command that loads 50,000 pages, then forks two workers, of which one gives most back and ends.
    fn run() -> Run {
        let mut run = arbitrary::empty();
        let mut ended = process(2, Role::Worker);
        ended.exited_ns = Some(20 * SECOND);
        run.memory.processes = vec![process(0, Role::Master), process(1, Role::Worker), ended];
        run.memory.timeline.samples = (1..30u64)
            .map(|second| Sample {
                at_ns: second * SECOND,
                touched_pages: 50_000 + second * 110,
                touched_by_process: [(0, 50_000), (1, second * 100), (2, second.min(20) * 10)]
                    .into(),
                held_by_process: [(0, 50_000), (1, 50_000 + second * 60), (2, 50_005)]
                    .into_iter()
                    .filter(|(id, _)| *id != 2 || second < 20)
                    .collect(),
                ..Sample::default()
            })
            .collect();
        run.growth.held_before = [1, 2]
            .map(|process_id| HeldBefore {
                process_id,
                pages: 50_000,
            })
            .into();
        run.head.duration_ns = 29 * SECOND;
        run
    }

    #[test]
    fn what_a_command_loads_is_new_of_no_process() {
        let new = new_by_process(&run()).unwrap();
        let of = |id: u32| (new[&id].held, new[&id].given_back);
        assert_eq!(of(0), (0, 0));
        assert_eq!(of(1), (29 * 60, 29 * 100 - 29 * 60));
        assert_eq!(of(2), (0, 200));
        let found = WhereNew::of(&run()).unwrap();
        assert_eq!(found.processes, [(1, 29 * 60)]);
        assert_eq!(found.of_role(&run(), Role::Master), []);
    }

    #[test]
    fn older_recordings_have_the_sums_of_whole_traces() {
        let mut older = run();
        for sample in &mut older.memory.timeline.samples {
            sample.touched_by_process.clear();
        }
        older.growth.first_touches = [(0, 50_000), (1, 3_000), (2, 200)]
            .map(|(process_id, pages)| FirstTouches {
                process_id,
                kind: None,
                pages,
            })
            .into();
        let new = new_by_process(&older).unwrap();
        assert_eq!(new[&0].given_back, 0, "it was loaded before the first fork");
        assert_eq!(new[&1].given_back, 3_000 - 29 * 60);
        assert_eq!(new_by_process(&arbitrary::empty()), None);
    }

    #[test]
    fn alike_processes_are_named_together() {
        let mut even = run();
        even.memory.processes[2].exited_ns = None;
        for sample in &mut even.memory.timeline.samples {
            let of_first = sample.held_by_process[&1];
            sample.held_by_process.insert(2, of_first - 2);
        }
        let found = WhereNew::of(&even).unwrap();
        assert_eq!(found.processes.len(), 2);
        assert_eq!(found.pages, 29 * 60 * 2 - 2);
    }
}
