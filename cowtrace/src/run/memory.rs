//! What was copied: processes, the mappings that they inherited, and the counts of each.

use serde::{Deserialize, Serialize};

use super::{Exit, Mapping, Timeline};

/// What was copied, of which memory, by which process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CopiedMemory {
    /// Process images, in the order they were found, which is that of their serial numbers.
    pub processes: Vec<Process>,
    /// Mappings that copies were inherited from, and all of the targets' own, by serial number.
    pub regions: Vec<Region>,
    /// Size of a range, bytes.
    pub range_bytes: u64,
    /// The histogram: one row a process, region and range, in the order of process, address (rows
    /// without one last) and region. Sums of rows equal the totals.
    pub rows: Vec<Row>,
    /// How the counts grew.
    pub timeline: Timeline,
    /// What processes run, in the order of processes; those left out whose command line was never read.
    #[serde(default)]
    pub command_lines: Vec<CommandLine>,
    /// Processes that inherited memory, or passed it on, of which it is not known which pages were there, in
    /// order: the kernel does not show that of every process.
    #[serde(default)]
    pub uncounted: Vec<u32>,
}

impl CopiedMemory {
    /// Descendants of the targets, whatever they are.
    pub fn descendants(&self) -> impl Iterator<Item = &Process> {
        let processes = self.processes.iter();
        processes.filter(|process| process.role == Role::Worker)
    }

    /// Whether it is known which pages of its mappings a process had.
    #[must_use]
    pub fn is_counted(&self, process_id: u32) -> bool {
        self.uncounted.binary_search(&process_id).is_err()
    }

    /// Present pages that a process inherited and can copy; none if that is not known, or it inherited nothing.
    #[must_use]
    pub fn inherited_pages(&self, process: &Process) -> Option<u64> {
        let pages = process.inherited_pages;
        pages.filter(|_| self.is_counted(process.id))
    }

    /// The part of a region that is no longer shared; none if that is not known, or nobody inherited any of it.
    #[must_use]
    pub fn unshared_fraction(&self, region: &Region) -> Option<f64> {
        let fraction = region.unshared_fraction();
        fraction.filter(|_| self.is_counted(region.process_id))
    }

    /// What a process runs, if that is known.
    #[must_use]
    pub fn command_line_of(&self, process_id: u32) -> Option<&str> {
        let lines = &self.command_lines;
        let index = lines.binary_search_by_key(&process_id, |line| line.process_id);
        lines.get(index.ok()?).map(|line| line.text.as_str())
    }
}

/// What a process runs, by its command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// Which process.
    pub process_id: u32,
    /// Its script or program without the folder, with arguments, or the title that it gave itself; values that
    /// look like secrets hidden. From outside: may hold any character.
    pub text: String,
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
    /// Pages whose source the backend does not know.
    pub unknown: u64,
}

impl Sources {
    /// Pages of each source.
    #[must_use]
    pub const fn each(&self) -> [u64; 6] {
        [
            self.anon,
            self.file,
            self.zero,
            self.ksm,
            self.hugetlb,
            self.unknown,
        ]
    }

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// When it began, ns since the start of the run; 0 if it is older than the run.
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
    /// Which of [`Head::traced_targets`](super::Head::traced_targets) it belongs to, from 0 on: that of the nearest
    /// master above it. None in older recordings, and where processes of several count together.
    #[serde(default)]
    pub target: Option<u32>,
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
    /// Pages copied in it, by any process.
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
