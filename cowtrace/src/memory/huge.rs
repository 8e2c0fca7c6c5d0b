//! Mappings of hugetlbfs: the size of their pages.

use std::{fs, path::Path};

use nix::sys::statfs::{HUGETLBFS_MAGIC, fstatfs};

use super::files::{hold_mapped, hold_named};
use crate::run::{Kind, Mapping};

/// The smallest huge page of any architecture, bytes (arm64).
const SMALLEST: u64 = 64 << 10;
/// The name of anonymous memory in huge pages (`HUGETLB_ANON_FILE`).
const ANONYMOUS: &str = "/anon_hugepage";

/// Size of a mapping's pages if it belongs to hugetlbfs, otherwise 0. Asks the file's file system;
/// only hugetlbfs answers with a huge page size.
pub(super) fn huge_page_bytes(root: &Path, pid: u32, mapping: &Mapping) -> u64 {
    let (start, end) = (mapping.start, mapping.end);
    if mapping.kind != Kind::File
        || !start.is_multiple_of(SMALLEST)
        || !end.is_multiple_of(SMALLEST)
    {
        return 0;
    }
    let name = mapping.name.strip_suffix(" (deleted)");
    let name = name.unwrap_or(&mapping.name);
    let held = hold_mapped(root, pid, start, end).or_else(|| hold_named(root, Some(pid), name));
    match held.map(fstatfs) {
        Some(Ok(of)) if of.filesystem_type() == HUGETLBFS_MAGIC => {
            u64::try_from(of.block_size()).unwrap_or(0)
        }
        // Without `CAP_CHECKPOINT_RESTORE` the file cannot be held.
        None if name == ANONYMOUS => default_bytes(root),
        _ => 0,
    }
}

/// The default size of huge pages.
fn default_bytes(root: &Path) -> u64 {
    let text = fs::read_to_string(root.join("meminfo")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}
