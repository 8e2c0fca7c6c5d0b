//! Renderers, one a format: a pure function of the run into any `Write`.

mod advice;
mod answer;
mod csv;
mod folded;
mod holders;
mod html;
mod json;
mod native;
mod other;
mod pprof;
mod python;
mod sentences;
#[cfg(test)]
mod singular;
mod stacks;
mod strip;
mod text;
mod walks;
mod words;
mod writers;

pub use csv::csv;
pub use folded::folded;
pub use html::html;
pub use json::json;
pub use pprof::pprof;
pub(crate) use python::{explained, last_parts};
pub use text::text;
pub(crate) use text::{bold, table, trimmed};
pub(crate) use words::{count, plural, shorten};
pub use words::{printable, seconds, size, wrap};
pub(crate) use writers::{OTHER_MEMORY, function, is_named, written};

use crate::cli::Color;

/// How text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether to use colour.
    pub color: bool,
}

/// What a pipe or a file gets, and the least that text is laid out for.
const NARROW: usize = 80;
/// Wider lines are harder to read.
const WIDE: usize = 160;

impl Style {
    /// What standard output can show.
    #[must_use]
    pub fn of_terminal(is_terminal: bool, color: Color) -> Self {
        let width =
            terminal_size::terminal_size().map_or(NARROW, |(width, _)| usize::from(width.0));
        Self {
            width: if is_terminal {
                width.clamp(NARROW, WIDE)
            } else {
                NARROW
            },
            color: color.applies(is_terminal),
        }
    }
}
