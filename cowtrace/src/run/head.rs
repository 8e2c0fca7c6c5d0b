//! Which run it is: when, where and how it was traced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is unknown of a process whose memory may not be read: an entry of [`Head::unseen`] begins with it.
pub const UNREAD: &str = "objects, lines and variables";

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
    /// Process ids that the user gave, or that were found for what the user gave, at the start and later; the first 1,024.
    pub targets: Vec<u32>,
    /// Those of them that have their memory from a process that is not traced.
    #[serde(default)]
    pub untraced_donors: Vec<UntracedDonor>,
    /// What the user gave, in that order; empty in older recordings.
    #[serde(default)]
    pub traced_targets: Vec<TracedTarget>,
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

/// Something to trace: a process, a command, a unit, a cgroup, a container or a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedTarget {
    /// The user's name for it (`--name`), or one made from what it is. No two of a run have the same.
    pub name: String,
    /// What it is: `pid 4242`, `unit web.service`.
    pub what: String,
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
