//! The size of the ranges that a trace counts in.

use std::path::Path;

use super::session::TraceTarget;
use crate::{cli::RangeChoice, memory};

/// Two thirds of the histogram's places: as many ranges are planned for.
const PLANNED_RANGES: u64 = 131_072;
/// Workers that a master is expected to have, now or later, each with a copy of everything.
const EXPECTED_COPIES: u64 = 8;
/// A range's first copy costs more than the others, which finer ranges would pay too often.
const FINEST_AUTO_RANGE: u64 = 64 << 10;
const COARSEST_AUTO_RANGE: u64 = 16 << 20;

/// The range's size: what the user said, or the finest whose histogram holds what may be copied.
pub(super) fn range_bytes(range: RangeChoice, target: &TraceTarget<'_>, page_bytes: u64) -> u64 {
    match (range, target) {
        (RangeChoice::Bytes(bytes), _) => bytes,
        (RangeChoice::Auto, TraceTarget::Command(_) | TraceTarget::Demo(_)) => FINEST_AUTO_RANGE,
        (RangeChoice::Auto, TraceTarget::Running(running)) => {
            let pids = running.pids();
            let root = Path::new("/proc");
            let resident = |pid: u32| memory::resident_pages(root, pid);
            let tree = memory::children_of(root, &pids).unwrap_or_default();
            let now: u64 = tree.iter().map(|process| resident(process.pid)).sum();
            let later: u64 = pids
                .iter()
                .map(|&pid| resident(pid) * EXPECTED_COPIES)
                .sum();
            let ranges = |bytes: u64| now.max(later) * page_bytes / bytes;
            let mut bytes = FINEST_AUTO_RANGE.max(page_bytes);
            while ranges(bytes) > PLANNED_RANGES && bytes < COARSEST_AUTO_RANGE {
                bytes *= 2;
            }
            bytes
        }
    }
}
