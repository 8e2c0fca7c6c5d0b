//! Prefork trees of a machine, without a trace: who shares memory that can still be unshared.

use super::BalanceIs;

/// The prefork trees of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreforkTrees {
    /// Those with most memory that can still be unshared first; those of which that could not be read last.
    pub trees: Vec<PreforkTree>,
    /// Smaller ones, which are left out.
    pub left_out: usize,
}

/// A process, and those that have its memory by fork.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreforkTree {
    /// Process id of the master.
    pub pid: u32,
    /// Its name. From outside: may hold any character.
    pub comm: String,
    /// What it runs, if that could be read, as in [`CommandLine`](super::CommandLine).
    pub command_line: Option<String>,
    /// The folder that it works in, if that could be read. From outside: may hold any character.
    pub folder: Option<String>,
    /// Processes that have its memory, and those that have theirs.
    pub workers: usize,
    /// What can still be unshared.
    pub unsharable: Unsharable,
    /// Options of cowtrace that trace it: `--unit web.service`.
    pub trace_options: String,
}

/// Memory that the workers of a tree still share with the process that they have it from: each can get a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsharable {
    /// Added up over the workers; none if none of them could be looked at.
    pub bytes: Option<u64>,
    /// How well that is known.
    pub is: BalanceIs,
    /// It is within this number of bytes of the truth in 19 of 20 samples.
    pub error_bytes: u64,
    /// Workers that were left out of the look, and count as the others do on average.
    pub estimated_workers: usize,
    /// Workers that could not be looked at, and do not count.
    pub unread_workers: usize,
}
