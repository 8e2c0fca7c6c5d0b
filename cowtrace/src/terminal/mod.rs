//! Text laid out for a terminal, whichever command writes it: its style, its blocks, its tables and bars.

mod bar;
mod blocks;
mod grid;
mod style;
mod wrap;

pub(crate) use bar::bar;
pub(crate) use blocks::{heading, indented, item, paragraph, section};
pub(crate) use grid::Grid;
pub use style::Style;
pub use wrap::wrap;
