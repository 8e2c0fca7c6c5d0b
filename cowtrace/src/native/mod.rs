//! Names of native code: function, module and what is inlined, and the calls that led there.
//!
//! Files that code is mapped from are held during the trace ([`held`]) and read at the end.
//! All that is read in such files is read in a process of its own ([`asking`], [`answer`]), which may
//! fail or stall at what it finds: also where an interpreter has its data ([`exports`]), which is needed
//! during the trace, and where the data of a program ends ([`data`]).

mod answer;
mod answers;
mod asking;
mod code;
mod data;
mod exports;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod held;
mod names;
mod perf_map;
mod question;
mod stack;
mod symbols;
mod unnamed;
mod unwind;

pub use answer::answer_question;
pub(crate) use asking::NameReader;
pub(crate) use code::ProgramCode;
pub(crate) use data::ask_data_ends;
pub(crate) use exports::Exports;
pub(crate) use held::HeldFiles;
pub(crate) use names::{Address, NamedFunction, Names, Naming};
pub(crate) use stack::Chain;
#[cfg(any(test, fuzzing))]
pub(crate) use symbols::offsets_in;
