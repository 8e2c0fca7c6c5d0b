//! Cgroups for a test, removed at its end.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A memory cgroup of version 1 or 2 at the top of its hierarchy.
pub struct TestCgroup {
    folder: PathBuf,
    is_v1: bool,
}

impl TestCgroup {
    /// None where this process may not make cgroups that count memory.
    #[must_use]
    pub fn new() -> Option<Self> {
        let (top, is_v1) = match mount_point("cgroup", "memory") {
            Some(top) => (top, true),
            None => (mount_point("cgroup2", "")?, false),
        };
        let folder = make_cgroup(&top)?;
        let own = Self { folder, is_v1 };
        own.limit_file().exists().then_some(own)
    }

    fn limit_file(&self) -> PathBuf {
        self.folder.join(if self.is_v1 {
            "memory.limit_in_bytes"
        } else {
            "memory.max"
        })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sets its limit, bytes.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn limit(&self, bytes: u64) {
        fs::write(self.limit_file(), bytes.to_string()).expect("a limit");
    }

    /// The same, and no swap beside it where the kernel counts that.
    ///
    /// # Panics
    /// If the kernel refuses the limit.
    pub fn limit_without_swap(&self, bytes: u64) {
        let (swap, allowed) = if self.is_v1 {
            ("memory.memsw.limit_in_bytes", bytes)
        } else {
            ("memory.swap.max", 0)
        };
        // Version 2: before the limit, which takes effect at once. Version 1: after it, as it must not be lower.
        let forbid = || fs::write(self.folder.join(swap), allowed.to_string());
        let _ = forbid();
        self.limit(bytes);
        let _ = forbid();
    }

    /// What counts towards its limit, without page cache, bytes.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        let usage = if self.is_v1 {
            "memory.usage_in_bytes"
        } else {
            "memory.current"
        };
        let usage = fs::read_to_string(self.folder.join(usage)).expect("its usage");
        let usage: u64 = usage.trim().parse().expect("a number");
        usage - self.files_bytes()
    }

    /// Page cache in it without shared memory, bytes.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn files_bytes(&self) -> u64 {
        if self.is_v1 {
            self.stat("total_cache") - self.stat("total_shmem")
        } else {
            self.stat("file") - self.stat("shmem")
        }
    }

    /// The kernel's memory in it, bytes.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn kernel_bytes(&self) -> u64 {
        if self.is_v1 {
            let text = fs::read_to_string(self.folder.join("memory.kmem.usage_in_bytes"));
            text.expect("its usage").trim().parse().expect("a number")
        } else {
            self.stat("kernel") + self.stat("sock")
        }
    }

    fn stat(&self, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join("memory.stat")).expect("its figures");
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(key, _)| *key == name).expect("the figure");
        found.1.parse().expect("a number")
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        remove_cgroup(&self.folder);
    }
}

/// A cgroup that processes are put into, of version 2 or of a hierarchy that only names them; it can go and come back
/// at its path. Removed at its end, when they have exited.
pub struct TestGroup {
    folder: PathBuf,
}

impl TestGroup {
    /// None where this process may not make any.
    #[must_use]
    pub fn new() -> Option<Self> {
        let kinds = [
            ("cgroup2", ""),
            ("cgroup", "name=systemd"),
            ("cgroup", "pids"),
        ];
        let mut tops = kinds
            .iter()
            .filter_map(|(kind, option)| mount_point(kind, option));
        let folder = tops.find_map(|top| make_cgroup(&top))?;
        Some(Self { folder })
    }

    /// A cgroup below this one; it is removed first.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let folder = self.folder.join(name);
        fs::create_dir(&folder).expect("a cgroup");
        Self { folder }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes a process in.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn put(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).expect("it is taken in");
    }

    /// Removes it and makes another at its path, as a service manager does between two starts.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn replace(&self) {
        remove_cgroup(&self.folder);
        assert!(!self.folder.exists(), "a process is still in it");
        fs::create_dir(&self.folder).expect("a cgroup");
    }
}

impl Drop for TestGroup {
    fn drop(&mut self) {
        remove_cgroup(&self.folder);
    }
}

/// A cgroup of version 2 whose processes can be frozen; removed at its end, when they have exited.
pub struct TestFreezer {
    folder: PathBuf,
}

impl TestFreezer {
    /// None where this process may not make cgroups of version 2.
    #[must_use]
    pub fn new() -> Option<Self> {
        let top = mount_point("cgroup2", "")?;
        let own = Self {
            folder: make_cgroup(&top)?,
        };
        own.folder.join("cgroup.freeze").exists().then_some(own)
    }

    /// Takes processes in, and waits until they are frozen.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn freeze(&self, pids: &[u32]) {
        for pid in pids {
            fs::write(self.folder.join("cgroup.procs"), pid.to_string()).expect("it is there");
        }
        fs::write(self.folder.join("cgroup.freeze"), "1").expect("a freezer");
        let begun = Instant::now();
        while !self.is_frozen() {
            assert!(begun.elapsed() < Duration::from_mins(1), "not frozen");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_frozen(&self) -> bool {
        let events = fs::read_to_string(self.folder.join("cgroup.events"));
        events
            .expect("its state")
            .lines()
            .any(|line| line == "frozen 1")
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        let _ = fs::write(self.folder.join("cgroup.freeze"), "0");
    }
}

impl Drop for TestFreezer {
    fn drop(&mut self) {
        self.thaw();
        remove_cgroup(&self.folder);
    }
}

/// Where a file system of this kind is mounted with this option.
fn mount_point(kind: &str, option: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let mut fitting = fields.filter(|it| {
        it.get(2) == Some(&kind)
            && (option.is_empty()
                || it
                    .get(3)
                    .is_some_and(|all| all.split(',').any(|it| it == option)))
    });
    fitting.next().map(|it| PathBuf::from(it[1]))
}

/// A new cgroup below another.
fn make_cgroup(top: &Path) -> Option<PathBuf> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("cowtrace-test-{}-{number}", std::process::id());
    let folder = top.join(name);
    fs::create_dir(&folder).ok()?;
    Some(folder)
}

/// The kernel may take a while to let go of its processes.
fn remove_cgroup(folder: &Path) {
    for _ in 0..200 {
        if fs::remove_dir(folder).is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
