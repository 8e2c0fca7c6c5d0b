//! What a memory cgroup uses, and its limits.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    memory::fields::{number_after, number_of, read_bounded},
    run::{CgroupMemory, NearestLimit},
};

/// memory.stat has some 2 KiB, the others less.
const STAT: u64 = 64 << 10;
/// cgroup.procs has a line for each process.
const PROCS: u64 = 256 << 10;
/// Most levels between a cgroup and the root.
const LEVELS: usize = 128;
/// Limits from here on are none: version 1 has no other word for it than the largest number of pages.
const NO_LIMIT: u64 = 1 << 62;

/// The two kinds of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupVersion {
    /// A hierarchy of its own for memory.
    V1,
    /// One for all.
    V2,
}

/// A memory cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemoryCgroup {
    pub(super) version: CgroupVersion,
    /// Where the hierarchy is mounted.
    pub(super) top: PathBuf,
    /// Below it.
    pub(super) folder: PathBuf,
}

impl MemoryCgroup {
    /// Which kind it is.
    #[must_use]
    pub fn version(&self) -> CgroupVersion {
        self.version
    }

    /// Its path below where the hierarchy is mounted, with a slash before it.
    #[must_use]
    pub fn path(&self) -> String {
        Path::new("/")
            .join(&self.folder)
            .to_string_lossy()
            .into_owned()
    }

    /// Reads what it uses; none if it is gone.
    #[must_use]
    pub fn read(&self) -> Option<CgroupMemory> {
        let folder = self.top.join(&self.folder);
        let file = |name: &str| read_bounded(&folder.join(name), STAT).ok();
        let number = |name: &str| file(name).and_then(|text| number_of(text.trim_ascii()));
        let stat = file("memory.stat")?;
        let oom_kills = |name| file(name).and_then(|text| number_after(&text, "oom_kill"));
        Some(match self.version {
            CgroupVersion::V1 => CgroupMemory {
                usage_bytes: number("memory.usage_in_bytes"),
                kernel_bytes: number("memory.kmem.usage_in_bytes").map(|kernel| {
                    kernel.saturating_add(number("memory.kmem.tcp.usage_in_bytes").unwrap_or(0))
                }),
                // Counted only in cgroups with a limit for them.
                sockets_bytes: number("memory.kmem.tcp.usage_in_bytes").filter(|bytes| *bytes > 0),
                oom_kills: oom_kills("memory.oom_control"),
                ..memory_of_v1(&stat)
            },
            CgroupVersion::V2 => CgroupMemory {
                usage_bytes: number("memory.current"),
                swap_bytes: number("memory.swap.current"),
                oom_kills: oom_kills("memory.events"),
                ..memory_of_v2(&stat)
            },
        })
    }

    /// Finds the smallest limit; none if there is no limit.
    #[must_use]
    pub fn nearest_limit(&self) -> Option<NearestLimit> {
        let (limit, usage) = match self.version {
            CgroupVersion::V1 => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            CgroupVersion::V2 => ("memory.max", "memory.current"),
        };
        let read = |folder: &Path, name: &str| {
            let text = read_bounded(&self.top.join(folder).join(name), STAT).ok()?;
            number_of(text.trim_ascii())
        };
        let mut found: Option<NearestLimit> = None;
        for folder in self.folder.ancestors().take(LEVELS) {
            let Some(bytes) = read(folder, limit).filter(|bytes| *bytes < NO_LIMIT) else {
                continue;
            };
            if found.as_ref().is_none_or(|it| bytes < it.limit_bytes) {
                let cgroup = Path::new("/").join(folder);
                found = Some(NearestLimit {
                    limit_bytes: bytes,
                    usage_bytes: read(folder, usage),
                    file_bytes: self.file_bytes_in(folder),
                    cgroup: Some(cgroup.to_string_lossy().into_owned()),
                });
            }
        }
        self.limit_above()
            .filter(|above| found.as_ref().is_none_or(|it| *above < it.limit_bytes))
            .map_or(found, |limit_bytes| {
                Some(NearestLimit {
                    limit_bytes,
                    usage_bytes: None,
                    file_bytes: None,
                    cgroup: None,
                })
            })
    }

    fn file_bytes_in(&self, folder: &Path) -> Option<u64> {
        let stat = read_bounded(&self.top.join(folder).join("memory.stat"), STAT).ok()?;
        let memory = match self.version {
            CgroupVersion::V1 => memory_of_v1(&stat),
            CgroupVersion::V2 => memory_of_v2(&stat),
        };
        memory.file_bytes
    }

    /// The processes in it and in the cgroups below it; none if there are more cgroups than `most_groups`,
    /// or tens of thousands of processes in one.
    #[must_use]
    pub fn processes(&self, most_groups: usize) -> Option<Vec<u32>> {
        let mut waiting = vec![self.top.join(&self.folder)];
        let (mut found, mut groups) = (Vec::new(), 0);
        while let Some(folder) = waiting.pop() {
            groups += 1;
            if groups > most_groups {
                return None;
            }
            let text = read_bounded(&folder.join("cgroup.procs"), PROCS).unwrap_or_default();
            if text.len() as u64 == PROCS {
                return None;
            }
            let lines = text.split(|&byte| byte == b'\n');
            found.extend(
                lines
                    .filter_map(number_of)
                    .filter_map(|pid| u32::try_from(pid).ok()),
            );
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
            waiting.extend(below.take(most_groups).map(|entry| entry.path()));
        }
        Some(found)
    }

    /// The smallest limit of all, which version 1 tells below, also where the way up ends at a mount.
    fn limit_above(&self) -> Option<u64> {
        if self.version == CgroupVersion::V2 {
            return None;
        }
        let stat = read_bounded(&self.top.join(&self.folder).join("memory.stat"), STAT).ok()?;
        number_after(&stat, "hierarchical_memory_limit").filter(|bytes| *bytes < NO_LIMIT)
    }

    /// The lowest cgroup that has both in it or below it; none if they are of two hierarchies.
    #[must_use]
    pub fn common_with(&self, other: &Self) -> Option<Self> {
        if (self.version, &self.top) != (other.version, &other.top) {
            return None;
        }
        let both = self.folder.iter().zip(other.folder.iter());
        let common = both.take_while(|(one, two)| one == two);
        let common = Self {
            folder: common.map(|(one, _)| one).collect(),
            ..self.clone()
        };
        Some(common.that_counts())
    }

    /// It, or the nearest above it that counts memory: a cgroup of version 2 need not.
    pub(super) fn that_counts(self) -> Self {
        if self.version == CgroupVersion::V1 {
            return self;
        }
        let counts = |folder: &&Path| self.top.join(folder).join("memory.current").exists();
        let folder = self.folder.ancestors().take(LEVELS).find(counts);
        // The root has no such file, but counts.
        let folder = folder.unwrap_or(Path::new("")).to_owned();
        Self { folder, ..self }
    }
}

pub(in crate::memory) fn memory_of_v1(stat: &[u8]) -> CgroupMemory {
    // With those below, which the second does not have.
    let value = |name: &str| {
        number_after(stat, &format!("total_{name}")).or_else(|| number_after(stat, name))
    };
    let shmem = value("shmem");
    CgroupMemory {
        anonymous_bytes: value("rss"),
        file_bytes: value("cache").map(|cache| cache.saturating_sub(shmem.unwrap_or(0))),
        shmem_bytes: shmem,
        swap_bytes: value("swap"),
        ..CgroupMemory::default()
    }
}

pub(in crate::memory) fn memory_of_v2(stat: &[u8]) -> CgroupMemory {
    let value = |name: &str| number_after(stat, name);
    let shmem = value("shmem");
    let parts = ["slab", "kernel_stack", "pagetables", "percpu"].map(value);
    let sum = || {
        let known = parts.iter().flatten();
        known.copied().reduce(u64::saturating_add)
    };
    CgroupMemory {
        anonymous_bytes: value("anon"),
        file_bytes: value("file").map(|file| file.saturating_sub(shmem.unwrap_or(0))),
        shmem_bytes: shmem,
        kernel_bytes: value("kernel")
            .or_else(sum)
            .map(|kernel| kernel.saturating_add(value("sock").unwrap_or(0))),
        sockets_bytes: value("sock"),
        ..CgroupMemory::default()
    }
}
