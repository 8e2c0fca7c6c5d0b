//! Tests that trace the running kernel and need root. `cargo xtask test` finds them by this module.

mod attach;
mod beside;
mod cases;
mod commands;
mod cpython;
mod demo;
mod ends;
mod exits;
mod growers;
mod grown;
mod holders;
mod kept;
mod lines;
mod living;
mod names;
mod recordings;
mod said;
mod services;
mod stacks;
mod starts;
mod streams;
mod sudo;
mod tree;
mod verdicts;
mod workers;
mod writers;
