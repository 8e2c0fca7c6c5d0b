//! Names of native code: function, module and inlined functions, and the calls that led there.
//!
//! Files from which code is mapped are held during the trace ([`held`]), and read while it runs ([`meanwhile`]) and at the end. Their
//! content is only ever read in a separate process ([`asking`], [`answer`]), which may fail or
//! stall on it. This includes two more lookups: where an interpreter has its data ([`exports`]),
//! needed during the trace, and where a program's data ends ([`data`]).

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
mod meanwhile;
mod names;
mod origins;
mod packages;
mod parts;
mod perf_map;
mod question;
mod stack;
mod symbols;
#[cfg(test)]
mod truth;
mod unnamed;
mod unwind;

pub use answer::answer_question;
pub(crate) use asking::NameReader;
pub(crate) use code::ProgramCode;
pub(crate) use data::ask_data_ends;
pub(crate) use exports::Exports;
pub(crate) use held::HeldFiles;
pub(crate) use meanwhile::NamingUnderWay;
pub(crate) use names::{Address, NamedFunction, Names, Naming};
pub(crate) use stack::Chain;
#[cfg(any(test, fuzzing))]
pub(crate) use symbols::offsets_in;
