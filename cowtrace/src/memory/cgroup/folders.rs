//! Cgroups as folders, and the processes in them: /sys/fs/cgroup, in either version (cgroups(7)).
//!
//! With version 2 alone the hierarchy is mounted there; with version 1 a folder for each of its hierarchies is, and
//! often one for version 2.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use crate::memory::fields::{number_of, read_bounded};

/// Processes in a cgroup, one a line.
const PROCESSES: &str = "cgroup.procs";
/// Bytes of that file that are read: some 150,000 processes.
const MOST_LISTED: u64 = 1 << 20;
/// Cgroups that are looked at for one question, the highest first: a machine with 500 containers has some 2,000.
const MOST_FOLDERS: usize = 16_384;
/// A line for each hierarchy, with a path of 4 KiB at most.
const CGROUP: u64 = 256 << 10;
/// Hierarchies in which services and containers are most likely, as systemd names their folders.
const FIRST: [&str; 2] = ["unified", "systemd"];

/// The cgroups of this machine.
#[derive(Clone, Debug)]
pub struct CgroupFolders {
    top: PathBuf,
}

/// The processes in a cgroup and in those below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupMembers {
    /// Process ids, in order.
    pub pids: BTreeSet<u32>,
    /// Whether some were not looked at: there are too many.
    pub is_cut: bool,
}

impl CgroupFolders {
    /// Those below a folder, which is /sys/fs/cgroup but in tests.
    #[must_use]
    pub fn below(top: &Path) -> Self {
        Self {
            top: top.to_owned(),
        }
    }

    /// Where hierarchies are mounted, the likeliest first.
    #[must_use]
    pub fn hierarchies(&self) -> Vec<PathBuf> {
        if is_cgroup(&self.top) {
            return vec![self.top.clone()];
        }
        let mut found = folders_in(&self.top);
        found.retain(|folder| is_cgroup(folder));
        let rank = |folder: &PathBuf| FIRST.iter().position(|first| folder.ends_with(first));
        found.sort_by_key(|folder| (rank(folder).unwrap_or(FIRST.len()), folder.clone()));
        found
    }

    /// The folder that a user's path means: one below the top, a hierarchy's folder included or not, or as
    /// /proc/PID/cgroup has it. None if it is no cgroup, or leads elsewhere.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.top).unwrap_or(path);
        let below = below.strip_prefix("/").unwrap_or(below);
        let is_plain = |part| matches!(part, Component::Normal(_));
        if !below.components().all(is_plain) {
            return None;
        }
        let tops = std::iter::once(self.top.clone()).chain(self.hierarchies());
        let mut folders = tops.map(|top| top.join(below));
        folders.find(|folder| is_cgroup(folder))
    }

    /// Whether a folder is the top of a hierarchy, and so has all processes of the machine.
    #[must_use]
    pub fn is_top(&self, folder: &Path) -> bool {
        folder == self.top || self.hierarchies().iter().any(|top| top == folder)
    }

    /// All cgroups whose name is wanted, of the first hierarchy that has any, the highest first; and whether some were
    /// not looked at: there are too many.
    #[must_use]
    pub fn named(&self, is_wanted: impl Fn(&str) -> bool) -> (Vec<PathBuf>, bool) {
        let mut is_cut = false;
        for top in self.hierarchies() {
            let (all, is_partial) = folders_below(&top);
            is_cut |= is_partial;
            let name = |folder: &Path| {
                folder
                    .file_name()
                    .map(|it| it.to_string_lossy().into_owned())
            };
            let is_it = |folder: &PathBuf| name(folder).is_some_and(|name| is_wanted(&name));
            let found: Vec<PathBuf> = all.into_iter().skip(1).filter(is_it).collect();
            if !found.is_empty() {
                return (found, is_cut);
            }
        }
        (Vec::new(), is_cut)
    }
}

impl CgroupMembers {
    /// The processes in a cgroup and in those below it.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let (folders, is_cut) = folders_below(folder);
        let mut members = Self {
            is_cut,
            ..Self::default()
        };
        for folder in folders {
            // A cgroup whose threads are in several is none of processes, and says so; or it is gone.
            let text = read_bounded(&folder.join(PROCESSES), MOST_LISTED).unwrap_or_default();
            members.is_cut |= text.len() as u64 == MOST_LISTED;
            members.pids.extend(pids_of_lines(&text));
        }
        members
    }

    /// What tells a cgroup from a later one at the same path (cgroup ids are inode numbers); none if there is none.
    #[must_use]
    pub fn identity(folder: &Path) -> Option<u64> {
        fs::metadata(folder).ok().map(|it| it.ino())
    }
}

/// The cgroups of a process, by the text of /proc/PID/cgroup: those of version 2 and of systemd's own hierarchy first.
#[must_use]
pub fn cgroup_paths_of(root: &Path, pid: u32) -> Vec<String> {
    let text = read_bounded(&root.join(format!("{pid}/cgroup")), CGROUP).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut found: Vec<(bool, String)> = text
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let is_first = controllers.is_empty() || controllers == "name=systemd";
            Some((!is_first, path.to_owned()))
        })
        .collect();
    found.sort_by_key(|(is_later, _)| *is_later);
    found.into_iter().map(|(_, path)| path).collect()
}

/// The process ids in cgroup.procs; 0 stands for processes that this namespace does not see.
fn pids_of_lines(text: &[u8]) -> impl Iterator<Item = u32> {
    let numbers = text.split(|&byte| byte == b'\n').filter_map(number_of);
    let pids = numbers.filter_map(|number| u32::try_from(number).ok());
    pids.filter(|&pid| pid > 0)
}

fn is_cgroup(folder: &Path) -> bool {
    folder.join(PROCESSES).is_file()
}

/// The folders in a folder; links are none.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut found: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// A folder and all below it, the highest first; and whether there are more than are looked at.
fn folders_below(top: &Path) -> (Vec<PathBuf>, bool) {
    let mut found = Vec::new();
    let mut waiting = VecDeque::from([top.to_owned()]);
    while let Some(folder) = waiting.pop_front() {
        if found.len() == MOST_FOLDERS {
            return (found, true);
        }
        waiting.extend(folders_in(&folder));
        found.push(folder);
    }
    (found, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn make_cgroup(top: &Path, path: &str, pids: &str) {
        let folder = top.join(path);
        fs::create_dir_all(&folder).unwrap();
        for part in folder.ancestors().take_while(|it| *it != top) {
            let list = part.join(PROCESSES);
            if !list.exists() {
                fs::write(list, "").unwrap();
            }
        }
        fs::write(folder.join(PROCESSES), pids).unwrap();
    }

    #[test]
    fn members_are_those_of_the_folders_below_too() {
        let scratch = Scratch::new("members");
        let top = scratch.folder();
        make_cgroup(top, "web.service", "7\n0\n9\n");
        make_cgroup(top, "web.service/workers/a", "11\n7\nx\n-3\n99999999999\n");
        let members = CgroupMembers::of(&top.join("web.service"));
        assert_eq!(members.pids, BTreeSet::from([7, 9, 11]));
        assert!(!members.is_cut);
        assert_eq!(
            CgroupMembers::of(&top.join("gone")),
            CgroupMembers::default()
        );
        let before = CgroupMembers::identity(&top.join("web.service"));
        assert!(before.is_some() && CgroupMembers::identity(&top.join("gone")).is_none());
    }

    #[test]
    fn a_path_is_found_in_both_layouts_and_nowhere_else() {
        let scratch = Scratch::new("layouts");
        let (new, old) = (scratch.path("new"), scratch.path("old"));
        make_cgroup(&new, "system.slice/web.service", "7\n");
        fs::write(new.join(PROCESSES), "").unwrap();
        for hierarchy in ["memory", "systemd", "unified"] {
            make_cgroup(&old, hierarchy, "");
        }
        make_cgroup(&old, "memory/system.slice/web.service", "7\n");
        make_cgroup(&old, "systemd/system.slice/web.service", "7\n");
        std::os::unix::fs::symlink("memory", old.join("link")).unwrap();
        for (top, expected) in [
            (&new, new.join("system.slice/web.service")),
            (&old, old.join("systemd/system.slice/web.service")),
        ] {
            let folders = CgroupFolders::below(top);
            for path in ["system.slice/web.service", "/system.slice/web.service"] {
                assert_eq!(folders.find(Path::new(path)).as_ref(), Some(&expected));
            }
            assert_eq!(folders.find(&expected), Some(expected.clone()));
            for path in [
                "system.slice/../..",
                "../old",
                "/etc",
                "none",
                "./system.slice",
            ] {
                assert_eq!(folders.find(Path::new(path)), None, "{path}");
            }
            let (named, is_cut) = folders.named(|name| name == "web.service");
            assert_eq!((named, is_cut), (vec![expected], false));
        }
        let folders = CgroupFolders::below(&old);
        let memory = Path::new("memory/system.slice/web.service");
        assert_eq!(folders.find(memory), Some(old.join(memory)));
        assert_eq!(
            folders.hierarchies(),
            ["unified", "systemd", "memory"].map(|name| old.join(name))
        );
        assert!(folders.is_top(&old.join("memory")) && !folders.is_top(&old.join(memory)));
    }

    #[test]
    fn this_process_is_a_member_of_its_cgroups() {
        let (root, top) = (Path::new("/proc"), Path::new("/sys/fs/cgroup"));
        let folders = CgroupFolders::below(top);
        let paths = cgroup_paths_of(root, std::process::id());
        let mut found = paths
            .iter()
            .filter_map(|path| folders.find(Path::new(path)));
        let Some(folder) = found.find(|folder| !folders.is_top(folder)) else {
            return; // In no cgroup of its own, or none can be seen.
        };
        assert!(
            CgroupMembers::of(&folder)
                .pids
                .contains(&std::process::id())
        );
    }
}
