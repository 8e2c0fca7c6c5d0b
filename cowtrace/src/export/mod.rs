//! What a trace counts, for programs that ask over HTTP while it runs: metrics in both text forms of Prometheus,
//! whether it is well, and a profile of the next seconds.
//!
//! No label is a pid, an address, a path, a Python line or a variable: the number of series would grow with the
//! service. Reports and profiles have these.

mod figures;
mod metrics;
mod profile;
mod server;
mod slots;

#[cfg(test)]
mod tests;

pub use server::{Exporter, ListenError};
