//! Readers of /proc, of cgroups and of the kernel's log: mappings and their present pages, what processes share
//! and hold, the machine's memory. Each takes the root as an argument, so that tests can use files of their own.

mod allocators;
mod balance;
mod bss;
mod cgroup;
mod command_line;
mod confinement;
mod consumers;
mod exit;
mod fields;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod held;
mod huge;
mod kernel_log;
mod kin;
mod machine;
mod maps;
mod merging;
mod pagemap;
mod prefork;
mod present;
mod process;
mod program;
mod scan;
mod sockets;
mod target;
mod unnamed;
mod urgent;

pub use allocators::{LargeMemory, find_allocators};
pub use balance::{BalanceBudget, FamilyBalance, LEAST_UNITS, balance_spans, read_balance};
pub(crate) use bss::bytes_to_end;
pub use bss::{HeldData, name_bss};
pub use cgroup::{
    CgroupFolders, CgroupMembers, CgroupMounts, CgroupVersion, MemoryCgroup, cgroup_paths_of,
};
pub use command_line::{describe_command, read_command_line, read_joined_arguments};
pub use confinement::{Confinement, confinement};
pub use consumers::{Consumers, MAX_CONSUMERS, largest_growers, read_consumers};
pub use exit::oom_kills;
pub use files::{hold_mapped, hold_named, hold_perf_map, hold_root, root_identity};
pub use held::{HeldAside, HeldReader, MAX_OPEN_STATM, read_held_aside};
pub use kernel_log::{KernelLog, LoggedKill};
pub use kin::{Kin, KinSearch, donor_of};
pub use machine::{read_machine, refresh_counters};
pub use maps::{FileId, read_layout_text, read_mapped_files, read_mappings};
pub use pagemap::count_pages;
pub use prefork::read_prefork_trees;
pub use present::{PresentPages, read_present};
pub use process::{
    Identity, Task, ancestry_of, anonymous_pages, children_of, is_alive, list_pids, list_tasks,
    read_comm, read_identity, resident_pages,
};
pub use program::{LinkedProgram, runs_same_program, started_by};
pub use sockets::{network_namespace, read_sockets};
pub use target::{Refusal, read_target, read_word, try_reading, why_refused};
pub use unnamed::name_unnamed;

/// Addresses that a process's memory can have: from the lowest one that may be mapped
/// (`vm.mmap_min_addr`) on. Where processors have more bits of address (x86-64 with five levels of page tables,
/// arm64 with 52 bits), the kernel gives higher addresses only to programs that ask for them.
pub(crate) const PROCESS_ADDRESSES: std::ops::Range<u64> = 0x1_0000
    ..if cfg!(target_arch = "aarch64") {
        1 << 48
    } else {
        1 << 47
    };

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
