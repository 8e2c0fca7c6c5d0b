//! Renderers, one a format: a pure function of the run into any `Write`.

mod advice;
mod answer;
mod csv;
mod folded;
mod holders;
mod html;
mod json;
mod native;
mod perf_maps;
mod pprof;
mod python;
mod sentences;
#[cfg(test)]
mod singular;
mod strip;
mod text;
mod walks;
mod writers;

pub use csv::csv;
pub use folded::folded;
pub use html::html;
pub use json::json;
pub use pprof::pprof;
pub use text::text;
pub(crate) use writers::is_named;
