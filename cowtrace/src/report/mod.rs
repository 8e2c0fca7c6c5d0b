//! Renderers, one per format: each is a pure function from the run to any `Write`.

pub(crate) mod columns;
mod csv;
mod folded;
mod heap;
mod html;
mod json;
mod pprof;
mod prefork;
mod text;

pub use csv::run_as_csv;
pub use folded::run_as_folded_stacks;
pub use heap::{HEAP_SCHEMA, HeapSince, heap_as_json, heap_as_text, look_of_json};
pub use html::run_as_html;
pub use json::{Histogram, REPORT_SCHEMA, run_as_json};
pub use pprof::run_as_pprof;
pub use prefork::{LIST_SCHEMA, trees_as_json, trees_as_text};
pub use text::{Extent, card_so_far, grown_as_text, run_as_text, run_in_a_sentence};
