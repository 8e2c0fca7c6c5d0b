//! The machine's memory at a moment: /proc/meminfo, and /proc/zoneinfo for the pages that no line of
//! meminfo has (Documentation/filesystems/proc.rst).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fields::{bytes_after, number_of, read_bounded};

/// meminfo has some 1.5 KiB.
const MEMINFO: u64 = 64 << 10;
/// zoneinfo has 60 to 150 bytes a processor and zone: 512 processors with 8 nodes have 2.5 MiB.
const ZONEINFO: u64 = 16 << 20;

/// The machine's memory at a moment, in bytes, as the lines of /proc/meminfo give it.
///
/// The kernel adds up its counters once a second, and its processors keep some changes to themselves
/// until then: see [`refresh_counters`].
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

/// Reads the machine's memory; none if /proc has no meminfo that says how much there is.
#[must_use]
pub fn read_machine(root: &Path, page_bytes: u64) -> Option<MachineMemory> {
    let meminfo = read_bounded(&root.join("meminfo"), MEMINFO).ok()?;
    let zoneinfo = read_bounded(&root.join("zoneinfo"), ZONEINFO).unwrap_or_default();
    let mut machine = machine_of(&meminfo)?;
    machine.per_cpu_lists_bytes = listed_pages(&zoneinfo).saturating_mul(page_bytes);
    Some(machine)
}

/// Has the processors hand in what they have counted, so that the next reading is of this moment; whether
/// they did, which needs root. It takes 0.3 to 1.5 ms, with work for each processor: for the beginning
/// and the end of a trace.
#[must_use]
pub fn refresh_counters(root: &Path) -> bool {
    read_bounded(&root.join("sys/vm/stat_refresh"), 1).is_ok()
}

pub(super) fn machine_of(meminfo: &[u8]) -> Option<MachineMemory> {
    let bytes = |name| bytes_after(meminfo, name);
    let or_zero = |name| bytes(name).unwrap_or(0);
    Some(MachineMemory {
        total_bytes: bytes("MemTotal:")?,
        free_bytes: bytes("MemFree:")?,
        per_cpu_lists_bytes: 0,
        available_bytes: bytes("MemAvailable:"),
        anonymous_bytes: or_zero("AnonPages:"),
        cached_bytes: or_zero("Cached:"),
        buffers_bytes: or_zero("Buffers:"),
        shmem_bytes: or_zero("Shmem:"),
        slab_bytes: or_zero("Slab:"),
        slab_unreclaimable_bytes: or_zero("SUnreclaim:"),
        page_tables_bytes: or_zero("PageTables:"),
        secondary_page_tables_bytes: bytes("SecPageTables:"),
        percpu_bytes: bytes("Percpu:"),
        vmalloc_bytes: or_zero("VmallocUsed:"),
        hugetlb_bytes: bytes("Hugetlb:"),
        zswap_bytes: bytes("Zswap:"),
        swap_used_bytes: or_zero("SwapTotal:").saturating_sub(or_zero("SwapFree:")),
    })
}

/// Pages in the lists of all processors and zones, by the text of zoneinfo.
pub(super) fn listed_pages(zoneinfo: &[u8]) -> u64 {
    let lines = zoneinfo.split(|&byte| byte == b'\n');
    let counts = lines.filter_map(|line| {
        let count = line.trim_ascii_start().strip_prefix(b"count:")?;
        number_of(count.trim_ascii())
    });
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    /// Linux 5.10, without the lines that came later.
    const OLD: &str = "MemTotal:       1000 kB\nMemFree:         300 kB\nBuffers:          10 kB
Cached:          200 kB\nSwapCached:        9 kB\nSwapTotal:        50 kB\nSwapFree:         20 kB
AnonPages:       150 kB\nShmem:            30 kB\nSlab:             60 kB\nSUnreclaim:       40 kB
PageTables:        7 kB\nVmallocUsed:       5 kB\nPercpu:            3 kB\n";
    const ZONES: &str = "Node 0, zone      DMA\n  pages free     3840\n  pagesets
    cpu: 0\n              count: 4\n              high:  0\n    cpu: 1\n              count: 6
Node 0, zone    DMA32\n  pagesets\n    cpu: 0\n              count:    1\n";

    #[test]
    fn what_is_used_is_explained_but_for_a_rest() {
        let root = std::env::temp_dir().join(format!("cowtrace-machine-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        assert_eq!(read_machine(&root, 4096), None);
        fs::write(root.join("meminfo"), OLD).unwrap();
        fs::write(root.join("zoneinfo"), ZONES).unwrap();
        let machine = read_machine(&root, 4096).unwrap();
        assert!(!refresh_counters(&root));
        fs::remove_dir_all(root).unwrap();
        assert_eq!(machine.per_cpu_lists_bytes, 11 * 4096);
        assert_eq!(machine.used(), (1000 - 300 - 44) << 10);
        let explained = 150 + 200 + 10 + 60 + 7 + 3 + 5;
        assert_eq!(machine.unexplained(), (656 - explained) << 10);
        assert_eq!(machine.swap_used_bytes, 30 << 10);
        assert_eq!(machine.available_bytes, None);
        assert_eq!(machine.secondary_page_tables_bytes, None);
        assert_eq!(machine.slab_unreclaimable_bytes, 40 << 10);
    }

    #[test]
    fn later_kernels_explain_more() {
        let old = machine_of(OLD.as_bytes()).unwrap();
        let text = format!("{OLD}SecPageTables: 2 kB\nHugetlb: 16 kB\nZswap: 1 kB\n");
        let new = machine_of(text.as_bytes()).unwrap();
        assert_eq!(old.unexplained() - new.unexplained(), 19 << 10);
        assert_eq!(MachineMemory::calmest(&[old, new, old]), Some(new));
        assert_eq!(MachineMemory::calmest(&[]), None);
    }

    /// The rest is less than a quarter of this machine, whatever is under way.
    #[test]
    fn this_machines_memory_is_explained() {
        let machine = read_machine(Path::new("/proc"), crate::memory::page_bytes()).unwrap();
        assert!(machine.used() > 0 && machine.used() < machine.total_bytes);
        assert!(machine.anonymous_bytes > 0 && machine.shmem_bytes <= machine.cached_bytes);
        let rest = machine.unexplained().unsigned_abs();
        assert!(rest < machine.total_bytes / 4, "{machine:?}");
    }

    proptest! {
        #[test]
        fn hostile_text_is_no_crash(
            at in 0usize..500, bytes in proptest::collection::vec(any::<u8>(), 0..12), number in any::<u64>(),
        ) {
            let mut text = OLD.replace("60", &number.to_string()).into_bytes();
            let at = at % text.len();
            let end = (at + bytes.len()).min(text.len());
            text.splice(at..end, bytes);
            let _ = machine_of(&text).map(|machine| (machine.used(), machine.unexplained()));
            let _ = listed_pages(&text);
        }
    }
}
