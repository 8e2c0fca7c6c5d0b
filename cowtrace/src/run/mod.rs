//! The model: everything one tracing observed, as plain data plus arithmetic. No I/O, no kernel.
//!
//! Every view of a run is a pure function of [`Run`]. Counts are pages of
//! [`Host::page_bytes`]; times are nanoseconds since the start of the run.

#[cfg(test)]
pub(crate) mod agreement;
#[cfg(test)]
pub(crate) mod arbitrary;
pub mod exit;
pub mod holder;
pub mod loss;
pub mod mapping;
pub mod perf_map;
pub mod snapshot;
pub mod timeline;
pub mod workers;
pub mod writer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use exit::{Ending, Exit};
pub use holder::{AlsoHeld, CopiedType, HeapWalk, Holder};
pub use loss::Loss;
pub use mapping::{Kind, Mapping};
pub use perf_map::PerfMapProblem;
pub use snapshot::{Snapshot, Told};
pub use timeline::{Sample, Timeline};
pub use workers::{Others, Worker, Workers};
pub use writer::{NativeFrame, PythonFrame, Stack, StackEnd, WriteKind, Writer};

/// Everything one tracing observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Version of the program that traced.
    pub tool_version: String,
    /// Where it ran.
    pub host: Host,
    /// Unique among all runs.
    pub id: String,
    /// Wall clock at the start, RFC 3339.
    pub started_at: String,
    /// How long it traced, ns.
    pub duration_ns: u64,
    /// Whether the trace was cut off, so that these are the counts of its last moment on record.
    #[serde(default)]
    pub unfinished: bool,
    /// The backend that saw the faults.
    pub backend: String,
    /// What that backend cannot see, in words.
    #[serde(default)]
    pub unseen: Vec<String>,
    /// Backends that could not run here, with the reason, in the order they were tried.
    #[serde(default)]
    pub rejected: Vec<(String, String)>,
    /// Process ids the user gave.
    pub targets: Vec<u32>,
    /// What the user called the run.
    pub labels: BTreeMap<String, String>,
    /// Process images, in the order they were found, which is that of their serial numbers.
    pub processes: Vec<Process>,
    /// Mappings that copies were inherited from, and all of the targets' own, by serial number.
    pub regions: Vec<Region>,
    /// Size of a range, bytes.
    pub range_bytes: u64,
    /// The histogram: one row a process, region and range, in the order of process, address (rows
    /// without one last) and region. Sums of rows equal the totals.
    pub rows: Vec<Row>,
    /// Who wrote, most copies first; empty if that was not asked for.
    #[serde(default)]
    pub writers: Vec<Writer>,
    /// Python functions and lines that wrote, or called what wrote.
    #[serde(default)]
    pub python_frames: Vec<PythonFrame>,
    /// Python stacks.
    #[serde(default)]
    pub python_stacks: Vec<Stack>,
    /// Native functions that wrote, or called what wrote, if that was asked for.
    #[serde(default)]
    pub native_frames: Vec<NativeFrame>,
    /// Native stacks.
    #[serde(default)]
    pub native_stacks: Vec<Stack>,
    /// What was wrong with perf maps, one a process at most.
    #[serde(default)]
    pub perf_map_problems: Vec<PerfMapProblem>,
    /// Variables that hold what was copied, most pages first; none if that was not asked for or
    /// cannot be known.
    #[serde(default)]
    pub holders: Vec<Holder>,
    /// How they were looked for, a process each.
    #[serde(default)]
    pub heap_walks: Vec<HeapWalk>,
    /// What could not be recorded in full detail.
    pub loss: Loss,
    /// How the counts grew.
    pub timeline: Timeline,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Kernel release.
    pub kernel: String,
    /// Architecture.
    pub arch: String,
    /// Bytes in a page.
    pub page_bytes: u64,
    /// Processors online.
    pub cpus: usize,
}

/// Pages copied, by where their content came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Anonymous memory, inherited by fork.
    pub anon: u64,
    /// Private file mappings.
    pub file: u64,
    /// The zero page: memory that had only been read so far. Nothing inherited is lost by it.
    pub zero: u64,
    /// Pages merged by KSM.
    pub ksm: u64,
    /// Huge pages of hugetlbfs.
    pub hugetlb: u64,
    /// The backend could not tell.
    pub unknown: u64,
}

impl Sources {
    /// Pages of all sources.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.anon + self.file + self.zero + self.ksm + self.hugetlb + self.unknown
    }

    /// Adds another count to this one.
    pub const fn add(&mut self, other: &Self) {
        self.anon += other.anon;
        self.file += other.file;
        self.zero += other.zero;
        self.ksm += other.ksm;
        self.hugetlb += other.hugetlb;
        self.unknown += other.unknown;
    }
}

/// Master or worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A target the user gave.
    Master,
    /// A descendant of one.
    Worker,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Master, Self::Worker];

    /// As it stands in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Worker => "worker",
        }
    }
}

/// One process image: from fork or exec to exec or exit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Serial number in this run; pids are reused, this is not.
    pub id: u32,
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// The process it inherited its memory from, if that is part of the run.
    pub parent_id: Option<u32>,
    /// Name. From outside: may hold any character.
    pub comm: String,
    /// Master or worker.
    pub role: Role,
    /// When it began; 0 if it was there before.
    pub started_ns: u64,
    /// When it ended; none if it was alive at the end.
    pub exited_ns: Option<u64>,
    /// How it ended; none if it did not, or if that is not known: it is of masters only.
    #[serde(default)]
    pub exit: Option<Exit>,
    /// Pages copied for it.
    pub copied: Sources,
    /// Write faults that copied nothing.
    pub reused_faults: u64,
    /// Present pages in private, writable mappings of the parent at fork: what it can copy.
    /// None if unknown, or if it inherited nothing.
    pub inherited_pages: Option<u64>,
}

/// A mapping that processes inherited from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Serial number in this run.
    pub id: u32,
    /// The process whose mapping it is.
    pub process_id: u32,
    /// The mapping, as it was at the last fork seen.
    pub mapping: Mapping,
    /// Processes that inherited it.
    pub inheritors: u64,
    /// Present pages at each fork, added up over the inheritors.
    pub inherited_pages: u64,
    /// Pages copied in it, by whomever.
    pub copied_pages: u64,
    /// Of these, pages that are no longer shared for it: zero-page fills left out. A page that the
    /// owner copied counts once, though all who inherited it stop sharing it with the owner.
    pub unshared_pages: u64,
}

impl Region {
    /// Pages that are no longer shared, of those that were inherited; at most 1, none if nothing
    /// was inherited. A lower bound where several inherited and the owner copied.
    #[must_use]
    pub fn unshared_fraction(&self) -> Option<f64> {
        (self.inherited_pages > 0)
            .then(|| (self.unshared_pages as f64 / self.inherited_pages as f64).min(1.0))
    }
}

/// Counts of one process in one range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Whose counts.
    pub process_id: u32,
    /// In which region; none for memory the process mapped itself, or when unknown.
    pub region_id: Option<u32>,
    /// First address of the range; none for counts that found no room in the histogram.
    pub start: Option<u64>,
    /// Name of the process's own mapping, if it is in no region and the mapping is known.
    pub mapping: Option<String>,
    /// Pages copied.
    pub copied: Sources,
    /// Write faults that copied nothing.
    pub reused_faults: u64,
}

impl Row {
    /// Where it stands among the rows of a run.
    #[must_use]
    pub const fn place(&self) -> (u32, bool, Option<u64>, Option<u32>) {
        (
            self.process_id,
            self.start.is_none(),
            self.start,
            self.region_id,
        )
    }
}

impl Run {
    /// Pages copied by all processes, by source.
    #[must_use]
    pub fn copied(&self) -> Sources {
        self.processes
            .iter()
            .fold(Sources::default(), |mut sum, process| {
                sum.add(&process.copied);
                sum
            })
    }

    /// Write faults of all processes that copied nothing.
    #[must_use]
    pub fn reused_faults(&self) -> u64 {
        self.processes
            .iter()
            .map(|process| process.reused_faults)
            .sum()
    }

    /// Bytes in a number of pages.
    #[must_use]
    pub const fn bytes(&self, pages: u64) -> u64 {
        pages * self.host.page_bytes
    }

    /// Which of the descendants are workers, and which merely helped or were started.
    #[must_use]
    pub fn workforce(&self) -> Workers<'_> {
        Workers::of(self)
    }

    /// Descendants of the targets, whatever they are.
    pub fn descendants(&self) -> impl Iterator<Item = &Process> {
        self.processes
            .iter()
            .filter(|process| process.role == Role::Worker)
    }

    /// Bytes the workers inherited: copy-on-write can use no more than this.
    #[must_use]
    pub fn ceiling_bytes(&self) -> u64 {
        self.bytes(self.workforce().inherited_pages())
    }

    /// The Python frames that a writer wrote from, innermost first, and what comes after them; none
    /// if they are not known.
    #[must_use]
    pub fn python_of(&self, writer: &Writer) -> Option<(Vec<&PythonFrame>, StackEnd)> {
        let stack = self.python_stacks.get(writer.python_stack? as usize)?;
        Some((stack.of(&self.python_frames), stack.end))
    }

    /// The native frames that a writer wrote from, as [`Run::python_of`].
    #[must_use]
    pub fn native_of(&self, writer: &Writer) -> Option<(Vec<&NativeFrame>, StackEnd)> {
        let stack = self.native_stacks.get(writer.native_stack? as usize)?;
        Some((stack.of(&self.native_frames), stack.end))
    }

    /// Name of the system call in which a writer wrote, by the machine's numbers; none if it wrote
    /// itself, or in one that is not known.
    #[must_use]
    pub fn system_call_of(&self, writer: &Writer) -> Option<&'static str> {
        let number = usize::try_from(writer.system_call?).ok()?;
        match self.host.arch.as_str() {
            "x86_64" => Some(syscalls::x86_64::Sysno::new(number)?.name()),
            "aarch64" => Some(syscalls::aarch64::Sysno::new(number)?.name()),
            _ => None,
        }
    }

    /// A process by its serial number.
    #[must_use]
    pub fn process(&self, id: u32) -> Option<&Process> {
        let index = self
            .processes
            .binary_search_by_key(&id, |process| process.id);
        self.processes.get(index.ok()?)
    }

    /// A region by its serial number.
    #[must_use]
    pub fn region(&self, id: u32) -> Option<&Region> {
        let index = self.regions.binary_search_by_key(&id, |region| region.id);
        self.regions.get(index.ok()?)
    }

    /// Regions by copied pages, most first; those without copies left out.
    #[must_use]
    pub fn regions_by_copies(&self) -> Vec<&Region> {
        let mut regions: Vec<_> = self
            .regions
            .iter()
            .filter(|region| region.copied_pages > 0)
            .collect();
        regions.sort_by_key(|region| (std::cmp::Reverse(region.copied_pages), region.id));
        regions
    }
}
