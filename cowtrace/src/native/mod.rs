//! Names of native code: function, module and what is inlined, and the calls that led there.
//!
//! While the trace goes on, files that code is mapped from are held, no more ([`held`]). At the end
//! they are read in a process of its own ([`asking`], [`answer`]), which may fail at what it finds.

mod answer;
mod asking;
mod code;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod held;
mod names;
mod perf_map;
mod question;
mod stack;
mod unnamed;
mod unwind;

pub use answer::answer_question;
pub use asking::NAMER;
pub(crate) use code::Code;
pub(crate) use held::Held;
pub(crate) use names::{Address, Named, Names, Naming};
pub(crate) use stack::Chain;
