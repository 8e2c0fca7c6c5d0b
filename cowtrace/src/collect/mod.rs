//! One tracing as it goes: follows processes, reads mappings at each fork, drains counters, tells
//! what is new in a snapshot, and ends in a [`Run`](crate::run::Run). The only place where probe, /proc and model meet.

mod adopt;
mod assemble;
mod clock;
mod collector;
mod follow;
mod holders;
mod processes;
#[cfg(test)]
mod properties;
mod writers;

pub use adopt::AdoptError;
pub use assemble::whole::Meta;
pub use collector::{Collector, Progress};
