//! Arguments of `cowtrace list`.

use clap::{Args, ValueEnum};

use super::choices::Color;

/// Formats of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people
    Text,
    /// Everything, in the schema cowtrace.list/1
    Json,
}

/// How to list.
#[derive(Clone, Copy, Debug, Args)]
pub struct ListArgs {
    /// Format of the list
    #[arg(short, long, value_enum, default_value_t = ListFormat::Text)]
    pub format: ListFormat,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}
