//! Any numbers, dates and text.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use crate::run::TracedTarget;

/// Counts: mostly small, some as large as years of copying.
pub(super) fn count() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 8 => 1..1_000u64, 1 => 0..(1u64 << 36)]
}

/// A date as it stands in a recording, of this century.
pub(super) fn date() -> impl Strategy<Value = String> {
    (946_684_800_000..4_102_444_800_000u64).prop_map(|ms| {
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
    })
}

/// Text from outside: anything, none and control characters too.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z./_]{0,12}", "\\PC{0,6}", any::<String>()]
}

/// Targets of a run.
pub(super) const TARGETS: u32 = 3;

/// What was given to trace; no two have one name.
pub(super) fn traced_targets(run: &str) -> Vec<TracedTarget> {
    let target = |at| TracedTarget {
        name: format!("{at}{run}"),
        what: format!("unit {run}"),
    };
    (0..TARGETS).map(target).collect()
}
