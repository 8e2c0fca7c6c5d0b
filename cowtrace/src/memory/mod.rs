//! Readers of /proc: mappings and their present pages. Each takes the root to read below, so that
//! tests can give it files of their own.

mod maps;
mod process;
mod program;
mod target;

pub use maps::{read_layout_text, read_mappings, read_mappings_with_pages};
pub use process::{Identity, Task, children_of, comm, identity, is_alive, resident_pages, tasks};
pub use program::started_by;
pub use target::{read, read_word};
