//! Which processes are workers: those that live on the memory they inherited. A wrapper script forks
//! dozens of others for a moment, and programs start programs, which inherit nothing.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Process, Role, Run};

/// Who lives longer has done some work with what it inherited, ns.
const MOMENT_NS: u64 = 1_000_000_000;

/// The descendants of the masters by what they are.
#[derive(Debug, Default)]
pub struct Workers<'a> {
    /// Those that inherited a program's memory and worked with it.
    pub workers: Vec<&'a Process>,
    /// Those that lived for less than a second on the memory of another program than the one that
    /// most of its tree's copies were inherited from, such as a wrapper script's.
    pub helpers: Others<'a>,
    /// Those that were started as a program, or started one at once.
    pub started: Others<'a>,
}

/// Processes that are no workers.
#[derive(Debug, Default)]
pub struct Others<'a> {
    /// How many: a process that starts one program after another is one.
    pub processes: usize,
    /// Pages that were copied for them.
    pub copied_pages: u64,
    /// Names of who forked them.
    pub parents: BTreeSet<&'a str>,
}

impl<'a> Others<'a> {
    fn add(&mut self, image: &Process, lineage: &Lineage<'a>) {
        self.processes += usize::from(lineage.is_first(image));
        self.copied_pages += image.copied.total();
        self.parents.extend(lineage.parent_name(image));
    }
}

impl<'a> Workers<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        let lineage = Lineage::of(run);
        let mut all = Self::default();
        for image in run.descendants() {
            if lineage.is_helper(image) {
                all.helpers.add(image, &lineage);
            } else if lineage.is_worker(image) {
                all.workers.push(image);
            } else {
                all.started.add(image, &lineage);
            }
        }
        all
    }

    /// Bytes that the workers inherited: copy-on-write can use no more for them than this.
    #[must_use]
    pub fn inherited_pages(&self) -> u64 {
        let inherited = self.workers.iter().filter_map(|it| it.inherited_pages);
        inherited.sum()
    }

    /// The processes that workers inherited from.
    #[must_use]
    pub fn donors(&self) -> HashSet<u32> {
        self.workers.iter().filter_map(|it| it.parent_id).collect()
    }
}

/// How images follow each other.
struct Lineage<'a> {
    /// Every image by its number.
    images: HashMap<u32, &'a Process>,
    /// The first image of the same process.
    first: HashMap<u32, u32>,
    /// When a process ended, by its first image; none while it lives.
    ended_ns: HashMap<u32, Option<u64>>,
    /// Images whose process went on to start a program.
    succeeded: HashSet<u32>,
    /// The image whose program an image runs: itself, or the one that its forks began with.
    program: HashMap<u32, u32>,
    /// Programs that most copies of a tree were inherited from.
    main: HashSet<u32>,
}

impl<'a> Lineage<'a> {
    /// A parent's number is below its children's, so that one pass is enough.
    fn of(run: &'a Run) -> Self {
        let mut lineage = Self {
            images: HashMap::new(),
            first: HashMap::new(),
            ended_ns: HashMap::new(),
            succeeded: HashSet::new(),
            program: HashMap::new(),
            main: HashSet::new(),
        };
        let mut tree: HashMap<u32, u32> = HashMap::new();
        // Of those that have lived for long first, then of all.
        let mut copied: HashMap<(u32, u32), (u64, u64)> = HashMap::new();
        for image in &run.processes {
            lineage.add(image);
            let parent = image.parent_id;
            let of_parent = parent.and_then(|id| tree.get(&id)).copied();
            let root = match image.role {
                Role::Master => image.pid,
                Role::Worker => of_parent.unwrap_or(0),
            };
            tree.insert(image.id, root);
            if let Some(donor) = lineage.donor(image) {
                let pages = image.copied.total();
                let (of_long, of_all) = copied.entry((root, donor)).or_default();
                *of_all += pages;
                if !is_short(image.started_ns, image.exited_ns) {
                    *of_long += pages;
                }
            }
        }
        let mut most: HashMap<u32, ((u64, u64), u32)> = HashMap::new();
        for ((root, program), pages) in copied {
            let leading = most.entry(root).or_default();
            *leading = (*leading).max((pages, program));
        }
        lineage.main = most.into_values().map(|(_, program)| program).collect();
        lineage
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
        let program = forked_from.map_or(image.id, |parent| self.program[&parent.id]);
        self.images.insert(image.id, image);
        self.first.insert(image.id, first);
        self.ended_ns.insert(first, image.exited_ns);
        self.program.insert(image.id, program);
    }

    fn first(&self, image: &Process) -> u32 {
        self.first.get(&image.id).copied().unwrap_or(image.id)
    }

    fn is_first(&self, image: &Process) -> bool {
        self.first(image) == image.id
    }

    fn parent_of_first(&self, image: &Process) -> Option<&'a Process> {
        let first = self.images.get(&self.first(image))?;
        self.images.get(&first.parent_id?).copied()
    }

    fn parent_name(&self, image: &Process) -> Option<&'a str> {
        self.parent_of_first(image)
            .map(|parent| parent.comm.as_str())
    }

    /// The program whose memory an image inherited.
    fn donor(&self, image: &Process) -> Option<u32> {
        let parent = image.parent_id?;
        let inherits = self.is_first(image) && image.inherited_pages.is_some();
        inherits.then(|| self.program.get(&parent).copied())?
    }

    fn is_helper(&self, image: &Process) -> bool {
        let first = self.first(image);
        let ended = self.ended_ns.get(&first).copied().flatten();
        let began = self.images.get(&first).map_or(0, |first| first.started_ns);
        let program = self
            .parent_of_first(image)
            .and_then(|parent| self.program.get(&parent.id));
        let is_mains = program.is_none_or(|program| self.main.contains(program));
        is_short(began, ended) && !is_mains && !self.main.is_empty() && image.pid != 0
    }

    /// Records that stand for several, under no process id, are of workers.
    fn is_worker(&self, image: &Process) -> bool {
        let started_at_once =
            self.succeeded.contains(&image.id) && is_short(image.started_ns, image.exited_ns);
        let inherits = self.is_first(image) && image.inherited_pages.is_some();
        image.pid == 0 || inherits && !started_at_once
    }
}

/// Whether it was for a moment.
fn is_short(began_ns: u64, ended_ns: Option<u64>) -> bool {
    ended_ns.is_some_and(|ended| ended.saturating_sub(began_ns) < MOMENT_NS)
}
