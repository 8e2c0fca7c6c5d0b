//! The identity of a process, its name and its parent: /proc/PID/stat, comm and task.

use std::{collections::HashMap, fs, io, path::Path};

/// `PF_KTHREAD` of include/linux/sched.h: a kernel thread, without memory of its own.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// `PF_FORKNOEXEC`, likewise: it has started no program since it was forked.
const FORKED: u32 = 0x40;

/// No line of ancestors is followed further: /proc may change meanwhile.
const MOST_ANCESTORS: usize = 256;

/// A process at one moment. Two processes with the same pid have different start times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Id of its parent process.
    pub parent: u32,
    /// Start time, clock ticks since boot.
    pub started_ticks: u64,
    /// Whether it has exited and waits to be reaped.
    pub is_dead: bool,
    /// Whether it is a kernel thread.
    pub is_kernel_thread: bool,
    /// Whether it still has the memory that it was forked with: it has started no program since.
    pub is_forked: bool,
    /// Where its program lies; none if the kernel does not show it.
    pub places: Option<ProgramPlaces>,
}

/// Where the kernel put a program when it started: at random places, unless that is turned off. Forks keep them, so
/// processes with equal places stem from the same start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramPlaces {
    code: u64,
    stack: u64,
    heap: u64,
}

/// A task (thread) of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Task id.
    pub tid: u32,
    /// Whether it has exited and waits to be reaped.
    pub is_dead: bool,
}

/// Reads the identity of a process.
pub fn read_identity(root: &Path, pid: u32) -> io::Result<Identity> {
    let stat = read_stat(&root.join(pid.to_string()).join("stat"))?;
    Ok(Identity {
        pid,
        parent: stat.parent,
        started_ticks: stat.started_ticks,
        is_dead: stat.is_dead,
        is_kernel_thread: stat.flags & KERNEL_THREAD != 0,
        is_forked: stat.is_forked(),
        places: stat.places,
    })
}

/// Whether a process seen before still exists and has not exited.
#[must_use]
pub fn is_alive(root: &Path, before: &Identity) -> bool {
    read_identity(root, before.pid)
        .is_ok_and(|now| now.started_ticks == before.started_ticks && !now.is_dead)
}

/// Name of a process; empty if it is gone.
#[must_use]
pub fn read_comm(root: &Path, pid: u32) -> String {
    let bytes = fs::read(root.join(pid.to_string()).join("comm")).unwrap_or_default();
    String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned()
}

/// Present pages of a process (statm); 0 if it is gone.
#[must_use]
pub fn resident_pages(root: &Path, pid: u32) -> u64 {
    read_statm(root, pid).0
}

/// Present pages, and those that belong to files.
fn read_statm(root: &Path, pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(root.join(pid.to_string()).join("statm")).unwrap_or_default();
    let mut fields = text.split_ascii_whitespace().skip(1);
    let mut pages = || fields.next().and_then(|pages| pages.parse().ok());
    (pages().unwrap_or(0), pages().unwrap_or(0))
}

/// Present memory of a process, in small pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resident {
    /// Pages outside hugetlbfs.
    pub(super) pages: u64,
    /// Of these, pages that belong to no file.
    pub(super) anonymous: u64,
    /// Pages of hugetlbfs.
    pub(super) huge_pages: u64,
}

/// Present memory of a process; zero if it is gone.
pub(super) fn read_resident(root: &Path, pid: u32, page_bytes: u64) -> Resident {
    let (pages, of_files) = read_statm(root, pid);
    let status = fs::read(root.join(format!("{pid}/status"))).unwrap_or_default();
    Resident {
        pages,
        anonymous: pages.saturating_sub(of_files),
        huge_pages: huge_bytes(&status) / page_bytes,
    }
}

/// The line of status with the memory that a process has in hugetlbfs.
pub(super) fn huge_bytes(status: &[u8]) -> u64 {
    let status = String::from_utf8_lossy(status);
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("HugetlbPages:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// The tasks of a process.
pub fn list_tasks(root: &Path, pid: u32) -> io::Result<Vec<Task>> {
    let folder = root.join(pid.to_string()).join("task");
    let ids = numbered_entries(&folder)?;
    // A task that exited meanwhile is left out.
    let task = |tid: u32| {
        let stat = read_stat(&folder.join(tid.to_string()).join("stat")).ok()?;
        Some(Task {
            tid,
            is_dead: stat.is_dead,
        })
    };
    Ok(ids.into_iter().filter_map(task).collect())
}

/// Anonymous pages of a process that are present; 0 if it is gone.
#[must_use]
pub fn anonymous_pages(root: &Path, pid: u32) -> u64 {
    let (pages, of_files) = read_statm(root, pid);
    pages.saturating_sub(of_files)
}

/// The ids of all processes there are.
pub fn list_pids(root: &Path) -> io::Result<Vec<u32>> {
    numbered_entries(root)
}

/// A process and those above it, by the parents that the kernel names, the nearest first.
#[must_use]
pub fn ancestry_of(root: &Path, pid: u32) -> Vec<u32> {
    let parent = |pid: &u32| {
        let parent = read_identity(root, *pid).ok()?.parent;
        (parent != 0).then_some(parent)
    };
    std::iter::successors(Some(pid), parent)
        .take(MOST_ANCESTORS)
        .collect()
}

/// Every process there is, by id.
pub(super) fn all_processes(root: &Path) -> io::Result<HashMap<u32, Identity>> {
    let pids = numbered_entries(root)?.into_iter();
    // A process that exited meanwhile is left out.
    let found = pids.filter_map(|pid| Some((pid, read_identity(root, pid).ok()?)));
    Ok(found.collect())
}

/// Every process that is one of `pids` or descends from one by the parents that the kernel names, parents before
/// children.
pub fn children_of(root: &Path, pids: &[u32]) -> io::Result<Vec<Identity>> {
    Ok(descendants(all_processes(root)?, pids, &HashMap::new()))
}

/// Every process that is one of `pids` or descends from one, parents before children. The parent of a process is the
/// one that the kernel names; `more` may name a second one.
pub(super) fn descendants(
    mut all: HashMap<u32, Identity>,
    pids: &[u32],
    more: &HashMap<u32, u32>,
) -> Vec<Identity> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut by_pid: Vec<(u32, u32)> = all.values().map(|it| (it.pid, it.parent)).collect();
    by_pid.extend(more.iter().map(|(pid, parent)| (*pid, *parent)));
    by_pid.sort_unstable();
    for (pid, parent) in by_pid {
        children.entry(parent).or_default().push(pid);
    }
    let mut tree: Vec<Identity> = Vec::new();
    let mut generation = pids.to_vec();
    while !generation.is_empty() {
        let mut next = Vec::new();
        for pid in generation {
            // Removed, so that each process appears once.
            if let Some(process) = all.remove(&pid) {
                tree.push(process);
                next.extend(children.remove(&pid).unwrap_or_default());
            }
        }
        generation = next;
    }
    tree
}

fn read_stat(path: &Path) -> io::Result<Stat> {
    stat_of(&fs::read(path)?)
}

/// The fields used from a stat file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: u32,
    flags: u32,
    started_ticks: u64,
    is_dead: bool,
    places: Option<ProgramPlaces>,
}

impl Stat {
    /// See [`Identity::is_forked`].
    pub(super) const fn is_forked(&self) -> bool {
        self.flags & FORKED != 0
    }
}

pub(super) fn stat_of(text: &[u8]) -> io::Result<Stat> {
    // The name may contain any bytes, and is the only field in parentheses.
    let name_end = text.iter().rposition(|&byte| byte == b')');
    let rest = name_end.and_then(|end| str::from_utf8(&text[end + 1..]).ok());
    let fields: Vec<&str> = rest.unwrap_or_default().split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let places = || {
        let places = ProgramPlaces {
            code: number(23)?,
            stack: number(25)?,
            heap: number(44)?,
        };
        // Zero for who may not know.
        (places.stack != 0).then_some(places)
    };
    let found = || {
        Some(Stat {
            places: places(),
            is_dead: matches!(*fields.first()?, "Z" | "X" | "x"),
            parent: fields.get(1)?.parse().ok()?,
            flags: fields.get(6)?.parse().ok()?,
            started_ticks: fields.get(19)?.parse().ok()?,
        })
    };
    found().ok_or_else(|| {
        let message = format!(
            "unexpected format of /proc/PID/stat: {}",
            text.escape_ascii()
        );
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// The name in a stat file, between the first parenthesis and the last.
pub(super) fn stat_name(text: &[u8]) -> Option<String> {
    let begin = text.iter().position(|&byte| byte == b'(')? + 1;
    let end = text.iter().rposition(|&byte| byte == b')')?;
    Some(String::from_utf8_lossy(text.get(begin..end)?).into_owned())
}

/// When a process started by its stat file, clock ticks since boot.
pub(super) fn started_ticks_of(text: &[u8]) -> Option<u64> {
    Some(stat_of(text).ok()?.started_ticks)
}

/// The entries of a folder whose names are numbers.
fn numbered_entries(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok()),
        );
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A /proc with the processes given as (pid, parent, name).
    fn fixture(name: &str, processes: &[(u32, u32, &[u8])]) -> PathBuf {
        let root =
            std::env::temp_dir().join(format!("cowtrace-proc-{}-{name}", std::process::id()));
        for (pid, parent, comm) in processes {
            let folder = root.join(pid.to_string());
            fs::create_dir_all(folder.join("task").join(pid.to_string())).unwrap();
            let mut stat = format!("{pid} (").into_bytes();
            stat.extend_from_slice(comm);
            let rest = format!(") S {parent} 1 1 0 -1 4194304{}\n", " 7".repeat(43));
            stat.extend_from_slice(rest.as_bytes());
            fs::write(folder.join("stat"), &stat).unwrap();
            fs::write(
                folder.join("task").join(pid.to_string()).join("stat"),
                &stat,
            )
            .unwrap();
            fs::write(folder.join("comm"), [comm, &b"\n"[..]].concat()).unwrap();
        }
        fs::create_dir_all(root.join("sys")).unwrap();
        root
    }

    #[test]
    fn descendants_are_found_through_every_generation() {
        let root = fixture(
            "tree",
            &[
                (1, 0, b"init"),
                (9, 1, b"master"),
                (5, 9, b"worker"),
                (7, 5, b"grandchild"),
                (8, 1, b"other"),
            ],
        );
        let all = || all_processes(&root).unwrap();
        let tree: Vec<_> = descendants(all(), &[9], &HashMap::new())
            .iter()
            .map(|process| process.pid)
            .collect();
        assert_eq!(tree, [9, 5, 7]);
        let adopted = HashMap::from([(8, 7)]);
        let tree = descendants(all(), &[9], &adopted);
        assert_eq!(tree.last().unwrap().pid, 8);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_name_of_any_bytes_hides_no_process() {
        let root = fixture("names", &[(9, 1, b"a) R 1 (\xff\xfe"), (5, 9, b"\x1b[31m")]);
        let all = all_processes(&root).unwrap();
        assert_eq!(descendants(all, &[9], &HashMap::new()).len(), 2);
        assert_eq!(read_identity(&root, 9).unwrap().parent, 1);
        assert!(read_comm(&root, 9).starts_with("a) R 1 ("));
        assert_eq!(
            list_tasks(&root, 5).unwrap(),
            [Task {
                tid: 5,
                is_dead: false
            }]
        );
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_kernels_threads_are_told_from_processes() {
        let own = read_identity(Path::new("/proc"), std::process::id()).unwrap();
        assert!(!own.is_kernel_thread && is_alive(Path::new("/proc"), &own));
        assert!(!own.is_forked, "a shell or cargo started it");
        if let Ok(kthreadd) = read_identity(Path::new("/proc"), 2) {
            assert!(kthreadd.is_kernel_thread);
        }
    }
}
