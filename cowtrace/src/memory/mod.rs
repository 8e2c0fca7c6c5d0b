//! Readers of /proc: mappings and their present pages. Each takes the root of /proc as an argument,
//! so that tests can use files of their own.

mod bss;
mod exit;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod huge;
mod maps;
mod merging;
mod pagemap;
mod process;
mod program;
mod scan;
mod target;
mod urgent;

pub(crate) use bss::bytes_to_end;
pub use bss::{HeldData, name_bss};
pub use exit::{Watched, oom_kills};
pub use files::{hold_mapped, hold_named, hold_perf_map};
pub use maps::{FileId, read_layout_text, read_mapped_files, read_mappings};
pub use pagemap::count_pages;
pub use process::{
    Identity, Task, children_of, held_pages, is_alive, list_tasks, read_comm, read_identity,
    resident_pages,
};
pub use program::started_by;
pub use target::{read_target, read_word};

/// Bytes in a page of this machine.
#[must_use]
pub fn page_bytes() -> u64 {
    let asked = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    let asked = asked
        .ok()
        .flatten()
        .and_then(|bytes| u64::try_from(bytes).ok());
    // Every Linux answers; otherwise this is the smallest size of any architecture.
    asked.unwrap_or(4096)
}
