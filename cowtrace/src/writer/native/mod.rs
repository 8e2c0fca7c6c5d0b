//! Names of native code: function, module and what is inlined, and the calls that led there.
//!
//! While the trace goes on, files that code is mapped from are held, no more ([`held`]). At the end
//! they are read in a process of its own ([`asking`], [`answer`]), which may fail at what it finds.

mod answer;
mod asking;
mod code;
mod file;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod held;
mod names;
mod perf_map;
mod question;
mod stack;
mod unnamed;
mod unwind;

pub(super) use answer::answer;
pub use asking::NAMER;
pub(super) use code::Code;
pub(super) use held::Held;
pub(super) use names::{Address, Named, Names, Naming};
pub(super) use stack::Chain;
