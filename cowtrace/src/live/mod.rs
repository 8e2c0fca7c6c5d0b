//! The view of a trace in a terminal while it runs: one screen of figures, one table, where in the selected memory
//! the copies are. It draws what the last snapshot has; nothing that it does delays the trace.

mod draw;
mod facts;
mod look;
mod picture;
mod rows;
mod screen;
mod state;
mod thread;

#[cfg(test)]
mod tests;

pub use look::Look;
pub use picture::Picture;
pub use screen::TerminalError;
pub use state::Phase;
pub use thread::{Live, WriteReport};
