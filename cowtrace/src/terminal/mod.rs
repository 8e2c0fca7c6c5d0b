//! Text laid out for a terminal, whichever command writes it: its style, its blocks and its tables.

mod blocks;
mod grid;
mod style;
mod wrap;

pub(crate) use blocks::{heading, indented, item, paragraph, section};
pub(crate) use grid::Grid;
pub use style::Style;
pub use wrap::wrap;
