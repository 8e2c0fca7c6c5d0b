//! Page faults of a case with and without a trace: a traced process takes none that it would not take
//! otherwise.
//!
//! A hook that reads memory by the process's own addresses has the processor keep a translation that
//! the kernel then changes; where that needs no flush, the process faults once more for each page. On
//! Intel's processors this doubled the faults of `parent-after-exit`; AMD's look at the page table again
//! before they fault (docs/kernel.md). So this is compared on every processor and by every backend.

use super::{Case, judge::Observation};
use crate::workload::Workload;

/// Faults of a whole case, its memory's 1000 and those of fork and libc: over 150 runs of all cases on
/// Linux 6.18 the largest and the smallest of a case without threads differed by 14, of four children.
/// A fault more for each page, of the smallest case with re-uses, would be 1000.
const SPREAD: u64 = 60;
/// Two threads that write the same pages fault twice on those that they race for: 5,104 to 5,345 in
/// 12 runs of 5,000 pages, on two processors. More processors race more often.
const SPREAD_OF_RACES: u64 = 2_500;

/// Minor faults of a case's processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// In the run that was traced.
    pub traced: u64,
    /// In one that was not.
    pub untraced: u64,
}

impl Case {
    /// Runs it without a trace, for the faults that it takes by itself.
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
