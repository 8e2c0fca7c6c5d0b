//! Finds which variable holds an object, by walking the heap of a living CPython process from its
//! modules and frames down to every object. It is read from outside without stopping the process.
//! Supports builds with a global interpreter lock, 3.8 to 3.15, and the free-threaded build of
//! 3.13, on x86-64 and arm64 with pages of 4 KiB.
//!
//! Only present pages are read, through /proc/PID/mem. The process keeps running meanwhile, so the
//! data may be torn or gone: every value is checked, and every table, list and chain has a bound.

#![expect(
    clippy::cast_possible_truncation,
    reason = "this is for 64-bit processors only, and chunks, pages, nodes and types are bounded far below 2^32"
)]

mod allocated;
mod allocation;
mod arrays;
#[cfg(any(test, fuzzing))]
mod bytes;
mod claims;
mod classes;
mod collector;
mod columns;
mod contents;
mod copied;
mod deadline;
mod dicts;
mod find;
mod frames;
mod free;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grown;
#[cfg(any(test, fuzzing))]
mod handmade;
mod header;
mod holders;
mod kind;
mod kinds;
mod landmarks;
mod later;
mod loose;
mod memory;
mod mimalloc;
mod objects;
mod occupancy;
mod offsets;
mod page_uses;
mod parts;
mod paths;
mod regions;
mod roots;
mod same;
mod saving;
mod settle;
mod shared;
mod stack;
mod states;
mod survey;
mod tally;
#[cfg(test)]
mod tests;
mod unheld;
mod variable;
#[cfg(test)]
mod versions;
mod walk;

pub(super) use contents::count_objects;
pub(super) use find::{AddressCopies, LivingInterpreter, find_holders};
pub use find::{Found, Limits};
pub(super) use grown::find_grown;
pub(crate) use memory::ReadMemory;
pub(super) use offsets::Offsets;
pub use survey::{Credit, Survey};
pub use variable::Variable;
