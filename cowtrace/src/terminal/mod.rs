//! Layout of text for a terminal, for any command: style, blocks, tables and bars.

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
