//! Whether command lines match a pattern.

use std::{collections::BTreeSet, path::Path};

use crate::{memory, targets::wanted::Pattern};

/// The name of this program.
const OWN_NAME: &str = "cowtrace";

/// Whether the command line of a process matches, as far as it can be read.
pub(super) fn has_match(root: &Path, pid: u32, pattern: &Pattern) -> bool {
    let line = memory::read_joined_arguments(root, pid);
    line.is_some_and(|line| is_match(&line, pattern))
}

/// Whether a command line matches. Those of other cowtraces, and of what starts them, have the pattern in them.
pub(super) fn is_match(line: &str, pattern: &Pattern) -> bool {
    let is_cowtrace = |word: &str| word.rsplit('/').next() == Some(OWN_NAME);
    pattern.matches(line) && !line.split(' ').any(is_cowtrace)
}

/// Adds those from which these descend and which match, too: an older process may have become the service since its
/// command line was read.
pub(super) fn with_matching_ancestors(
    root: &Path,
    mut matching: BTreeSet<u32>,
    pattern: &Pattern,
) -> BTreeSet<u32> {
    let mut looked_at = matching.clone();
    for pid in matching.clone() {
        for above in memory::ancestry_of(root, pid) {
            if looked_at.insert(above) && has_match(root, above, pattern) {
                matching.insert(above);
            }
        }
    }
    matching
}
