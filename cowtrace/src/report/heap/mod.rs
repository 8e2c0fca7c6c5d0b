//! The objects of a process, for people and for scripts.

mod json;
mod text;

pub use json::heap_as_json;
pub use text::heap_as_text;
