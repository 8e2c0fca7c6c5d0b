//! Arguments of `cowtrace heap`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{
    choices::format_of_name,
    recorded::Destination,
    values::{parse_duration, parse_pid},
};

pub(super) const HEAP_EXAMPLES: &str = "\
Examples:
  sudo cowtrace heap --pid 4242                 the largest types and variables
  sudo cowtrace heap --pid 4242 --full          all of them
  sudo cowtrace heap --pid 4242 -o a.json
  sudo cowtrace heap --pid 4242 --since a.json  what grew since then
  cowtrace heap run.cow                         what grew in a recorded trace

The process keeps running, and none of its pages is copied. For CPython 3.8 to 3.15.";

/// Formats of the list of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HeapFormat {
    /// For people
    Text,
    /// Everything, in the schema cowtrace.heap/1
    Json,
}

/// Which process's objects to list, and how.
#[derive(Debug, Args)]
pub struct HeapArgs {
    /// The process: it runs CPython
    #[arg(short, long, value_name = "PID", value_parser = parse_pid, required_unless_present = "recording")]
    pub pid: Option<u32>,

    /// A recording of a trace, instead of a process: what it kept of the objects on new memory
    #[arg(value_name = "RECORDING", conflicts_with_all = ["pid", "since", "timeout"])]
    pub recording: Option<PathBuf>,

    /// Show all types and variables, not only the largest
    #[arg(long)]
    pub full: bool,

    /// Show what grew since an earlier look at the same process, kept by -f json -o FILE
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,

    /// Stop reading after this time; the figures are then lower bounds
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    pub timeout: Duration,

    /// Format of the list; by default text
    #[arg(short, long, value_enum)]
    format: Option<HeapFormat>,

    /// Where it goes.
    #[command(flatten)]
    pub destination: Destination,
}

impl HeapArgs {
    /// Format of the list.
    #[must_use]
    pub fn format(&self) -> HeapFormat {
        let by_name = || format_of_name(self.destination.output.as_deref()?);
        self.format.or_else(by_name).unwrap_or(HeapFormat::Text)
    }
}
