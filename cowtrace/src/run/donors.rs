//! From which process each one has its memory, where the one that forked it was only a step on the way: who is forked
//! twice, as daemons are and the workers of some servers, has a parent that exits at once.

use super::{
    Process, Role,
    by_id::{IdMap, IdSet},
};

/// A process that lives longer than this has worked with what it inherited, ns.
const MOMENT_NS: u64 = 1_000_000_000;
/// A step writes at most this many pages,
const LITTLE: u64 = 256;
/// or at most this part (a 16th) of those that it inherited.
const LITTLE_PART: u64 = 16;

/// Whether it was for a moment.
pub(super) fn is_short(began_ns: u64, ended_ns: Option<u64>) -> bool {
    ended_ns.is_some_and(|ended| ended.saturating_sub(began_ns) < MOMENT_NS)
}

/// Whether a process passes on what it inherited as it is, by its lifetime and by how many of those pages it wrote.
#[must_use]
pub fn passes_on(lived_ns: u64, written_pages: u64, inherited_pages: u64) -> bool {
    lived_ns < MOMENT_NS && written_pages <= LITTLE.max(inherited_pages / LITTLE_PART)
}

/// Which processes are steps, and whose memory the others have.
#[derive(Debug, Default)]
pub struct Donors {
    /// The parents of those that have one.
    parents: IdMap<u32>,
    /// Those that forked another one, and exited at once without having done anything else.
    steps: IdSet,
}

impl Donors {
    /// Of the processes of a run.
    #[must_use]
    pub fn of(processes: &[Process]) -> Self {
        let by_id: IdMap<&Process> = processes.iter().map(|it| (it.id, it)).collect();
        let parent = |it: &Process| by_id.get(&it.parent_id?).copied();
        // Images that another one followed in the same process.
        let followed: IdMap<&Process> = processes
            .iter()
            .filter_map(|it| Some((parent(it)?, it)))
            .filter(|(before, it)| before.pid == it.pid && it.pid != 0)
            .map(|(before, _)| (before.id, before))
            .collect();
        let began_program =
            |it: &Process| followed.contains_key(&it.id) && is_short(it.started_ns, it.exited_ns);
        let is_heir = |it: &&Process| it.inherited_pages.is_some() && !began_program(it);
        let steps = processes.iter().filter(is_heir).filter_map(|it| {
            let step = parent(it).filter(|step| !followed.contains_key(&step.id))?;
            let ended = step.exited_ns?;
            let outlives = it.exited_ns.is_none_or(|its_end| its_end > ended);
            let is_step = step.role == Role::Worker && step.pid != 0 && outlives;
            let lived = ended.saturating_sub(step.started_ns);
            let passes = passes_on(lived, step.copied.total(), step.inherited_pages?);
            (is_step && passes).then_some(step.id)
        });
        Self {
            steps: steps.collect(),
            parents: processes
                .iter()
                .filter_map(|it| Some((it.id, it.parent_id?)))
                .collect(),
        }
    }

    /// Whose memory a process has: the process that forked it, or that one's donor if it was a step.
    #[must_use]
    pub fn donor(&self, process: &Process) -> Option<u32> {
        let mut donor = process.parent_id?;
        // A parent's number is below its children's.
        while self.steps.contains(&donor) {
            donor = self
                .parents
                .get(&donor)
                .copied()
                .filter(|above| *above < donor)?;
        }
        Some(donor)
    }

    /// Whether a process is a step.
    #[must_use]
    pub fn is_step(&self, id: u32) -> bool {
        self.steps.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Sources;

    const MS: u64 = 1_000_000;

    /// A process that was forked at `started_ms`, has written `copied` pages of 10,000 that it inherited, and
    /// ended at `ended_ms`.
    fn forked(
        id: u32,
        parent: u32,
        copied: u64,
        started_ms: u64,
        ended_ms: Option<u64>,
    ) -> Process {
        Process {
            id,
            pid: 100 + id,
            parent_id: (id > 0).then_some(parent),
            comm: "ruby".into(),
            role: if id == 0 { Role::Master } else { Role::Worker },
            started_ns: started_ms * MS,
            exited_ns: ended_ms.map(|at| at * MS),
            exit: None,
            copied: Sources {
                anon: copied,
                ..Sources::default()
            },
            reused_faults: 0,
            inherited_pages: (id > 0).then_some(10_000),
            target: None,
        }
    }

    fn donors_of(processes: &[Process]) -> Vec<Option<u32>> {
        let donors = Donors::of(processes);
        processes.iter().map(|it| donors.donor(it)).collect()
    }

    #[test]
    fn a_parent_that_exits_at_once_hands_its_place_to_its_own() {
        let tree = [
            forked(0, 0, 0, 0, None),
            forked(1, 0, 20, 100, Some(105)),
            forked(2, 1, 20, 103, Some(106)),
            forked(3, 2, 9_000, 105, None),
            forked(4, 0, 20, 200, Some(300)),
        ];
        assert_eq!(
            donors_of(&tree),
            [None, Some(0), Some(0), Some(0), Some(0)],
            "over two steps"
        );
        let donors = Donors::of(&tree);
        let steps: Vec<u32> = (0..5).filter(|id| donors.is_step(*id)).collect();
        assert_eq!(steps, [1, 2], "the last one forked nobody");
    }

    #[test]
    fn who_works_or_stays_is_no_step() {
        let step = |copied, ended_ms| {
            let tree = [
                forked(0, 0, 0, 0, None),
                forked(1, 0, copied, 100, ended_ms),
                forked(2, 1, 0, 105, Some(2_000)),
            ];
            Donors::of(&tree).is_step(1)
        };
        assert!(step(625, Some(1_099)));
        assert!(!step(626, Some(1_099)), "a sixteenth is work");
        assert!(!step(0, Some(1_100)), "a second");
        assert!(!step(0, Some(2_001)), "its child ended before");
        assert!(!step(0, None));
    }

    #[test]
    fn who_starts_a_program_is_no_step_and_passes_nothing_on() {
        let exec = |mut tree: Vec<Process>, of: usize| {
            let id = u32::try_from(tree.len()).unwrap();
            let mut image = forked(id, tree[of].id, 0, 106, None);
            (image.pid, image.inherited_pages) = (tree[of].pid, None);
            tree.push(image);
            Donors::of(&tree).is_step(1)
        };
        let tree = || {
            vec![
                forked(0, 0, 0, 0, None),
                forked(1, 0, 0, 100, Some(106)),
                forked(2, 1, 0, 105, Some(107)),
            ]
        };
        assert!(Donors::of(&tree()).is_step(1));
        assert!(!exec(tree(), 1));
        assert!(!exec(tree(), 2));
    }
}
