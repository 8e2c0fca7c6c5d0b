//! The machine's memory over the time of a trace, and who else on it grew.

use serde::{Deserialize, Serialize};

use super::{CgroupMemory, GrownProcess, MemoryKill, NearestLimit, SocketMemory};

/// What was read of the machine in a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// In the order of time: the first and the last ones a second apart.
    #[serde(default)]
    pub readings: Vec<MachineReading>,
    /// What concerns the traced processes; `None` if it was not looked for.
    #[serde(default)]
    pub place: Option<PlaceOnMachine>,
    /// Other processes; `None` if they were not compared.
    #[serde(default)]
    pub elsewhere: Option<Elsewhere>,
    /// Traced processes that the kernel killed for lack of memory, as far as its log says why.
    #[serde(default)]
    pub kills: Vec<MemoryKill>,
}

/// The machine at a moment of the trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineReading {
    /// When, ns since the start of the run.
    pub at_ns: u64,
    /// All of its memory.
    pub memory: MachineMemory,
    /// Sockets of the traced processes' namespace; `None` if they were not read at this time.
    #[serde(default)]
    pub sockets: Option<SocketMemory>,
    /// The memory cgroup of the traced processes; `None` likewise.
    #[serde(default)]
    pub cgroup: Option<CgroupMemory>,
    /// What the traced processes have beside their memory; `None` likewise.
    #[serde(default)]
    pub service: Option<ServiceAside>,
    /// Shared memory that they have; `None` likewise.
    #[serde(default)]
    pub shared: Option<ServiceShared>,
}

/// Present shared memory of the living traced processes (`RssShmem`), bytes: of `MAP_SHARED` without a file, of
/// tmpfs and /dev/shm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceShared {
    /// Of all of them: what several have counts for each.
    pub sum_bytes: u64,
    /// Of the one that has most.
    pub most_bytes: u64,
}

/// What the living traced processes have beside present anonymous memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAside {
    /// How many were read.
    pub processes: u64,
    /// Whether there were more.
    pub is_partial: bool,
    /// Their page tables, bytes (`VmPTE`).
    pub page_tables_bytes: u64,
    /// Their anonymous memory in swap, bytes (`VmSwap`); shared pages count for each.
    pub swapped_bytes: u64,
}

/// Where on the machine the traced processes are counted and limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOnMachine {
    /// The lowest memory cgroup that all of them are in or below; `None` if there is none.
    pub cgroup: Option<String>,
    /// Whether nothing else is in it.
    pub is_alone: bool,
    /// The smallest limit above it, when the trace ended; `None` if there is none.
    pub limit: Option<NearestLimit>,
}

/// The anonymous memory of all processes that were not traced, at the end beside the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Those that grew most, largest first.
    pub growers: Vec<GrownProcess>,
    /// What all that grew have more, pages; shared ones count for each.
    pub grown_pages: u64,
    /// How many have anonymous memory at the end.
    pub processes: u64,
    /// Whether there were too many to read all of them.
    pub is_partial: bool,
}

/// The machine's memory at a moment, in bytes, as the lines of /proc/meminfo give it.
///
/// The kernel adds up its counters once a second, and its processors keep some changes to themselves
/// until then: at the start and the end of a trace they are made to hand in what they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineMemory {
    /// All memory that the kernel manages (`MemTotal`).
    pub total_bytes: u64,
    /// In no use, without what processors keep for themselves (`MemFree`).
    pub free_bytes: u64,
    /// In no use, kept in lists of the processors (the `count:` lines of zoneinfo). 281 MiB were seen.
    pub per_cpu_lists_bytes: u64,
    /// What new programs could take without swapping, by the kernel's estimate (`MemAvailable`).
    pub available_bytes: Option<u64>,
    /// Anonymous memory of processes (`AnonPages`).
    pub anonymous_bytes: u64,
    /// The page cache, shared memory included (`Cached`).
    pub cached_bytes: u64,
    /// The page cache of block devices (`Buffers`).
    pub buffers_bytes: u64,
    /// Shared memory, a part of the page cache (`Shmem`).
    pub shmem_bytes: u64,
    /// Objects of the kernel (`Slab`).
    pub slab_bytes: u64,
    /// The part of them that cannot be given back (`SUnreclaim`).
    pub slab_unreclaimable_bytes: u64,
    /// Page tables of processes (`PageTables`).
    pub page_tables_bytes: u64,
    /// Page tables of virtual machines and devices (`SecPageTables`, Linux 6.0).
    pub secondary_page_tables_bytes: Option<u64>,
    /// The kernel's data for each processor (`Percpu`).
    pub percpu_bytes: Option<u64>,
    /// The kernel's mapped memory, its stacks included (`VmallocUsed`; 0 before Linux 5.3).
    pub vmalloc_bytes: u64,
    /// Huge pages that are set aside, in use or not (`Hugetlb`).
    pub hugetlb_bytes: Option<u64>,
    /// Compressed pages of swap that are kept in memory (`Zswap`, Linux 5.19).
    pub zswap_bytes: Option<u64>,
    /// Swap in use (`SwapTotal` - `SwapFree`).
    pub swap_used_bytes: u64,
}

impl MachineMemory {
    /// Memory in use, bytes: all but what is free or in the lists of the processors.
    #[must_use]
    pub fn used(&self) -> u64 {
        let free = self.free_bytes.saturating_add(self.per_cpu_lists_bytes);
        self.total_bytes.saturating_sub(free)
    }

    /// Memory in use that no counter of meminfo has, bytes: socket buffers, and pages that drivers or the
    /// kernel took for themselves. On a quiet machine it is constant within 5 MB; beside compilers it
    /// varies by 65 MB, for the counters are not of one moment, so it may be negative.
    #[must_use]
    pub fn unexplained(&self) -> i64 {
        let parts = [
            Some(self.anonymous_bytes),
            Some(self.cached_bytes),
            Some(self.buffers_bytes),
            Some(self.slab_bytes),
            Some(self.page_tables_bytes),
            self.secondary_page_tables_bytes,
            self.percpu_bytes,
            Some(self.vmalloc_bytes),
            self.hugetlb_bytes,
            self.zswap_bytes,
        ];
        let known = parts.into_iter().flatten().fold(0, u64::saturating_add);
        let bytes = i128::from(self.used()) - i128::from(known);
        i64::try_from(bytes).unwrap_or(if bytes < 0 { i64::MIN } else { i64::MAX })
    }

    /// Of readings some second apart, the one with the least that is unexplained: what is being allocated
    /// or given back at a moment only ever adds to it.
    #[must_use]
    pub fn calmest(readings: &[Self]) -> Option<Self> {
        readings.iter().copied().min_by_key(Self::unexplained)
    }
}
