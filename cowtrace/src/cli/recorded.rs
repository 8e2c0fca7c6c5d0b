//! Arguments of the commands that work on recordings.

use std::path::PathBuf;

use clap::Args;

use super::{
    choices::{Color, DiffFormat, format_of_name},
    shown::Shown,
    values::{parse_label, parse_label_key, parse_percent},
};

pub(super) const DIFF_USAGE: &str = "\
cowtrace diff [OPTIONS]
       cowtrace diff [OPTIONS] <BASE>... --against <NEW>...";

pub(super) const DIFF_EXAMPLES: &str = "\
Examples:
  cowtrace diff                                   the last two runs of one program that were kept
  cowtrace diff before.cow --against after.cow
  cowtrace diff base-*.cow --against new-*.cow    4 or more per side show what is noise
  cowtrace diff base.cow --against new.cow --per requests --fail-above 5%

Exit status: 0 success, 1 failure, 2 wrong usage, 3 --fail-above was exceeded, 4 --fail-above
cannot judge these runs, because they are not comparable.";

/// Where a report or a comparison goes, and in which colours.
#[derive(Debug, Args)]
pub struct Destination {
    /// Write to this file instead of standard output. If its name ends in that of a format, as in run.html, it gets
    /// that one
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    pub force: bool,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// A report's arguments.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The recording; without one, the last run that was kept
    #[arg(value_name = "RECORDING")]
    pub recording: Option<PathBuf>,

    /// Show the run on this terminal: ? lists the keys. A recording that is still written is followed
    #[arg(long, conflicts_with_all = ["format", "output", "full", "redact"])]
    pub live: bool,

    /// Replace names by placeholders, to share figures with others: of paths, code, variables, types, programs,
    /// targets and labels. Public names stay, such as those of libc and of CPython's own types. With -o FILE.cow,
    /// the run is written as a recording
    #[arg(long)]
    pub redact: bool,

    /// What is reported.
    #[command(flatten)]
    shown: Shown,

    /// Where it goes.
    #[command(flatten)]
    pub destination: Destination,
}

impl ReportArgs {
    /// What is reported, and in which format.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown.in_file(self.destination.output.as_deref())
    }
}

/// What to call a recorded run.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The recording; its trace must be finished
    #[arg(value_name = "RECORDING")]
    pub recording: PathBuf,

    /// The label; if the recording has it already, it gets the new value
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
}

/// What to compare, and how to show it.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Recordings of the runs before the change; without any, the last two runs of one program that were
    /// kept are compared
    #[arg(value_name = "BASE", requires = "against")]
    pub base: Vec<PathBuf>,

    /// Recordings of the runs after it
    #[arg(long, value_name = "NEW", requires = "base", num_args = 1..)]
    pub against: Vec<PathBuf>,

    /// Compare copies per unit of work: the label that holds each run's number of units, such as
    /// requests for runs recorded with --label requests=20000
    #[arg(long, value_name = "LABEL", value_parser = parse_label_key)]
    pub per: Option<String>,

    /// Fail with status 3 if NEW copies over this much more than BASE, such as 5%; with several runs
    /// per side only if that is more than noise. Status 4 if the runs are not comparable
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, allow_hyphen_values = true)]
    pub fail_above: Option<f64>,

    /// Format of the comparison; by default text
    #[arg(short, long, value_enum)]
    format: Option<DiffFormat>,

    /// Where it goes.
    #[command(flatten)]
    pub destination: Destination,
}

impl DiffArgs {
    /// Format of the comparison.
    #[must_use]
    pub fn format(&self) -> DiffFormat {
        let by_name = || format_of_name(self.destination.output.as_deref()?);
        self.format.or_else(by_name).unwrap_or(DiffFormat::Text)
    }
}
