//! The model: everything one tracing observed, as plain data plus arithmetic. No I/O, no kernel.
//!
//! Every view of a run is a pure function of [`Run`]. Counts are pages of
//! [`Host::page_bytes`]; times are nanoseconds since the start of the run.

#[cfg(test)]
pub(crate) mod agreement;
#[cfg(test)]
pub(crate) mod arbitrary;
pub mod balance;
pub mod by_id;
pub mod cgroup;
pub mod consumer;
pub mod donors;
pub mod exit;
pub mod free_memory;
pub mod grown;
pub mod growth;
pub mod head;
pub mod heap;
pub mod heap_growth;
pub mod holder;
pub mod kill;
pub mod loss;
pub mod machine;
pub mod mapping;
pub mod memory;
pub mod of_target;
pub mod perf_map;
pub mod prefork;
pub mod since;
pub mod snapshot;
pub mod sockets;
pub mod store;
pub mod successors;
pub mod timeline;
pub mod unnamed;
pub mod workers;
pub mod writer;

use serde::{Deserialize, Serialize};

pub use balance::{Balance, BalanceIs, PageBalance};
pub use by_id::{IdMap, IdSet};
pub use cgroup::{CgroupMemory, NearestLimit};
pub use consumer::{Consumer, GrownProcess};
pub use donors::{Donors, passes_on};
pub use exit::{Ending, Exit};
pub use free_memory::{Allocator, FreeMemory};
pub use grown::{Grown, GrownHeap, GrownType, GrownVariable};
pub use growth::{FirstTouches, Grower, Growth, HeldBefore};
pub use head::{Head, Host, TracedTarget, UNREAD, UntracedDonor};
pub use heap::{
    HeapContents, HeapLimit, HeapSum, HeapUnknown, TypeContents, UnheldObjects, UnreadContainer,
    VariableContents,
};
pub use heap_growth::{HeapChange, HeapGrowth, HeapLook, VariableChange};
pub use holder::{
    AlsoHeld, CopiedType, FreezeSaving, HeapWalk, Holder, PageNeighbour, ReadingReach, Saving,
    WhoHolds,
};
pub use kill::{KilledBy, MemoryKill};
pub use loss::Loss;
pub use machine::{
    Elsewhere, Machine, MachineMemory, MachineReading, PlaceOnMachine, ServiceAside, ServiceShared,
};
pub use mapping::{Kind, Mapping};
pub use memory::{CommandLine, CopiedMemory, Process, Region, Role, Row, Sources};
pub use perf_map::PerfMapProblem;
pub use prefork::{PreforkTree, PreforkTrees, Unsharable};
pub use since::CopiedBefore;
pub use snapshot::{Snapshot, SnapshotScope};
pub use sockets::SocketMemory;
pub use store::Store;
pub use successors::Successors;
pub use timeline::{Sample, Timeline};
pub use unnamed::{ExportedNeighbour, RuntimePart, StrippedFile, UnnamedFunction};
pub use workers::{OtherProcesses, Worker, Workers};
pub use writer::{NativeFrame, PythonFrame, Stack, StackEnd, WhoWrote, WriteKind, Writer};

/// Everything one tracing observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Which run it is: when, where and how it was traced.
    pub head: Head,
    /// What was copied, of which memory, by which process.
    pub memory: CopiedMemory,
    /// What memory grew by besides copies.
    #[serde(default)]
    pub growth: Growth,
    /// The machine meanwhile.
    #[serde(default)]
    pub machine: Machine,
    /// Who wrote first to the copied pages.
    pub who_wrote: WhoWrote,
    /// Which variables hold them.
    pub who_holds: WhoHolds,
    /// What could not be recorded in full detail.
    pub loss: Loss,
}

impl Run {
    /// A run in which nothing was observed yet, with ranges of `range_bytes` bytes and a sample of the
    /// timeline each `interval_ns` nanoseconds.
    #[must_use]
    pub fn new(head: Head, range_bytes: u64, interval_ns: u64) -> Self {
        Self {
            head,
            memory: CopiedMemory {
                range_bytes,
                timeline: Timeline::new(interval_ns),
                ..CopiedMemory::default()
            },
            ..Self::default()
        }
    }

    /// Pages copied by all processes, by source.
    #[must_use]
    pub fn copied(&self) -> Sources {
        self.memory
            .processes
            .iter()
            .fold(Sources::default(), |mut sum, process| {
                sum.add(&process.copied);
                sum
            })
    }

    /// Write faults of all processes that copied nothing.
    #[must_use]
    pub fn reused_faults(&self) -> u64 {
        self.memory
            .processes
            .iter()
            .map(|process| process.reused_faults)
            .sum()
    }

    /// Whether the trace looked at more than copies: older recordings did not.
    #[must_use]
    pub fn has_growth(&self) -> bool {
        let samples = &self.memory.timeline.samples;
        !self.growth.first_touches.is_empty()
            || samples
                .iter()
                .any(|sample| !sample.held_by_process.is_empty())
    }

    /// Bytes in a number of pages.
    #[must_use]
    pub const fn bytes(&self, pages: u64) -> u64 {
        pages * self.head.host.page_bytes
    }

    /// Which of the descendants are workers, and which merely helped or were started.
    #[must_use]
    pub fn workforce(&self) -> Workers<'_> {
        Workers::of(&self.memory)
    }

    /// Descendants of the targets, whatever they are.
    pub fn descendants(&self) -> impl Iterator<Item = &Process> {
        self.memory.descendants()
    }

    /// Bytes the workers inherited: copy-on-write can use no more than this. `None` if that is not known.
    #[must_use]
    pub fn ceiling_bytes(&self) -> Option<u64> {
        let pages = self.workforce().inherited_pages();
        pages.map(|pages| self.bytes(pages))
    }

    /// The Python frames that a writer wrote from, innermost first, and what comes after them; none
    /// if they are not known.
    #[must_use]
    pub fn python_of(&self, writer: &Writer) -> Option<(Vec<&PythonFrame>, StackEnd)> {
        self.python_in(writer.python_stack)
    }

    /// The frames of a Python stack by its number, as [`Run::python_of`].
    #[must_use]
    pub fn python_in(&self, stack: Option<u32>) -> Option<(Vec<&PythonFrame>, StackEnd)> {
        let stack = self.who_wrote.python_stacks.get(stack? as usize)?;
        Some((stack.of(&self.who_wrote.python_frames), stack.end))
    }

    /// The native frames that a writer wrote from, as [`Run::python_of`].
    #[must_use]
    pub fn native_of(&self, writer: &Writer) -> Option<(Vec<&NativeFrame>, StackEnd)> {
        self.native_in(writer.native_stack)
    }

    /// The frames of a native stack by its number, as [`Run::python_of`].
    #[must_use]
    pub fn native_in(&self, stack: Option<u32>) -> Option<(Vec<&NativeFrame>, StackEnd)> {
        let stack = self.who_wrote.native_stacks.get(stack? as usize)?;
        Some((stack.of(&self.who_wrote.native_frames), stack.end))
    }

    /// Name of the system call in which a writer wrote, by the machine's numbers; none if it wrote
    /// itself, or in one that is not known.
    #[must_use]
    pub fn system_call_of(&self, writer: &Writer) -> Option<&'static str> {
        self.name_of_call(writer.system_call)
    }

    /// Name of a system call by its number on the machine.
    #[must_use]
    pub fn name_of_call(&self, number: Option<u32>) -> Option<&'static str> {
        let number = usize::try_from(number?).ok()?;
        match self.head.host.arch.as_str() {
            "x86_64" => Some(syscalls::x86_64::Sysno::new(number)?.name()),
            "aarch64" => Some(syscalls::aarch64::Sysno::new(number)?.name()),
            _ => None,
        }
    }

    /// A process by its serial number.
    #[must_use]
    pub fn process(&self, id: u32) -> Option<&Process> {
        let index = self
            .memory
            .processes
            .binary_search_by_key(&id, |process| process.id);
        self.memory.processes.get(index.ok()?)
    }

    /// A region by its serial number.
    #[must_use]
    pub fn region(&self, id: u32) -> Option<&Region> {
        let index = self
            .memory
            .regions
            .binary_search_by_key(&id, |region| region.id);
        self.memory.regions.get(index.ok()?)
    }

    /// Regions by copied pages, most first; those without copies left out.
    #[must_use]
    pub fn regions_by_copies(&self) -> Vec<&Region> {
        let mut regions: Vec<_> = self
            .memory
            .regions
            .iter()
            .filter(|region| region.copied_pages > 0)
            .collect();
        regions.sort_by_key(|region| (std::cmp::Reverse(region.copied_pages), region.id));
        regions
    }
}
