//! cowtrace counts the pages a prefork service's processes really copy on write, and ties each to
//! the mapping of the parent it was inherited from.
//!
//! Data flows one way: [`probe`] (the kernel's counters) and [`memory`] (the mappings) are
//! gathered by [`collect`] into a [`run::Run`], which [`recording`] keeps, [`report`] renders, and
//! [`diff`] compares with others.

// Either panics where it cannot write, which would lose the report: see `streams`.
#![cfg_attr(
    not(any(test, fuzzing)),
    deny(clippy::print_stderr, clippy::print_stdout)
)]

pub mod cli;
pub mod collect;
pub mod command;
pub mod diff;
pub mod foreign;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod itself;
pub mod limits;
pub mod memory;
pub mod native;
pub mod output;
pub mod probe;
pub mod recording;
pub mod report;
pub mod run;
pub mod runtime;
#[cfg(any(test, fuzzing))]
mod scratch;
pub mod stop;
pub mod streams;
pub mod targets;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod words;
pub mod writer;
