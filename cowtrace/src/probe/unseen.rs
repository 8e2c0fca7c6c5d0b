//! What a backend cannot see, so that every report can say so.

/// A kind of copy, or something about copies, that a backend is blind to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Copies made while another process writes into a traced one's memory.
    OtherWriters,
    /// Copies of hugetlbfs pages.
    Hugetlb,
    /// Copies made by the first access to a page of a private file mapping, when it is a write.
    FirstFileWrites,
    /// What the old page was, where the mapping does not tell.
    Sources,
    /// Which objects were written: where the kernel has physical memory was not found.
    Objects,
}

impl Unseen {
    /// What the tracepoint backend is blind to on every kernel.
    pub const OF_TRACEPOINTS: [Self; 4] = [
        Self::OtherWriters,
        Self::Hugetlb,
        Self::FirstFileWrites,
        Self::Sources,
    ];

    /// For people, in the words that the README explains.
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
