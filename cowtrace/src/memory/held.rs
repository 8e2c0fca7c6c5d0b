//! Memory that processes hold now: anonymous pages by /proc/PID/statm, which can be read each second, and
//! swap and page tables by /proc/PID/status, now and then (proc(5)).
//!
//! Neither keeps the process waiting, as `smaps_rollup` would. statm takes 2 us when its file is kept
//! open, and 18 us when it is opened each time and stat read to see whose it is.
//!
//! From Linux 6.2 to about 6.16 both files add up counters without what each processor has not handed
//! in: up to 32 pages a processor, or twice the number of processors if that is more.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    fields::{bytes_after, number_of, read_bounded},
    process::{Identity, list_tasks, read_identity},
};

/// Most files that are kept open, if the system allows as many.
pub const MAX_OPEN_STATM: usize = 1024;
/// statm has seven numbers.
const STATM: usize = 256;
/// status has some 1.5 KiB, lists of groups and processors included.
const STATUS: u64 = 64 << 10;

/// Reads how much anonymous memory processes hold, many times.
#[derive(Debug)]
pub struct HeldReader {
    root: PathBuf,
    /// By process id, with the start of the process that it belongs to, clock ticks since boot. The file
    /// goes on to mean that process.
    open: HashMap<u32, (u64, File)>,
    most: usize,
}

impl HeldReader {
    /// Keeps at most `most` files open, and [`MAX_OPEN_STATM`]: those of the first processes.
    #[must_use]
    pub fn new(root: &Path, most: usize) -> Self {
        Self {
            root: root.to_owned(),
            open: HashMap::new(),
            most: most.min(MAX_OPEN_STATM),
        }
    }

    /// Present anonymous pages of a process, without huge pages of hugetlbfs; none if it has ended.
    #[must_use]
    pub fn anonymous_pages(&mut self, process: &Identity) -> Option<u64> {
        let (pid, started) = (process.pid, process.started_ticks);
        let kept = self.open.get(&pid).filter(|(of, _)| *of == started);
        if let Some((_, file)) = kept {
            let pages = pages_in(file);
            if pages.is_none() {
                self.open.remove(&pid);
            }
            return Some(self.or_by_thread(pid, pages?));
        }
        let file = File::open(self.root.join(format!("{pid}/statm"))).ok()?;
        // If the process is there now, it was there when the file was opened.
        let now = read_identity(&self.root, pid).ok()?;
        if now.started_ticks != started {
            return None;
        }
        let pages = pages_in(&file)?;
        self.open.remove(&pid);
        if self.open.len() < self.most {
            self.open.insert(pid, (started, file));
        }
        Some(self.or_by_thread(pid, pages))
    }

    /// Lets go of a process that has ended.
    pub fn forget(&mut self, pid: u32) {
        self.open.remove(&pid);
    }

    /// Files that are open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.open.len()
    }

    /// Pages of a process whose statm says how many it has: a process whose first thread has ended has
    /// none by that, but its other threads have.
    fn or_by_thread(&self, pid: u32, (resident, anonymous): (u64, u64)) -> u64 {
        if resident > 0 {
            return anonymous;
        }
        let tasks = list_tasks(&self.root, pid).unwrap_or_default();
        let living = tasks.iter().find(|task| !task.is_dead && task.tid != pid);
        let by_thread = living.and_then(|task| {
            let path = format!("{pid}/task/{}/statm", task.tid);
            pages_in(&File::open(self.root.join(path)).ok()?)
        });
        by_thread.map_or(anonymous, |(_, anonymous)| anonymous)
    }
}

/// What else a process holds, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAside {
    /// Anonymous memory in swap (`VmSwap`), in part perhaps shared with others.
    pub swapped_bytes: u64,
    /// Page tables (`VmPTE`): 2 MiB for each GiB that the process has present or inherited.
    pub page_tables_bytes: u64,
    /// Present shared memory (`RssShmem`), which others may have too; `None` before Linux 4.5.
    pub shared_bytes: Option<u64>,
}

/// Reads what else a process holds; none if it is gone or has no memory. 15 us: once in some seconds.
#[must_use]
pub fn read_held_aside(root: &Path, pid: u32) -> Option<HeldAside> {
    let status = read_bounded(&root.join(format!("{pid}/status")), STATUS).ok()?;
    held_aside(&status)
}

pub(super) fn held_aside(status: &[u8]) -> Option<HeldAside> {
    Some(HeldAside {
        // Kernels without swap have no such line.
        swapped_bytes: bytes_after(status, "VmSwap:").unwrap_or(0),
        page_tables_bytes: bytes_after(status, "VmPTE:")?,
        shared_bytes: bytes_after(status, "RssShmem:"),
    })
}

/// Present pages by an open statm, and those of them that are anonymous; none if the process has ended.
fn pages_in(statm: &File) -> Option<(u64, u64)> {
    let mut text = [0; STATM];
    let read = statm.read_at(&mut text, 0).ok()?;
    statm_pages(text.get(..read)?)
}

/// Present pages by the text of statm, and those of them that are anonymous.
pub(super) fn statm_pages(text: &[u8]) -> Option<(u64, u64)> {
    let words = text.split(u8::is_ascii_whitespace);
    let mut words = words.filter(|word| !word.is_empty()).skip(1);
    let resident = number_of(words.next()?)?;
    let of_files = number_of(words.next()?)?;
    // The two are not counted at the same moment.
    Some((resident, resident.saturating_sub(of_files)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{fs, process::Command};

    /// A /proc with one process that began at a tick, and its statm.
    fn fixture(name: &str, statm: &str) -> PathBuf {
        let root =
            std::env::temp_dir().join(format!("cowtrace-held-{}-{name}", std::process::id()));
        put_process(&root, 77, statm);
        root
    }

    fn put_process(root: &Path, ticks: u64, statm: &str) {
        let folder = root.join("9");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let stat = format!("9 (x) S 1 1 1 0 -1 0{} {ticks} 0 0\n", " 7".repeat(12));
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("statm"), statm).unwrap();
    }

    #[test]
    fn pages_are_of_the_process_that_is_meant() {
        let root = fixture("meant", "100 50 20 1 0 30 0\n");
        let process = read_identity(&root, 9).unwrap();
        let mut reader = HeldReader::new(&root, 5);
        assert_eq!(reader.anonymous_pages(&process), Some(30));
        assert_eq!(reader.anonymous_pages(&process), Some(30));
        assert_eq!(reader.open_files(), 1);
        // Another has the number now.
        put_process(&root, 78, "100 90 20 1 0 30 0\n");
        let later = read_identity(&root, 9).unwrap();
        assert_eq!(reader.anonymous_pages(&later), Some(70));
        assert_eq!(reader.anonymous_pages(&process), None);
        reader.forget(9);
        assert_eq!(reader.open_files(), 0);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn no_more_files_are_kept_than_may_be() {
        let root = fixture("bound", "100 50 20 1 0 30 0\n");
        let process = read_identity(&root, 9).unwrap();
        let mut reader = HeldReader::new(&root, 0);
        assert_eq!(reader.anonymous_pages(&process), Some(30));
        assert_eq!(reader.open_files(), 0);
        assert_eq!(HeldReader::new(&root, usize::MAX).most, MAX_OPEN_STATM);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_child_that_has_ended_holds_nothing() {
        let root = Path::new("/proc");
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = read_identity(root, child.id()).unwrap();
        let mut reader = HeldReader::new(root, 5);
        assert!(reader.anonymous_pages(&process).unwrap() > 0);
        assert!(read_held_aside(root, child.id()).unwrap().page_tables_bytes > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(reader.anonymous_pages(&process), None);
        assert_eq!(reader.open_files(), 0);
        assert_eq!(reader.anonymous_pages(&process), None);
        assert_eq!(read_held_aside(root, child.id()), None);
    }

    /// The kernel tells nothing of a process by its first thread once that has ended.
    #[test]
    fn a_process_without_its_first_thread_holds_what_it_holds() {
        let root = fixture("thread", "0 0 0 0 0 0 0\n");
        let task = root.join("9/task/11");
        fs::create_dir_all(&task).unwrap();
        fs::copy(root.join("9/stat"), task.join("stat")).unwrap();
        fs::write(task.join("statm"), "100 50 20 1 0 30 0\n").unwrap();
        let process = read_identity(&root, 9).unwrap();
        let mut reader = HeldReader::new(&root, 5);
        assert_eq!(reader.anonymous_pages(&process), Some(30));
        assert_eq!(reader.anonymous_pages(&process), Some(30));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_held_aside_is_in_bytes() {
        let status = b"VmSize:\t 9 kB\nRssAnon:\t 8 kB\nVmPTE:\t     140 kB\nVmSwap:\t  12 kB\n";
        let held = held_aside(status).unwrap();
        assert_eq!(
            (held.swapped_bytes, held.page_tables_bytes),
            (12 << 10, 140 << 10)
        );
        // A thread of the kernel.
        assert_eq!(held_aside(b"Name:\tkthreadd\nThreads:\t1\n"), None);
    }

    proptest! {
        #[test]
        fn hostile_text_is_no_crash(text in "[0-9 \n-]{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            for text in [text.as_bytes(), &bytes] {
                if let Some((resident, anonymous)) = statm_pages(text) {
                    prop_assert!(anonymous <= resident);
                }
                let _ = held_aside(text);
            }
        }
    }
}
