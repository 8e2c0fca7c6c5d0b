//! Perf maps, by which processes tell of code that they make at run time, where they are of no use.

use serde::{Deserialize, Serialize};

/// A perf map that was not used, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerfMapProblem {
    /// Process id of the process that made the code.
    pub pid: u32,
    /// What is wrong, in words that follow the file's name: `was not used: it is a symbolic link`.
    pub problem: String,
}
