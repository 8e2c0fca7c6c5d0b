//! Text laid out for a terminal, whichever command writes it.

mod wrap;

pub use wrap::wrap;
