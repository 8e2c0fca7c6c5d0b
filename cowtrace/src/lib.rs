//! cowtrace counts the pages a prefork service's processes really copy on write, and ties each to
//! the mapping of the parent it was inherited from.
//!
//! Data flows one way: [`probe`] (the kernel's counters) and [`memory`] (the mappings) are
//! gathered by [`collect`] into a [`run::Run`], which [`report`] renders.

pub mod cli;
pub mod collect;
pub mod command;
pub mod memory;
pub mod probe;
pub mod report;
pub mod run;
pub mod targets;
pub mod writer;
