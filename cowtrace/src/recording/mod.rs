//! Recordings: runs in SQLite files, written during the trace. docs/recording.md describes the
//! tables for those who query them.
//!
//! [`RecordingWriter`] writes what is new in a [`Snapshot`](crate::run::Snapshot) in one
//! transaction; [`Recorder`] does so in a separate thread. [`read_recording`] returns the
//! [`Run`](crate::run::Run). To store more of a run, add its table to schema.sql, a
//! [`Stored`](tables::Stored) beside the others, and one line each to lists.rs (or write.rs) and
//! read.rs.

mod by_whom;
mod check;
mod check_machine;
mod columns;
mod companions;
mod exits;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grown;
mod growth;
mod holders;
mod journal;
mod kills;
mod label;
mod lists;
mod machine;
mod migrate;
mod ranges;
mod read;
mod read_error;
mod recorder;
mod rows;
mod savings;
mod schema;
mod sums;
mod sync;
mod tables;
mod targets;
mod timeline;
mod unnamed;
mod write;

pub use companions::remove_companions;
pub use label::{LabelError, label_recording};
pub use read::{begins_as_recording, read_recording};
pub use read_error::ReadError;
pub use recorder::{Readiness, Recorder};
pub use schema::VERSION;
pub use write::{RecordingWriter, WriteError};

#[cfg(test)]
mod tests;
