//! Collects what a trace observes: follows processes, reads mappings at each fork, reads counters and
//! evidence, gives a snapshot of what is new, and ends in a [`Run`](crate::run::Run). The only place where
//! probe, /proc and model meet.
//!
//! Five parts own their state: the processes, their mappings, the evidence of who wrote, the lookup of
//! holders, and what the snapshots so far contain. The [`Collector`] keeps the order of their work.

mod adopt;
mod allocators;
mod assemble;
mod balances;
mod clock;
mod collector;
mod grown;
mod holders;
mod machine;
mod processes;
mod programs;
#[cfg(test)]
mod properties;
mod schedule;
mod writers;

pub use adopt::AdoptError;
pub use assemble::{snapshot::SnapshotFor, whole::RunIdentity};
pub use collector::{CollectSettings, Collector, Progress};
pub use processes::tree::Processes;
pub use schedule::CollectError;
