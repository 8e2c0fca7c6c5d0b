//! What every case of the `workload` program must count, in one table for every kernel and backend:
//! the tests on the running kernel and in virtual machines both use it.

mod faults;
mod judge;
mod python;
mod table;

pub use faults::Faults;
pub use judge::{Judged, Observation};
pub use python::{PYTHON, expectation as python_expectation, has_python, judge as judge_python};
pub use table::ALL;

/// The backends by their names for `--backend`; the one that sees most comes first.
pub const BACKENDS: [&str; 3] = ["trampoline", "kprobe", "tracepoint"];

/// A case and the counts expected in its memory.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The workload's name for it.
    pub name: &'static str,
    /// By writing process, in the order in which the workload reports them.
    pub writers: &'static [Writes],
    /// What the copied pages were before, in the report's words.
    pub source: &'static str,
    /// Backends that are known to count it differently, and their counts.
    pub otherwise: &'static [Otherwise],
    /// The one cause of loss that may be reported here.
    pub loss: Option<&'static str>,
    /// Whether there may be more copies, up to the number of that loss.
    pub loss_may_be_copies: bool,
    /// How many of the reuses may be copies instead, if the page frames show the same.
    pub real_copies: u64,
    /// Whether a copied page shows as a changed frame, which requires a page before the copy.
    pub truth: bool,
    /// Functions through which all copies are made, innermost first, each called by the next: if
    /// there are any, native stacks are recorded.
    pub calls: &'static [&'static str],
    /// Pages that the first writer touches for the first time, by kind of mapping; kernels and backends that
    /// do not know the kind say `unknown`.
    pub touched: Option<(&'static str, u64)>,
    /// Bounds of all copies of the run, for a case about copies outside its memory.
    pub whole_run: Option<(u64, u64)>,
}

/// A process's writes to the case's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Who: `parent`, `child`.
    pub role: &'static str,
    /// Pages copied for it.
    pub copied: u64,
    /// Pages it reuses without a copy; `None` where kernels differ and it does not matter.
    pub reused: Option<u64>,
}

/// What a backend sees instead: a limit described in docs/limits.md.
#[derive(Clone, Copy, Debug)]
pub struct Otherwise {
    /// The backend's name.
    pub backend: &'static str,
    /// What it counts.
    pub writers: &'static [Writes],
    /// The source that it reports for the copied pages.
    pub source: &'static str,
}

impl Case {
    /// A case by its name in the workload.
    ///
    /// # Panics
    /// If the table does not have it.
    #[must_use]
    pub fn named(name: &str) -> &'static Self {
        ALL.iter()
            .find(|case| case.name == name)
            .unwrap_or_else(|| panic!("no case {name} in the table"))
    }

    /// What this backend is known to count differently.
    fn otherwise(&self, backend: &str) -> Option<&'static Otherwise> {
        self.otherwise.iter().find(|other| other.backend == backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_in_the_table_once() {
        for case in ALL {
            let same = ALL.iter().filter(|other| other.name == case.name);
            assert_eq!(same.count(), 1, "{}", case.name);
        }
    }

    #[test]
    fn limits_are_told_of_backends_that_exist() {
        for other in ALL.iter().flat_map(|case| case.otherwise) {
            assert!(BACKENDS.contains(&other.backend), "{other:?}");
        }
    }
}
