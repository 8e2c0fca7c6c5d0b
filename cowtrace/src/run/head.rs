//! Which run it is: when, where and how it was traced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which run it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Version of the program that traced.
    pub tool_version: String,
    /// Where it ran.
    pub host: Host,
    /// Unique among all runs.
    pub id: String,
    /// Wall clock at the start, RFC 3339.
    pub started_at: String,
    /// How long it traced, ns.
    pub duration_ns: u64,
    /// Whether the trace was cut off: the counts are those of the last snapshot on record.
    #[serde(default)]
    pub unfinished: bool,
    /// The backend that saw the faults.
    pub backend: String,
    /// What that backend cannot see, in words.
    #[serde(default)]
    pub unseen: Vec<String>,
    /// Backends that could not run here, with the reason, in the order they were tried.
    #[serde(default)]
    pub rejected: Vec<(String, String)>,
    /// Process ids the user gave.
    pub targets: Vec<u32>,
    /// Those of them that have their memory from a process that is not traced.
    #[serde(default)]
    pub untraced_donors: Vec<UntracedDonor>,
    /// What the user called the run.
    pub labels: BTreeMap<String, String>,
}

/// A target that has its memory from a process that is not traced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntracedDonor {
    /// The target's process id.
    pub pid: u32,
    /// That of the process from which it has its memory.
    pub donor_pid: u32,
    /// Name of that one, from outside.
    pub donor_comm: String,
    /// Whether that one is the target's parent.
    pub is_parent: bool,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Kernel release.
    pub kernel: String,
    /// Architecture.
    pub arch: String,
    /// Bytes in a page.
    pub page_bytes: u64,
    /// Processors online.
    pub cpus: usize,
}
