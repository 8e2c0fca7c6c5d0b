//! What a report shows: arguments of every command that makes one.

use clap::Args;

use super::choices::Format;

/// What a report shows, and how.
#[derive(Clone, Copy, Debug, Args)]
pub struct Shown {
    /// Format of the report
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// All of the text report, not only its first lines and the top of each table
    #[arg(long)]
    pub full: bool,

    /// Leave the histogram out of -f json: with many workers it is most of it
    #[arg(long)]
    pub no_histogram: bool,
}
