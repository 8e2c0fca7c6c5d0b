//! What every case of the `workload` program must count, in one table for every kernel and every
//! backend: the tests on the running kernel and the virtual machines judge by it alike.

mod faults;
mod judge;
mod table;

pub use faults::Faults;
pub use judge::{Judged, Observation};
pub use table::ALL;

/// The backends by the names that `--backend` takes, the one that sees most first.
pub const BACKENDS: [&str; 3] = ["trampoline", "kprobe", "tracepoint"];

/// A case and what is to be counted in its memory.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The workload's name for it.
    pub name: &'static str,
    /// By writing process, in the order in which the workload tells them.
    pub writers: &'static [Writes],
    /// What the copied pages were before, as the report calls it.
    pub source: &'static str,
    /// Backends that cannot see it as it is, and what they see instead.
    pub otherwise: &'static [Otherwise],
    /// The one cause of loss that may be told here.
    pub loss: Option<&'static str>,
    /// Whether the copies may be as many more as that loss tells.
    pub loss_may_be_copies: bool,
    /// How many of the re-uses may be copies instead, as the page frames must show too.
    pub real_copies: u64,
    /// Whether a copied page shows as a changed frame: only if one was there before.
    pub truth: bool,
    /// Functions that all copies are made by, innermost first, each called by the next: native stacks
    /// are taken if there are any.
    pub calls: &'static [&'static str],
    /// Pages that the first writer touches for the first time, by kind of mapping; kernels and backends that
    /// do not know the kind say `unknown`.
    pub touched: Option<(&'static str, u64)>,
    /// Bounds of all copies of the run, for a case about what happens outside of its memory.
    pub whole_run: Option<(u64, u64)>,
}

/// What a process does to the case's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Who: `parent`, `child`.
    pub role: &'static str,
    /// Pages that are copied for it.
    pub copied: u64,
    /// Pages it gets back without a copy; `None` where kernels differ and nothing hangs on it.
    pub reused: Option<u64>,
}

/// What a backend sees instead of the truth: a limit that the README tells.
#[derive(Clone, Copy, Debug)]
pub struct Otherwise {
    /// The backend's name.
    pub backend: &'static str,
    /// What it counts.
    pub writers: &'static [Writes],
    /// What it takes the copied pages for.
    pub source: &'static str,
}

impl Case {
    /// A case by the workload's name for it.
    ///
    /// # Panics
    /// If the table has none.
    #[must_use]
    pub fn named(name: &str) -> &'static Self {
        ALL.iter()
            .find(|case| case.name == name)
            .unwrap_or_else(|| panic!("no case {name} in the table"))
    }

    /// What this backend is known to see otherwise.
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
