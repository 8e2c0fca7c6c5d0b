//! The processes of targets: those that are there at the start, and those that come later without a fork that the
//! trace saw. A unit that is started again has another cgroup at the same path, and other processes.

mod matching;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use self::matching::{has_match, is_match, with_matching_ancestors};
use super::{
    cgroups::{UnitPlace, container_id, find_container, find_unit, find_unit_folder},
    check_target,
    error::TargetError,
    masters::{FoundMaster, MasterChoice},
    wanted::{Pattern, Target, UnitName, Wanted, named_targets},
};
use crate::{
    foreign::{printable, printable_path},
    memory::{self, CgroupFolders, CgroupMembers},
};

/// Looks at a new process: it may start its program or give itself a title meanwhile.
const FRESH_LOOKS: u8 = 20;
/// Looks in which all older processes are looked at once more.
const ROUND: usize = 60;
/// Least time between two searches for a cgroup that is gone; and a search may take at most one part in this many of
/// the time.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
const SHARE: u32 = 100;

/// Finds the processes of targets while a trace runs.
#[derive(Debug)]
pub struct TargetWatch {
    root: PathBuf,
    folders: CgroupFolders,
    choice: MasterChoice,
    watched: Vec<WatchedTarget>,
    lines: CommandLineScan,
    /// Processes that were found before, with their starts: those that could not be traced are not tried again.
    tried: HashMap<u32, u64>,
    /// Whether it waits for what is not there at all.
    waits_for_all: bool,
}

/// A target that may have other processes later.
#[derive(Debug)]
struct WatchedTarget {
    target: u32,
    name: String,
    place: WatchedPlace,
    /// Whether it has processes, as was last said.
    is_alive: bool,
}

#[derive(Debug)]
enum WatchedPlace {
    Pattern(Pattern),
    Cgroup(WatchedCgroup),
}

/// A cgroup that may go and come back.
#[derive(Debug)]
struct WatchedCgroup {
    folder: Option<PathBuf>,
    sought: SoughtCgroup,
    search_due: Instant,
}

#[derive(Debug)]
enum SoughtCgroup {
    /// Always at this path.
    Path,
    Unit(UnitName),
    /// By its whole id.
    Container(String),
}

/// What a look has found: processes by target, whether traced or not.
#[derive(Debug, Default)]
pub struct SeenMembers(Vec<(u32, BTreeSet<u32>)>);

impl TargetWatch {
    /// Finds the masters that there are, each once, and watches for others. Fails if something is not there at all: a
    /// unit or a cgroup may have no process yet. With `waits`, units and patterns may come later.
    pub fn begin(
        root: &Path,
        cgroups: &Path,
        targets: &[Target],
        waits: bool,
    ) -> Result<(Self, Vec<FoundMaster>), TargetError> {
        let mut watch = Self {
            waits_for_all: waits,
            root: root.to_owned(),
            folders: CgroupFolders::below(cgroups),
            choice: MasterChoice::new(root),
            watched: Vec::new(),
            lines: CommandLineScan::default(),
            tried: HashMap::new(),
        };
        let mut masters: Vec<FoundMaster> = Vec::new();
        let names = named_targets(targets);
        for ((target, given), named) in (0..).zip(targets).zip(names) {
            let pids = match &given.wanted {
                Wanted::Pid(pid) => {
                    check_target(root, *pid)?;
                    vec![*pid]
                }
                other => watch.begin_watching(target, named.name, other)?,
            };
            let is_new = |pid: &u32| !masters.iter().any(|it| it.pid == *pid);
            let pids: Vec<u32> = pids.into_iter().filter(is_new).collect();
            masters.extend(pids.into_iter().map(|pid| FoundMaster { pid, target }));
        }
        watch.note_tried(masters.iter().map(|it| it.pid));
        masters.sort_unstable();
        Ok((watch, masters))
    }

    /// Watches a target; the masters of it that there are.
    fn begin_watching(
        &mut self,
        target: u32,
        name: String,
        wanted: &Wanted,
    ) -> Result<Vec<u32>, TargetError> {
        let mut place = self.place_of(wanted)?;
        let members = match &mut place {
            WatchedPlace::Pattern(pattern) => {
                let all = memory::list_pids(&self.root).map_err(|_| TargetError::NoProc)?;
                self.lines.note_known(&all);
                let matches = |pid: &u32| has_match(&self.root, *pid, pattern);
                all.into_iter().filter(matches).collect()
            }
            WatchedPlace::Cgroup(cgroup) => cgroup.members(&self.folders),
        };
        let masters = self.choice.masters_among(&members);
        if let (WatchedPlace::Pattern(pattern), [], false) =
            (&place, masters.as_slice(), self.waits_for_all)
        {
            return Err(TargetError::NoMatch(printable(&pattern.to_string())));
        }
        self.watched.push(WatchedTarget {
            target,
            name,
            place,
            is_alive: !masters.is_empty(),
        });
        Ok(masters)
    }

    fn place_of(&self, wanted: &Wanted) -> Result<WatchedPlace, TargetError> {
        let (sought, folder) = match wanted {
            Wanted::Pid(pid) => return Err(TargetError::NoSuchProcess(*pid)),
            Wanted::Match(pattern) => return Ok(WatchedPlace::Pattern(pattern.clone())),
            Wanted::Cgroup(path) => {
                let shown = || printable_path(path);
                let folder = self.folders.find(path);
                let folder = folder.ok_or_else(|| TargetError::NoCgroup(shown()))?;
                if self.folders.is_top(&folder) {
                    return Err(TargetError::WholeMachine(shown()));
                }
                (SoughtCgroup::Path, Some(folder))
            }
            Wanted::Unit(unit) => {
                let folder = match find_unit(&self.folders, unit) {
                    Ok(UnitPlace::Folder(folder)) => Some(folder),
                    Ok(UnitPlace::NotRunning) => None,
                    Err(_) if self.waits_for_all => None,
                    Err(error) => return Err(error),
                };
                (SoughtCgroup::Unit(unit.clone()), folder)
            }
            Wanted::Container(prefix) => {
                let (id, folder) = find_container(&self.folders, prefix)?;
                (SoughtCgroup::Container(id), Some(folder))
            }
        };
        Ok(WatchedPlace::Cgroup(WatchedCgroup {
            folder,
            sought,
            search_due: Instant::now(),
        }))
    }

    /// Whether processes may come later although there is none now.
    #[must_use]
    pub const fn waits(&self) -> bool {
        !self.watched.is_empty()
    }

    /// The name of a target that is watched, by its place among the targets.
    #[must_use]
    pub fn name_of(&self, target: u32) -> Option<&str> {
        let mut watched = self.watched.iter().filter(|it| it.target == target);
        watched.next().map(|it| it.name.as_str())
    }

    /// The targets that have no process at the start.
    pub fn names_without_processes(&self) -> impl Iterator<Item = &str> {
        let empty = self.watched.iter().filter(|it| !it.is_alive);
        empty.map(|it| it.name.as_str())
    }

    /// Looks which processes the targets have. Of a pattern, those that are new, and some of the others.
    pub fn look(&mut self) -> SeenMembers {
        let has_patterns = self
            .watched
            .iter()
            .any(|it| matches!(it.place, WatchedPlace::Pattern(_)));
        let lines = if has_patterns {
            self.lines.read_due(&self.root)
        } else {
            Vec::new()
        };
        let folders = &self.folders;
        let seen = self.watched.iter_mut().map(|watched| {
            let members = match &mut watched.place {
                WatchedPlace::Pattern(pattern) => {
                    let matching = lines.iter().filter(|(_, line)| is_match(line, pattern));
                    let matching: BTreeSet<u32> = matching.map(|(pid, _)| *pid).collect();
                    with_matching_ancestors(&self.root, matching, pattern)
                }
                WatchedPlace::Cgroup(cgroup) => cgroup.members(folders),
            };
            (watched.target, members)
        });
        SeenMembers(seen.collect())
    }

    /// Those of them that are to be traced from now on. Give those that are traced by now: whoever was forked since
    /// the look is.
    pub fn masters_among(&mut self, seen: SeenMembers, traced: &HashSet<u32>) -> Vec<FoundMaster> {
        let mut found = Vec::new();
        for (target, members) in seen.0 {
            let is_new = |pid: &u32| !traced.contains(pid) && !self.is_tried(*pid);
            let new: BTreeSet<u32> = members.into_iter().filter(is_new).collect();
            if new.is_empty() {
                continue;
            }
            let masters = self.choice.masters_among(&new);
            self.note_tried(masters.iter().copied());
            found.extend(masters.into_iter().map(|pid| FoundMaster { pid, target }));
        }
        let root = &self.root;
        self.tried
            .retain(|pid, _| root.join(pid.to_string()).exists());
        found
    }

    fn note_tried(&mut self, pids: impl Iterator<Item = u32>) {
        let started = pids.filter_map(|pid| Some((pid, started_ticks(&self.root, pid)?)));
        self.tried.extend(started);
    }

    fn is_tried(&self, pid: u32) -> bool {
        let before = self.tried.get(&pid).copied();
        before.is_some() && before == started_ticks(&self.root, pid)
    }

    /// What has changed since the last call, in words: targets that lost their last process, or have some again.
    /// `living` gives a target's number of processes.
    pub fn changes(&mut self, living: impl Fn(u32) -> usize) -> Vec<TargetChange> {
        let mut changes = Vec::new();
        for watched in &mut self.watched {
            let processes = living(watched.target);
            if watched.is_alive != (processes > 0) {
                watched.is_alive = processes > 0;
                changes.push(TargetChange {
                    name: watched.name.clone(),
                    processes,
                });
            }
        }
        changes
    }
}

/// A target has lost its last process, or has some again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetChange {
    /// The target's name.
    pub name: String,
    /// Its processes now.
    pub processes: usize,
}

impl WatchedCgroup {
    /// The processes in it. If it is gone, it is looked for.
    fn members(&mut self, folders: &CgroupFolders) -> BTreeSet<u32> {
        let is_there = |folder: &PathBuf| CgroupMembers::identity(folder).is_some();
        if !self.folder.as_ref().is_some_and(is_there) {
            self.search(folders);
        }
        let members = self.folder.as_deref().map(CgroupMembers::of);
        members.unwrap_or_default().pids
    }

    /// Looks for a cgroup that is not where it was, now and then.
    fn search(&mut self, folders: &CgroupFolders) {
        let begun = Instant::now();
        if begun < self.search_due {
            return;
        }
        let found = match &self.sought {
            SoughtCgroup::Path => None,
            SoughtCgroup::Unit(unit) => find_unit_folder(folders, unit),
            SoughtCgroup::Container(id) => {
                let (all, _) = folders.named(|name| container_id(name) == Some(id));
                all.into_iter().next()
            }
        };
        self.folder = found.or(self.folder.take());
        let pause = begun.elapsed().saturating_mul(SHARE).max(LEAST_PAUSE);
        self.search_due = Instant::now() + pause;
    }
}

fn started_ticks(root: &Path, pid: u32) -> Option<u64> {
    let process = memory::read_identity(root, pid).ok()?;
    Some(process.started_ticks)
}

/// Reads command lines: those of new processes at each look, and those of the others in turn.
#[derive(Debug, Default)]
struct CommandLineScan {
    /// How often each process was looked at.
    looks: HashMap<u32, u8>,
    /// Whose turn was last.
    last: u32,
}

impl CommandLineScan {
    /// Takes these as looked at.
    fn note_known(&mut self, pids: &[u32]) {
        self.looks
            .extend(pids.iter().map(|&pid| (pid, FRESH_LOOKS)));
    }

    /// The command lines that are due.
    fn read_due(&mut self, root: &Path) -> Vec<(u32, String)> {
        let pids = self.due(memory::list_pids(root).unwrap_or_default());
        let line = |pid: u32| Some((pid, memory::read_joined_arguments(root, pid)?));
        pids.into_iter().filter_map(line).collect()
    }

    /// Whose are due, of those that there are.
    fn due(&mut self, mut there: Vec<u32>) -> BTreeSet<u32> {
        there.sort_unstable();
        self.looks.retain(|pid, _| there.binary_search(pid).is_ok());
        let mut due = BTreeSet::new();
        for &pid in &there {
            let looks = self.looks.entry(pid).or_default();
            if *looks < FRESH_LOOKS {
                *looks += 1;
                due.insert(pid);
            }
        }
        let first = there.partition_point(|&pid| pid <= self.last);
        let turn = there
            .iter()
            .cycle()
            .skip(first)
            .take(there.len().div_ceil(ROUND));
        for &pid in turn {
            due.insert(pid);
            self.last = pid;
        }
        due
    }
}

#[cfg(test)]
mod tests;
