//! Renderers, one a format: a pure function of the run into any `Write`.

mod columns;
mod csv;
mod folded;
mod html;
mod json;
mod pprof;
mod text;

pub use csv::csv;
pub use folded::folded;
pub use html::html;
pub use json::json;
pub use pprof::pprof;
pub use text::text;
