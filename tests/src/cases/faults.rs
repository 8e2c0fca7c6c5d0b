//! Page faults of a case with and without a trace: a trace must not cause any.
//!
//! If a hook reads memory by the process's own addresses, the processor caches a translation that
//! the kernel then changes. Where the kernel needs no flush for that, the process faults once more
//! for each page. On Intel's processors this doubled the faults of `parent-after-exit`; AMD's look
//! at the page table again before they fault (docs/kernel.md). So every backend is compared, on
//! whatever processor the tests run.

use super::{Case, judge::Observation};
use crate::workload::Workload;

/// Tolerated difference for a whole case, which has 1000 faults in its memory and those of fork and
/// libc. In 150 runs of all cases on Linux 6.18 the largest and the smallest number for a case
/// without threads differed by 14, with four children. One more fault per page would be 1000 in the
/// smallest case with reuses.
const SPREAD: u64 = 60;
/// Two threads that write the same 5,000 pages both fault on those that they race for: 100 to 4,250 in 16 runs without
/// a trace on two processors, 100 to 2,250 in 16 with one.
const SPREAD_OF_RACES: u64 = 5_000 + SPREAD;

/// Minor faults of a case's processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// In the traced run.
    pub traced: u64,
    /// In the run without a trace.
    pub untraced: u64,
}

impl Case {
    /// Runs the case without a trace, to count its own faults.
    pub(super) fn faults_untraced(&self) -> u64 {
        let mut workload = Workload::prepare(self.name);
        let faults = workload.faults_of(Workload::run).1;
        workload.end();
        faults
    }

    /// Faults that only the trace can have caused.
    pub(super) fn wrong_faults(&self, seen: &Observation) -> Option<String> {
        let Faults { traced, untraced } = seen.faults;
        let races = self.name.starts_with("race");
        let spread = if races { SPREAD_OF_RACES } else { SPREAD };
        (traced > untraced + spread)
            .then(|| format!("{traced} page faults traced, {untraced} untraced"))
    }
}
