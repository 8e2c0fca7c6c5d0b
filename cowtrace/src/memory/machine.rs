//! The machine's memory at a moment: /proc/meminfo, and /proc/zoneinfo for the pages that no line of
//! meminfo has (Documentation/filesystems/proc.rst).

use std::path::Path;

use super::fields::{bytes_after, number_of, read_bounded};
use crate::run::MachineMemory;

/// meminfo has some 1.5 KiB.
const MEMINFO: u64 = 64 << 10;
/// zoneinfo has 60 to 150 bytes a processor and zone: 512 processors with 8 nodes have 2.5 MiB.
const ZONEINFO: u64 = 16 << 20;

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
