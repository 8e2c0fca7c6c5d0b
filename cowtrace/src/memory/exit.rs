//! How many processes the kernel killed for lack of memory.

use std::{fs, path::Path};

/// Processes that the kernel has killed for lack of memory since boot, in all control groups
/// (/proc/vmstat); none on kernels before 4.13.
#[must_use]
pub fn oom_kills(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("vmstat")).ok()?;
    let line = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    text.lines().find_map(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_is_found_among_others() {
        let root = std::env::temp_dir().join(format!("cowtrace-vmstat-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        assert_eq!(oom_kills(&root), None);
        fs::write(root.join("vmstat"), "pgfault 7\noom_kill 3\noom_killer 9\n").unwrap();
        assert_eq!(oom_kills(&root), Some(3));
        fs::write(root.join("vmstat"), "pgfault 7\n").unwrap();
        assert_eq!(oom_kills(&root), None);
        fs::remove_dir_all(root).unwrap();
    }
}
