//! Of many processes, those from which the others descend.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    process,
};

use crate::memory::{self, KinSearch};

/// A process to trace with its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundMaster {
    /// Process id.
    pub pid: u32,
    /// Which target it belongs to, by its place.
    pub target: u32,
}

/// Chooses masters, but never this program, its children, or those that started it: sudo, a shell.
#[derive(Clone, Debug)]
pub(super) struct MasterChoice {
    root: PathBuf,
    own: u32,
    above: HashSet<u32>,
}

impl MasterChoice {
    pub(super) fn new(root: &Path) -> Self {
        Self::beside(root, process::id())
    }

    fn beside(root: &Path, own: u32) -> Self {
        Self {
            root: root.to_owned(),
            own,
            above: memory::ancestry_of(root, own).into_iter().collect(),
        }
    }

    /// Those of these processes from which the others descend, or whose memory they have.
    pub(super) fn masters_among(&self, pids: &BTreeSet<u32>) -> Vec<u32> {
        let wanted: BTreeSet<u32> = pids
            .difference(&self.above.iter().copied().collect())
            .copied()
            .collect();
        let topmost = wanted
            .iter()
            .copied()
            .filter(|&pid| self.is_topmost(pid, &wanted));
        let topmost: Vec<u32> = topmost.collect();
        if topmost.len() < 2 {
            return topmost;
        }
        self.without_heirs(topmost)
    }

    fn is_topmost(&self, pid: u32, wanted: &BTreeSet<u32>) -> bool {
        let process = memory::read_identity(&self.root, pid);
        if !process.is_ok_and(|it| !it.is_dead && !it.is_kernel_thread) {
            return false;
        }
        let line = memory::ancestry_of(&self.root, pid);
        let above = line.iter().skip(1);
        !above.clone().any(|pid| wanted.contains(pid)) && !above.clone().any(|pid| *pid == self.own)
    }

    /// Without those that were forked with the memory of another and given to a new parent.
    fn without_heirs(&self, pids: Vec<u32>) -> Vec<u32> {
        let Ok(tree) = KinSearch::default().tree_of(&self.root, &pids) else {
            return pids;
        };
        let there: HashSet<u32> = tree.iter().map(|kin| kin.process.pid).collect();
        let has_donor = |kin: &&memory::Kin| kin.donor.is_some_and(|donor| there.contains(&donor));
        let heirs: HashSet<u32> = tree
            .iter()
            .filter(has_donor)
            .map(|kin| kin.process.pid)
            .collect();
        pids.into_iter()
            .filter(|pid| !heirs.contains(pid))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scratch::Scratch;

    fn tree(scratch: &Scratch, processes: &[(u32, u32, &str)]) {
        for (pid, parent, state) in processes {
            let folder = scratch.path(&pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            let rest = " 7".repeat(43);
            let stat = format!("{pid} (x) {state} {parent} 1 1 0 -1 4194304{rest}\n");
            fs::write(folder.join("stat"), stat).unwrap();
        }
    }

    #[test]
    fn the_topmost_are_masters_and_nothing_around_this_program_is() {
        let scratch = Scratch::new("masters");
        tree(
            &scratch,
            &[
                (1, 0, "S"),
                // A service: a master, a shell that it started, and what that started.
                (10, 1, "S"),
                (11, 10, "S"),
                (12, 11, "S"),
                // Another, a zombie, and a shell with sudo, this program, and its child.
                (20, 1, "S"),
                (21, 1, "Z"),
                (30, 1, "S"),
                (31, 30, "S"),
                (32, 31, "S"),
                (33, 32, "S"),
                (34, 30, "S"),
            ],
        );
        let choice = MasterChoice::beside(scratch.folder(), 32);
        let of = |pids: &[u32]| choice.masters_among(&pids.iter().copied().collect());
        assert_eq!(of(&[10, 11, 12, 20]), [10, 20]);
        assert_eq!(of(&[10, 12]), [10]);
        assert_eq!(of(&[11, 12]), [11]);
        assert_eq!(of(&[1, 21, 30, 31, 32, 33, 34, 99]), [34]);
    }
}
