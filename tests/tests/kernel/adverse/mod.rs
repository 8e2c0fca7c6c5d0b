//! Traces under adverse conditions: storms of processes and threads, many tracers, tracers that are killed or stopped,
//! targets that stand still or are swapped out, processors that go away, and systems that refuse.

mod bounds;
mod crowds;
mod halted;
mod killed;
mod machine;
mod refused;
mod several;
mod standing;

pub use crowds::HARMLESS;
