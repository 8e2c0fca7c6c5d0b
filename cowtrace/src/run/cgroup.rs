//! Memory cgroups: what is counted there, and limits.

use serde::{Deserialize, Serialize};

/// What the processes of a cgroup and of those below it use at a moment, bytes. None is what this
/// kernel, or the root of a hierarchy, does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupMemory {
    /// All that counts towards its limit (`memory.current`, `memory.usage_in_bytes`).
    pub usage_bytes: Option<u64>,
    /// Anonymous memory (`anon`, `rss`): each page once, however many processes share it.
    pub anonymous_bytes: Option<u64>,
    /// Page cache without shared memory (`file`, `cache`, less `shmem`).
    pub file_bytes: Option<u64>,
    /// Shared memory (`shmem`).
    pub shmem_bytes: Option<u64>,
    /// The kernel's own for these processes: page tables, stacks, objects, buffers of sockets (`kernel` and
    /// `sock`, `memory.kmem.usage_in_bytes` and `memory.kmem.tcp.usage_in_bytes`). Version 2 before Linux 5.18: the sum of `slab`, `kernel_stack`,
    /// `pagetables`, `percpu` and `sock`, which lacks a little.
    pub kernel_bytes: Option<u64>,
    /// Buffers of sockets (`sock`, `memory.kmem.tcp.usage_in_bytes`); `None` if they are not counted here.
    pub sockets_bytes: Option<u64>,
    /// In swap (`memory.swap.current`, `swap`).
    pub swap_bytes: Option<u64>,
    /// Processes that were killed for lack of memory here: version 2 counts those in the cgroups below as
    /// well, version 1 does not.
    pub oom_kills: Option<u64>,
}

/// The smallest limit on the way from a cgroup to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearestLimit {
    /// The limit, bytes (`memory.max`, `memory.limit_in_bytes`).
    pub limit_bytes: u64,
    /// What counts towards it now, bytes, other processes of that cgroup included.
    pub usage_bytes: Option<u64>,
    /// Page cache in that, which is given up before anything is refused (`file`, `cache`, less `shmem`).
    #[serde(default)]
    pub file_bytes: Option<u64>,
    /// The cgroup that has it, below where the hierarchy is mounted; none if it lies above that.
    pub cgroup: Option<String>,
}

impl NearestLimit {
    /// What may still be used before it is reached, bytes; `None` if it is not known what is.
    #[must_use]
    pub fn room_bytes(&self) -> Option<u64> {
        let kept = self
            .usage_bytes?
            .saturating_sub(self.file_bytes.unwrap_or(0));
        Some(self.limit_bytes.saturating_sub(kept))
    }
}
