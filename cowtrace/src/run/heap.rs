//! The objects of a process at one moment: by type, by variable, and those that nothing holds.

/// A number of objects and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapSum {
    /// Objects.
    pub objects: u64,
    /// Bytes of the objects, with their headers and the tables that belong to them alone.
    pub bytes: u64,
}

impl HeapSum {
    /// Adds another sum.
    pub const fn add(&mut self, other: Self) {
        self.objects = self.objects.saturating_add(other.objects);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// What is left without a part of it.
    #[must_use]
    pub const fn without(self, part: Self) -> Self {
        Self {
            objects: self.objects.saturating_sub(part.objects),
            bytes: self.bytes.saturating_sub(part.bytes),
        }
    }

    /// The part of all bytes; 0 if there are none.
    #[must_use]
    pub fn share_of(self, all: Self) -> f64 {
        if all.bytes == 0 {
            0.0
        } else {
            self.bytes as f64 / all.bytes as f64
        }
    }
}

/// The objects of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapContents {
    /// Process id.
    pub pid: u32,
    /// Name of the process. From outside.
    pub comm: String,
    /// When it started, clock ticks since boot.
    pub started_ticks: u64,
    /// When it was read, ns since boot.
    pub at_ns: u64,
    /// Major and minor version of its CPython.
    pub python: (u32, u32),
    /// All objects that were found.
    pub all: HeapSum,
    /// Most bytes first.
    pub types: Vec<TypeContents>,
    /// The largest variables, most bytes first.
    pub variables: Vec<VariableContents>,
    /// What variables hold that are not in the list.
    pub smaller_variables: HeapSum,
    /// What only the interpreter itself or native code holds, or a variable by a reference of
    /// unknown meaning.
    pub interpreter_alone: HeapSum,
    /// What nothing holds, or why that is unknown.
    pub unheld: Result<UnheldObjects, HeapUnknown>,
    /// Whether the garbage collector runs by itself; `None` if that is not known.
    pub collects: Option<bool>,
    /// The bounds that were met: if there are any, all figures are lower bounds.
    pub limits: Vec<HeapLimit>,
    /// Containers that were moved or freed each time they were read, the largest first.
    pub unread: Vec<UnreadContainer>,
    /// Memory of the process in swap, bytes; it is not read.
    pub swapped_bytes: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Duration of the reading, ns.
    pub duration_ns: u64,
}

/// A container whose contents could not be read, because the process changed it meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadContainer {
    /// The variable that it belongs to. From outside.
    pub path: String,
    /// Name of its type. From outside.
    pub type_name: Option<String>,
    /// Entries that it had: as many objects may be missing, and what they hold.
    pub entries: u64,
    /// Whether it was freed; else it was moved.
    pub is_gone: bool,
}

/// The objects of a type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeContents {
    /// Name, with its module. From outside.
    pub name: String,
    /// Its objects, without those of derived types.
    pub sum: HeapSum,
    /// Size of the largest one, bytes.
    pub largest_bytes: u64,
}

/// What a variable holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariableContents {
    /// From a module or function on, in Python's syntax. From outside.
    pub path: String,
    /// Name of its type. From outside.
    pub type_name: Option<String>,
    /// Number of entries, for a container.
    pub entries: Option<u64>,
    /// What it holds, without what another variable of the list holds.
    pub sum: HeapSum,
    /// Other names of the same object. From outside.
    pub aliases: Vec<String>,
}

/// Objects that nothing holds: reference cycles, with everything that only they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnheldObjects {
    /// All of them.
    pub sum: HeapSum,
    /// Most bytes first.
    pub types: Vec<TypeContents>,
    /// Whether the process changed meanwhile in a way that hides some.
    pub is_partial: bool,
}

/// Why it is unknown which objects nothing holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapUnknown {
    /// A bound was met, so that some objects only seem to be held by nothing.
    Partial,
    /// The build keeps no lists of its objects.
    NoLists,
    /// The lists of the garbage collector were not found.
    ListsNotFound,
    /// There are more objects beside those held than are compared.
    TooMany,
}

/// A bound of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapLimit {
    /// Time.
    Time,
    /// Bytes read.
    BytesRead,
    /// Memory for tables over the memory of the process.
    Memory,
    /// Types, and the members of types.
    Types,
    /// Depth of structures.
    Depth,
    /// Memory in swap, which is not read.
    Swap,
    /// Large containers that the process moved or freed each time they were read.
    Changing,
}

impl HeapLimit {
    /// A word for scripts.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::BytesRead => "bytes_read",
            Self::Memory => "memory",
            Self::Types => "types",
            Self::Depth => "depth",
            Self::Swap => "swap",
            Self::Changing => "changing",
        }
    }
}

impl HeapUnknown {
    /// A word for scripts.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Partial => "partial",
            Self::NoLists => "no_lists",
            Self::ListsNotFound => "lists_not_found",
            Self::TooMany => "too_many",
        }
    }
}
