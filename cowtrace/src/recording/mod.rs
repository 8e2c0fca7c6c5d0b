//! Runs in files: SQLite, written as the trace goes. docs/recording.md describes the tables for
//! those who ask them.
//!
//! [`Writer`] writes what is new in a [`Snapshot`](crate::run::Snapshot) in one transaction; [`Recorder`] does so in a
//! thread of its own. [`read`] gives the [`Run`](crate::run::Run) back. To keep something more of a run: its table in
//! schema.sql, a [`Stored`](tables::Stored) beside the others, and a line each in lists.rs (or
//! write.rs) and read.rs.

mod by_whom;
mod check;
mod columns;
mod companions;
mod exits;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod holders;
mod journal;
mod label;
mod lists;
mod migrate;
mod ranges;
mod read;
mod read_error;
mod recorder;
mod schema;
mod sync;
mod tables;
mod timeline;
mod write;

pub use companions::remove_companions;
pub use label::{LabelError, label_recording};
pub use read::{begins_as_recording, read_recording};
pub use read_error::ReadError;
pub use recorder::{Readiness, Recorder};
pub use write::{RecordingWriter, WriteError};

#[cfg(test)]
mod tests;
