//! Whether KSM may have merged pages of a process with others (Documentation/admin-guide/mm/ksm.rst).
//!
//! Only smaps says which mappings KSM may merge, and smaps is not read. So if a process has any
//! such mapping, all its anonymous memory counts as possibly merged.

use std::{fs, path::Path};

/// Whether KSM is involved in a process, as reported by the kernel: per process from Linux 5.19 on,
/// before that for the whole machine.
pub(super) fn may_be_merged(root: &Path, pid: u32) -> bool {
    let of_process = |name: &str| fs::read_to_string(root.join(format!("{pid}/{name}"))).ok();
    if let Some(text) = of_process("ksm_stat") {
        return has_ksm(&text);
    }
    let pages = of_process("ksm_merging_pages")
        .or_else(|| fs::read_to_string("/sys/kernel/mm/ksm/pages_shared").ok());
    pages.is_some_and(|pages| pages.trim() != "0")
}

/// Whether KSM scans any pages of it, or may merge any of its mappings.
fn has_ksm(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("ksm_rmap_items" | "ksm_merging_pages"), Some(pages)) => pages != "0",
            (Some("ksm_merge_any:" | "ksm_mergeable:"), Some(answer)) => answer == "yes",
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ksm_has_to_do_with_a_process_that_has_pages_or_mappings_for_it() {
        let without = "ksm_rmap_items 0\nksm_zero_pages 0\nksm_merging_pages 0\n\
                       ksm_process_profit 0\nksm_merge_any: no\nksm_mergeable: no\n";
        assert!(!has_ksm(without) && !has_ksm("") && !has_ksm("ksm_rmap_items"));
        for (from, to) in [
            ("rmap_items 0", "rmap_items 7"),
            ("merging_pages 0", "merging_pages 1"),
            ("merge_any: no", "merge_any: yes"),
            ("mergeable: no", "mergeable: yes"),
        ] {
            assert!(has_ksm(&without.replace(from, to)), "{to}");
        }
    }
}
