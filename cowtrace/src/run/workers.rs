//! Which processes are workers: those that work with the memory that they inherited. A wrapper script forks
//! dozens of short-lived processes, and programs start programs, which inherit nothing.

use std::collections::BTreeSet;

use super::{
    CopiedMemory, Donors, Process,
    by_id::{IdMap, IdSet},
    donors::is_short,
};

/// The descendants of the masters by what they are.
#[derive(Debug, Default)]
pub struct Workers<'a> {
    /// Those that inherited a program's memory and worked with it.
    pub workers: Vec<Worker<'a>>,
    /// Those that lived for less than a second on the memory of a program that merely wraps another
    /// one, such as a script that starts a service; all that such a script started and that had ended
    /// when the service took its place; and those that only forked a worker and exited.
    pub helpers: OtherProcesses<'a>,
    /// Those that were started as a program, or started one at once.
    pub started: OtherProcesses<'a>,
    /// The images of workers: as they were forked, and the programs that they started in their own place later.
    pub images: IdSet,
}

/// A process that is a worker.
#[derive(Clone, Copy, Debug)]
pub struct Worker<'a> {
    /// Its image as it was forked.
    pub forked: &'a Process,
    /// Pages that it inherited and can copy; `None` if that is not known.
    pub inherited_pages: Option<u64>,
    /// Pages that were copied for it, also after it had started programs in its own place.
    pub copied_pages: u64,
    /// Whose memory it inherited.
    pub donor: Option<u32>,
}

/// Processes that are no workers.
#[derive(Debug, Default)]
pub struct OtherProcesses<'a> {
    /// How many: a process that starts one program after another is one.
    pub processes: usize,
    /// Pages that were copied for them.
    pub copied_pages: u64,
    /// Names of who forked them.
    pub parents: BTreeSet<&'a str>,
    /// The program that each ran last, by the number of its image.
    pub last_images: Vec<u32>,
}

impl<'a> OtherProcesses<'a> {
    fn add(&mut self, first: &Process, copied_pages: u64, lineage: &Lineage<'a>) {
        self.processes += 1;
        self.copied_pages += copied_pages;
        self.parents.extend(lineage.parent_name(first));
        self.last_images.extend(lineage.last.get(&first.id));
    }
}

impl<'a> Workers<'a> {
    /// A process is one thing, whatever programs it starts in its own place later.
    #[must_use]
    pub fn of(memory: &'a CopiedMemory) -> Self {
        let lineage = Lineage::of(&memory.processes);
        let donors = Donors::of(&memory.processes);
        let mut copied: IdMap<u64> = IdMap::default();
        for image in memory.descendants() {
            *copied.entry(lineage.first(image)).or_default() += image.copied.total();
        }
        let mut all = Self::default();
        for first in memory.descendants().filter(|image| lineage.is_first(image)) {
            let copied_pages = copied[&first.id];
            if lineage.is_helper(first) || donors.is_step(first.id) {
                all.helpers.add(first, copied_pages, &lineage);
            } else if lineage.is_worker(first) {
                all.workers.push(Worker {
                    forked: first,
                    inherited_pages: memory
                        .is_counted(first.id)
                        .then(|| first.inherited_pages.unwrap_or(0)),
                    copied_pages,
                    donor: donors.donor(first),
                });
            } else {
                all.started.add(first, copied_pages, &lineage);
            }
        }
        let workers: IdSet = all.workers.iter().map(|it| it.forked.id).collect();
        let images = memory.descendants();
        let images = images.filter(|image| workers.contains(&lineage.first(image)));
        all.images = images.map(|image| image.id).collect();
        all
    }

    /// Pages that the workers inherited: copy-on-write can copy no more for them than this. `None` if that is
    /// not known of one of them.
    #[must_use]
    pub fn inherited_pages(&self) -> Option<u64> {
        self.workers.iter().map(|it| it.inherited_pages).sum()
    }

    /// The processes that workers inherited from.
    #[must_use]
    pub fn donors(&self) -> IdSet {
        let workers = self.workers.iter();
        workers.filter_map(|it| it.donor).collect()
    }
}

/// What the children of a program did with the memory that they inherited from it, those left out that
/// started another program at once.
#[derive(Clone, Copy, Debug, Default)]
struct ProgramChildren {
    children: u64,
    copied_pages: u64,
    /// Whether one lived for longer than a moment.
    lasts: bool,
}

impl ProgramChildren {
    fn mean(self) -> u64 {
        self.copied_pages / self.children.max(1)
    }
}

/// How images follow each other.
#[derive(Default)]
struct Lineage<'a> {
    /// Every image by its number.
    images: IdMap<&'a Process>,
    /// The first image of the same process.
    first: IdMap<u32>,
    /// The last image of a process, by its first image.
    last: IdMap<u32>,
    /// When a process ended, by its first image; none while it lives.
    ended_ns: IdMap<Option<u64>>,
    /// Images whose process went on to start a program.
    succeeded: IdSet,
    /// The image whose program an image runs: itself, or the one that its forks began with.
    program: IdMap<u32>,
    /// Programs whose work is done by another one that they led to.
    wrappers: IdSet,
    /// Until when the program ran that a process stems from and that merely prepared another one in its own
    /// place, ns, by the first image of the process.
    prepared_until_ns: IdMap<u64>,
}

impl<'a> Lineage<'a> {
    /// A parent's number is below its children's, so that one pass is enough.
    fn of(processes: &'a [Process]) -> Self {
        let mut lineage = Self::default();
        for image in processes {
            lineage.add(image);
        }
        lineage.wrappers = lineage.find_wrappers(processes);
        lineage.prepared_until_ns = lineage.find_preparations(processes);
        lineage
    }

    /// What wrapping programs started before another program took their place, with what that started.
    fn find_preparations(&self, processes: &[Process]) -> IdMap<u64> {
        let mut until: IdMap<u64> = IdMap::default();
        for image in processes.iter().filter(|image| self.is_first(image)) {
            let Some(parent) = self.parent(image) else {
                continue;
            };
            let program = self.program.get(&parent.id);
            let wraps = program.is_some_and(|program| self.wrappers.contains(program));
            let is_followed = wraps && self.succeeded.contains(&parent.id);
            let own = parent.exited_ns.filter(|_| is_followed);
            let above = until.get(&self.first(parent)).copied();
            until.extend(own.max(above).map(|until| (image.id, until)));
        }
        until
    }

    fn add(&mut self, image: &'a Process) {
        let parent = image.parent_id.and_then(|id| self.images.get(&id)).copied();
        let before = parent.filter(|parent| parent.pid == image.pid && image.pid != 0);
        let first = before.map_or(image.id, |before| self.first(before));
        if let Some(before) = before {
            self.succeeded.insert(before.id);
        }
        let is_fork = before.is_none() && image.inherited_pages.is_some();
        let forked_from = parent.filter(|_| is_fork);
        let program = forked_from.and_then(|parent| self.program.get(&parent.id));
        let program = program.copied().unwrap_or(image.id);
        self.images.insert(image.id, image);
        self.first.insert(image.id, first);
        self.last.insert(first, image.id);
        self.ended_ns.insert(first, image.exited_ns);
        self.program.insert(image.id, program);
    }

    /// Programs that led to another one, by starting it, whose children did more.
    fn find_wrappers(&self, processes: &[Process]) -> IdSet {
        let mut broods: IdMap<ProgramChildren> = IdMap::default();
        for image in processes {
            if let Some(donor) = self.donor(image).filter(|_| !self.began_program(image)) {
                let brood = broods.entry(donor).or_default();
                brood.children += 1;
                brood.copied_pages += image.copied.total();
                brood.lasts |= !is_short(image.started_ns, image.exited_ns);
            }
        }
        // From the last to the first: what a program led to is known before the program itself.
        let mut led_to: IdMap<(ProgramChildren, &str)> = IdMap::default();
        let mut wrappers = IdSet::default();
        for image in processes.iter().rev() {
            if self.program.get(&image.id) != Some(&image.id) {
                continue;
            }
            let own = broods.get(&image.id).copied().unwrap_or_default();
            let below = led_to.get(&image.id).copied();
            if below.is_some_and(|(below, name)| {
                name != image.comm && self.is_outdone(image, own, below)
            }) {
                wrappers.insert(image.id);
            }
            let best = most((own, &image.comm), below);
            if let Some(above) = image.parent_id.and_then(|id| self.program.get(&id)) {
                let known = led_to.get(above).copied();
                led_to.insert(*above, most(best, known));
            }
        }
        wrappers
    }

    /// Whether a program's children did less than those of one that it led to, in doubt not: children
    /// of a service may start small programs that fork, too.
    fn is_outdone(&self, program: &Process, own: ProgramChildren, below: ProgramChildren) -> bool {
        let lasts_longer = below.lasts && !own.lasts;
        let is_larger = below.children > 0 && below.mean() >= own.mean();
        if self.succeeded.contains(&program.id) {
            lasts_longer || is_larger
        } else {
            is_larger && (lasts_longer || below.copied_pages >= own.copied_pages)
        }
    }

    fn first(&self, image: &Process) -> u32 {
        self.first.get(&image.id).copied().unwrap_or(image.id)
    }

    fn is_first(&self, image: &Process) -> bool {
        self.first(image) == image.id
    }

    fn parent(&self, image: &Process) -> Option<&'a Process> {
        self.images.get(&image.parent_id?).copied()
    }

    fn parent_name(&self, first: &Process) -> Option<&'a str> {
        self.parent(first).map(|parent| parent.comm.as_str())
    }

    /// The program whose memory an image inherited.
    fn donor(&self, image: &Process) -> Option<u32> {
        let parent = image.parent_id?;
        let inherits = self.is_first(image) && image.inherited_pages.is_some();
        inherits.then(|| self.program.get(&parent).copied())?
    }

    fn is_helper(&self, first: &Process) -> bool {
        let ended = self.ended_ns.get(&first.id).copied().flatten();
        let program = self.parent(first).and_then(|it| self.program.get(&it.id));
        let of_wrapper = program.is_some_and(|program| self.wrappers.contains(program));
        let prepared = self.prepared_until_ns.get(&first.id);
        let is_preparation = ended
            .zip(prepared)
            .is_some_and(|(ended, until)| ended <= *until);
        let is_short = of_wrapper && is_short(first.started_ns, ended);
        (is_short || is_preparation) && first.pid != 0
    }

    /// Records that stand for several, under no process id, are of workers.
    fn is_worker(&self, first: &Process) -> bool {
        first.pid == 0 || first.inherited_pages.is_some() && !self.began_program(first)
    }

    /// Whether its process started a program in its place at once.
    fn began_program(&self, image: &Process) -> bool {
        self.succeeded.contains(&image.id) && is_short(image.started_ns, image.exited_ns)
    }
}

/// The one whose children did more: those that last go first.
fn most<'a>(
    one: (ProgramChildren, &'a str),
    other: Option<(ProgramChildren, &'a str)>,
) -> (ProgramChildren, &'a str) {
    let weight = |brood: ProgramChildren| (brood.lasts, brood.mean(), brood.children);
    match other {
        Some(other) if weight(other.0) > weight(one.0) => other,
        _ => one,
    }
}

#[cfg(test)]
mod tests;
