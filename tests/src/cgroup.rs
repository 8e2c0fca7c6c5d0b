//! A memory cgroup for a test, removed at its end.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
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
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("cowtrace-test-{}-{number}", std::process::id());
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let mount = |kind: &str, option: &str| {
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
        };
        let (top, is_v1) = match mount("cgroup", "memory") {
            Some(top) => (top, true),
            None => (mount("cgroup2", "")?, false),
        };
        let folder = top.join(name);
        fs::create_dir(&folder).ok()?;
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
        // The kernel may take a while to let go of its processes.
        for _ in 0..200 {
            if fs::remove_dir(&self.folder).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
