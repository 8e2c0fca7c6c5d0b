//! The prefork trees of a machine, for people and for scripts.

mod json;
mod text;

pub use json::{LIST_SCHEMA, trees_as_json};
pub use text::trees_as_text;
