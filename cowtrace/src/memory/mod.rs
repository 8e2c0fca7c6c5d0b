//! Readers of /proc: mappings and their present pages. Each takes the root to read below, so that
//! tests can give it files of their own.

mod files;
mod maps;
mod process;
mod program;
mod target;

pub use files::{hold_mapped, hold_named, hold_perf_map};
pub use maps::{
    FileId, read_layout_text, read_mapped_files, read_mappings, read_mappings_with_pages,
};
pub use process::{Identity, Task, children_of, comm, identity, is_alive, resident_pages, tasks};
pub use program::started_by;
pub use target::{read, read_word};
