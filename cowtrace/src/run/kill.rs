//! For lack of whose memory the kernel killed processes.

use serde::{Deserialize, Serialize};

/// A process that the kernel killed, as its log says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryKill {
    /// Which process.
    pub process_id: u32,
    /// What had no memory left.
    pub by: KilledBy,
}

/// What had no memory left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KilledBy {
    /// The limit of a cgroup was reached.
    Limit {
        /// Which, from the root of all; `None` if the kernel did not write it. From outside.
        cgroup: Option<String>,
        /// The limit, bytes; `None` likewise.
        limit_bytes: Option<u64>,
    },
    /// The whole machine had none.
    Machine,
}
