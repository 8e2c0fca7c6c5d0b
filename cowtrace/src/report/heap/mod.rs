//! The objects of a process, for people and for scripts.

mod growth;
mod json;
mod look;
mod text;

pub use growth::Since as HeapSince;
pub use json::{HEAP_SCHEMA, heap_as_json};
pub use look::look_of_json;
pub use text::heap_as_text;
