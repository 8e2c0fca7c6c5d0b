//! The memory cgroup of a process: what it uses, and the limits above it (Documentation/admin-guide/
//! cgroup-v2.rst, cgroup-v1/memory.rst).
//!
//! A process's cgroup is found by the mounts of this process, not by the traced one's: what that has
//! mounted there may be a file system of its own that never answers.

mod folders;
mod mounts;
mod usage;

pub use folders::{CgroupFolders, CgroupMembers, cgroup_paths_of};
pub use mounts::CgroupMounts;
#[cfg(any(test, fuzzing))]
pub(super) use mounts::{cgroup_mounts, memory_path};
pub use usage::{CgroupVersion, MemoryCgroup};
#[cfg(any(test, fuzzing))]
pub(super) use usage::{memory_of_v1, memory_of_v2};

#[cfg(test)]
mod tests;
