//! cowtrace counts the pages a prefork service's processes really copy on write, and ties each to
//! the mapping of the parent it was inherited from.
//!
//! Data flows one way: [`collect`] gathers the kernel's counters ([`probe`]) and the mappings
//! ([`memory`]) into a [`run::Run`], which [`recording`] stores, [`report`] renders, and [`diff`]
//! compares with others.
//!
//! Opening a recording, querying it and rendering it:
//!
//! ```
//! use cowtrace::{recording, report, run, terminal::Style};
//!
//! fn copied_bytes(path: &std::path::Path) -> Result<u64, Box<dyn std::error::Error>> {
//!     let run = recording::read_recording(path)?;
//!     for region in run.regions_by_copies() {
//!         println!("{}: {} pages", region.mapping.name, region.copied_pages);
//!     }
//!     let style = Style { width: 80, color: false };
//!     report::run_as_text(&run, report::Extent::Full, style, &mut std::io::stdout())?;
//!     Ok(run.bytes(run.copied().total()))
//! }
//! # // A recording of a run in which nothing was copied.
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let head = run::Head {
//! #         id: "run".into(),
//! #         tool_version: "0".into(),
//! #         started_at: "2026-11-23T12:00:00Z".into(),
//! #         backend: "tracepoint".into(),
//! #         host: run::Host { kernel: "6.1".into(), arch: "x86_64".into(), page_bytes: 4096, cpus: 2 },
//! #         targets: vec![1],
//! #         ..run::Head::default()
//! #     };
//! #     let run = run::Run::new(head, 65_536, 1_000_000_000);
//! #     let path = std::env::temp_dir().join(format!("cowtrace-example-{}.cow", std::process::id()));
//! #     recording::RecordingWriter::create(&path, true, &run)?.finish(&run)?;
//! #     let copied = copied_bytes(&path);
//! #     std::fs::remove_file(&path)?;
//! #     assert_eq!(copied?, 0);
//! #     Ok(())
//! # }
//! ```

// Both panic if they cannot write, which would lose the report: see `streams`.
#![cfg_attr(
    not(any(test, fuzzing)),
    deny(clippy::print_stderr, clippy::print_stdout)
)]

pub mod cli;
pub mod collect;
pub mod command;
pub mod diff;
pub mod export;
pub mod foreign;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod itself;
pub mod kept;
pub mod limits;
pub mod live;
pub mod memory;
pub mod native;
pub mod output;
pub mod probe;
pub mod recording;
pub mod redact;
pub mod report;
pub mod run;
pub mod runtime;
#[cfg(any(test, fuzzing))]
mod scratch;
pub mod stop;
pub mod streams;
pub mod targets;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod watch;
pub mod words;
pub mod writer;
