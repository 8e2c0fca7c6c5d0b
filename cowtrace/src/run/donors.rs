//! From which process each one has its memory, where the one that forked it was only a step on the way: who is forked
//! twice, as daemons are and the workers of some servers, has a parent that exits at once.

use std::collections::{HashMap, HashSet};

use super::{Process, Role};

/// A process that lives longer than this has worked with what it inherited, ns.
const MOMENT_NS: u64 = 1_000_000_000;
/// A step writes fewer pages than this,
const LITTLE: u64 = 256;
/// or than one of so many that it inherited.
const LITTLE_PART: u64 = 16;

/// Whether it was for a moment.
pub(super) fn is_short(began_ns: u64, ended_ns: Option<u64>) -> bool {
    ended_ns.is_some_and(|ended| ended.saturating_sub(began_ns) < MOMENT_NS)
}

/// Whether a process that has lived so long, and has written so many of its inherited pages, passes on what it
/// inherited as it is.
#[must_use]
pub fn passes_on(lived_ns: u64, written_pages: u64, inherited_pages: u64) -> bool {
    lived_ns < MOMENT_NS && written_pages <= LITTLE.max(inherited_pages / LITTLE_PART)
}

/// Which processes are steps, and whose memory the others have.
#[derive(Debug, Default)]
pub struct Donors {
    /// The parents of those that have one.
    parents: HashMap<u32, u32>,
    /// Those that forked another one, and exited at once without having done anything else.
    steps: HashSet<u32>,
}

impl Donors {
    /// Of the processes of a run.
    #[must_use]
    pub fn of(processes: &[Process]) -> Self {
        let by_id: HashMap<u32, &Process> = processes.iter().map(|it| (it.id, it)).collect();
        let parent = |it: &Process| by_id.get(&it.parent_id?).copied();
        // Images that another one followed in the same process.
        let followed: HashMap<u32, &Process> = processes
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
