//! Wording shared by reports, comparisons and commands: numbers with their units, and the names of
//! processes, regions, variables, writers, lines and stacks.

mod lines;
mod numbers;
mod other_memory;
mod own_memory;
mod processes;
mod regions;
mod shorten;
mod stacks;
mod unnamed;
mod variables;
mod writers;

pub use crate::foreign::printable;
pub(crate) use lines::{Lines, NO_LINE, explained, last_parts};
pub(crate) use numbers::{about_percent, about_seconds, change_in_size, count, percent, plural};
pub use numbers::{seconds, size};
pub(crate) use own_memory::{OUTSIDE_HISTOGRAM, own_memory_name};
pub(crate) use processes::{
    last_of_pid, named, program_of, role_in_words, untraced_donor, what_runs,
};
pub(crate) use regions::{owned_name, region_name};
pub(crate) use shorten::{cut, shorten};
pub(crate) use stacks::{Call, NamedStack, stacks};
pub(crate) use unnamed::{is_unnamed, part_in_words, with_place};
pub(crate) use variables::{FREE_MEMORY, free_memory_of, owner_of, type_and_entries, type_name};
pub(crate) use writers::{
    OTHER_MEMORY, cause_of_growth, cause_of_write, function, function_of_grower, kind_of_write,
    short_kind_of_write, written,
};
