//! Leak or copy-on-write: what the memory of the traced tree grew by, and whether that goes on.
//!
//! The rule looks at new memory in fifths of the trace. It was found on planted programs and real services;
//! [`GrowthShape`] has its thresholds. It never says "leak": a cache that still fills grows alike.

mod by_process;
mod copies;
mod ended;
mod lives;
mod machine;
mod over_time;
mod series;
mod shape;
mod steady;
mod tree;
mod window;
mod words;

pub(crate) use by_process::{NewOfProcess, WhereNew, new_by_process};
pub(crate) use lives::GrowthOfLives;
pub(crate) use machine::{BesideService, MachineGrowth};
pub(crate) use over_time::{ProcessMemory, ProcessesOverTime, TreeMemory, memory_over_time};
pub(crate) use shape::GrowthShape;
pub(crate) use tree::{
    TreeGrowth, VerdictKind, growth_of_tree, held_at_end, is_kernel_part, new_pages_by_process,
    processes_at_end,
};
pub(crate) use words::verdict_in_words;

#[cfg(test)]
mod tests;
