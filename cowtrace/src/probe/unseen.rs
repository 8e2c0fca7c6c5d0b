//! What a backend cannot see; every report lists it.

/// A kind of copy, or a fact about copies, that a backend cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Copies by another process that writes into a traced process's memory.
    OtherWriters,
    /// Copies of hugetlbfs pages.
    Hugetlb,
    /// Copies by the first access to a page of a private file mapping, if it is a write.
    FirstFileWrites,
    /// What the old page was, if the kind of mapping does not say it.
    Sources,
    /// Which objects were written: the kernel's mapping of physical memory was not found.
    Objects,
}

impl Unseen {
    /// What the tracepoint backend cannot see on any kernel.
    pub const OF_TRACEPOINTS: [Self; 4] = [
        Self::OtherWriters,
        Self::Hugetlb,
        Self::FirstFileWrites,
        Self::Sources,
    ];

    /// Text for people, in the words that docs/limits.md explains.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::OtherWriters => "writes by other processes",
            Self::Hugetlb => "hugetlbfs",
            Self::FirstFileWrites => "first writes to private files",
            Self::Sources => "KSM",
            Self::Objects => "which objects were written",
        }
    }
}
