//! From which living process each one has its memory. That is not always the parent that the kernel names: who is
//! forked twice has been given to another (`PR_SET_CHILD_SUBREAPER`, or init), and a parent may have started another
//! program since.
//!
//! Processes that stem from the same start of a program are known by where the kernel put it ([`ProgramPlaces`]).
//! Of these, the donor is found by page frames that are still shared.

mod donors;
mod frames;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::Path,
    time::Instant,
};

use super::process::{
    Identity, ProgramPlaces, all_processes, anonymous_pages, descendants, read_identity,
};
use donors::choose_donor;
use frames::FrameTable;

/// Most processes of a family that are compared, the oldest.
const MOST_MEMBERS: usize = 1024;

/// Comparisons of families for one trace: what is forked while it begins is seen to be forked.
const MOST_LOOKS: usize = 16;

/// A process, and whose memory it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kin {
    /// The process.
    pub process: Identity,
    /// The living process that it was forked from, as far as can be seen; none if it started a program of its own,
    /// or if that process has exited.
    pub donor: Option<u32>,
}

/// Finds the descendants of processes, each time anew, but looks only once at each process for its donor.
#[derive(Debug, Default)]
pub struct KinSearch {
    /// By process id and start.
    known: HashMap<(u32, u64), Option<u32>>,
    /// How often a family was compared.
    looks: usize,
}

/// All processes of a machine, and whose memory they have.
#[derive(Debug, Default)]
pub(super) struct AllDonors {
    pub(super) processes: HashMap<u32, Identity>,
    /// The donor of each process that has one.
    pub(super) donors: HashMap<u32, u32>,
}

/// Processes that stem from the same start of a program, the oldest first.
type Members = Vec<Identity>;

impl KinSearch {
    /// Every process that is one of `pids`, descends from one, or has the memory of one; donors before those that have
    /// their memory.
    pub fn tree_of(&mut self, root: &Path, pids: &[u32]) -> io::Result<Vec<Kin>> {
        let all = all_processes(root)?;
        let by_pid = descendants(all.clone(), pids, &HashMap::new());
        let wanted: HashSet<_> = by_pid.iter().filter_map(|it| it.places).collect();
        for members in families_of(all.values(), |places| wanted.contains(&places)) {
            self.look_at(root, &members);
        }
        let donor = |process: &Identity| self.donor(process, &all);
        let donors: HashMap<u32, u32> = all
            .values()
            .filter_map(|process| Some((process.pid, donor(process)?)))
            .collect();
        let mut others = donors.clone();
        others.retain(|pid, donor| all[pid].parent != *donor);
        let tree = descendants(all, pids, &others);
        Ok(donors_first(&tree, &donors))
    }

    /// Every process there is, and the donor of each that has one. The families with most memory are compared; of
    /// others, the parent is taken for the donor where it may be.
    pub(super) fn donors_of_all(&mut self, root: &Path) -> io::Result<AllDonors> {
        let processes = all_processes(root)?;
        let mut families = families_of(processes.values(), |_| true);
        let memory = |members: &Members| -> u64 {
            let pages = members.iter().map(|it| anonymous_pages(root, it.pid));
            pages.sum()
        };
        families.sort_by_cached_key(|members| Reverse(memory(members)));
        for members in &families {
            self.look_at(root, members);
        }
        let pairs = processes.values().filter(|it| !it.is_dead);
        let pairs = pairs.filter_map(|it| Some((it.pid, self.donor(it, &processes)?)));
        let donors = pairs.collect();
        Ok(AllDonors { processes, donors })
    }

    /// Whose memory a process has, where all that was looked at is known.
    fn donor(&self, process: &Identity, all: &HashMap<u32, Identity>) -> Option<u32> {
        let known = self.known.get(&(process.pid, process.started_ticks));
        match known {
            Some(donor) => donor.filter(|donor| all.contains_key(donor)),
            None => all
                .get(&process.parent)
                .filter(|parent| is_plausible(process, parent))
                .map(|it| it.pid),
        }
    }

    /// Looks for the donors of those that may have several.
    fn look_at(&mut self, root: &Path, members: &Members) {
        let place = |pid: u32| members.iter().position(|it| it.pid == pid);
        let open: Vec<usize> = (0..members.len())
            .filter(|&at| self.is_open(&members[at], at, place(members[at].parent)))
            .collect();
        if open.is_empty() || self.looks >= MOST_LOOKS {
            return;
        }
        let begun = Instant::now();
        self.looks += 1;
        let table = FrameTable::read(root, members);
        let read = begun.elapsed();
        let mut usual = None;
        for at in open {
            let heir = &members[at];
            let parent = place(heir.parent);
            let donor = choose_donor(&table, at, parent, usual);
            usual = donor.or(usual);
            let donor = donor.map(|at| members[at].pid);
            log::debug!(
                "process {} has its memory from {donor:?}, parent {}",
                heir.pid,
                heir.parent
            );
            self.known.insert((heir.pid, heir.started_ticks), donor);
        }
        let (number, took) = (members.len(), begun.elapsed());
        log::debug!("compared {number} processes in {took:?}, of which reading took {read:?}");
    }

    /// Whether it is open from which of its family a process was forked: of one that is older it must be from that.
    fn is_open(&self, process: &Identity, at: usize, parent: Option<usize>) -> bool {
        let is_known = self
            .known
            .contains_key(&(process.pid, process.started_ticks));
        let others = (0..at).filter(|other| Some(*other) != parent).count();
        process.is_forked && !is_known && others > 0
    }
}

/// The living process that a process has its memory from, itself left out.
#[must_use]
pub fn donor_of(root: &Path, pid: u32) -> Option<u32> {
    let process = read_identity(root, pid).ok().filter(|it| it.is_forked)?;
    let all = all_processes(root).ok()?;
    let mut search = KinSearch::default();
    for members in families_of(all.values(), |places| process.places == Some(places)) {
        search.look_at(root, &members);
    }
    search.donor(&process, &all)
}

/// Whether a process may have been forked from its parent as that is now.
fn is_plausible(process: &Identity, parent: &Identity) -> bool {
    let is_same = match (process.places, parent.places) {
        (Some(own), Some(parents)) => own == parents,
        _ => true,
    };
    process.is_forked && is_same && !parent.is_dead
}

/// Families of living processes with more than one, in the order of their age.
fn families_of<'a>(
    all: impl Iterator<Item = &'a Identity>,
    is_wanted: impl Fn(ProgramPlaces) -> bool,
) -> Vec<Members> {
    let mut families: BTreeMap<ProgramPlaces, Members> = BTreeMap::new();
    for process in all.filter(|it| !it.is_dead && !it.is_kernel_thread) {
        if let Some(places) = process.places.filter(|places| is_wanted(*places)) {
            families.entry(places).or_default().push(*process);
        }
    }
    let mut found: Vec<Members> = families.into_values().filter(|it| it.len() > 1).collect();
    for members in &mut found {
        members.sort_by_key(|it| (it.started_ticks, it.pid));
        members.truncate(MOST_MEMBERS);
    }
    found
}

/// The processes of a tree with their donors, each after its donor.
fn donors_first(tree: &[Identity], donors: &HashMap<u32, u32>) -> Vec<Kin> {
    let by_pid: HashMap<u32, &Identity> = tree.iter().map(|it| (it.pid, it)).collect();
    let mut placed = HashSet::new();
    let mut ordered = Vec::with_capacity(tree.len());
    for process in tree {
        let mut waiting = vec![process];
        while let Some(donor) = waiting.last().and_then(|it| donors.get(&it.pid)) {
            match by_pid.get(donor) {
                // Donors are older, so there is no circle unless /proc changed meanwhile.
                Some(donor) if !placed.contains(&donor.pid) && waiting.len() <= tree.len() => {
                    waiting.push(donor);
                }
                _ => break,
            }
        }
        for process in waiting.into_iter().rev() {
            if placed.insert(process.pid) {
                ordered.push(Kin {
                    process: *process,
                    donor: donors.get(&process.pid).copied(),
                });
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(pid: u32, parent: u32) -> Identity {
        Identity {
            pid,
            parent,
            started_ticks: 7,
            is_dead: false,
            is_kernel_thread: false,
            is_forked: true,
            places: None,
        }
    }

    #[test]
    fn a_donor_comes_before_those_that_have_its_memory() {
        let tree = [(1, 0), (4, 1), (5, 1), (6, 5)].map(|(pid, parent)| identity(pid, parent));
        let donors = HashMap::from([(4, 6), (5, 1), (6, 5), (1, 99)]);
        let order = donors_first(&tree, &donors);
        assert_eq!(
            order.iter().map(|it| it.process.pid).collect::<Vec<_>>(),
            [1, 5, 6, 4]
        );
        assert_eq!(order[3].donor, Some(6));
        // Of a circle, each is there once.
        let donors = HashMap::from([(4, 5), (5, 4)]);
        assert_eq!(donors_first(&tree, &donors).len(), 4);
    }

    #[test]
    fn a_parent_that_runs_another_program_is_no_donor() {
        let own = read_identity(Path::new("/proc"), std::process::id()).unwrap();
        let (mut parent, mut child) = (identity(1, 0), identity(4, 1));
        assert!(is_plausible(&child, &parent), "not known");
        (parent.places, child.places) = (own.places, own.places);
        assert!(is_plausible(&child, &parent));
        let others = read_identity(Path::new("/proc"), own.parent)
            .unwrap()
            .places;
        assert!(
            others.is_some() && others != own.places,
            "started at random places"
        );
        parent.places = others;
        assert!(!is_plausible(&child, &parent));
        child.is_forked = false;
        parent.places = own.places;
        assert!(!is_plausible(&child, &parent));
    }
}
