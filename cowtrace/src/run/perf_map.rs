//! Problems with perf maps, the files in which processes name the code that they generate.

use serde::{Deserialize, Serialize};

/// A perf map that was not used, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerfMapProblem {
    /// Process id of the process that generated the code.
    pub pid: u32,
    /// What is wrong, in words that follow the file's name: `was not used: it is a symbolic link`.
    pub problem: String,
}
