//! The exact totals of a traced process, one slot each.

/// Slots of traced process images; slot 0 means "none".
///
/// Bounds the images alive at one time: slots are used again once the user side has read what an
/// exited process counted. 16,384 slots are 2 MiB.
pub const PROCESS_SLOTS: u32 = 16_384;

/// The slot that counts for processes that found no free one: totals stay exact, names are lost.
pub const OVERFLOW_SLOT: u32 = 1;

/// The first slot that is given to a process.
pub const FIRST_FREE_SLOT: u32 = 2;

/// Where a copied page's old content came from, as far as the backend can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Source {
    /// The backend cannot tell; the user side refines it from the kind of mapping.
    Unknown = 0,
    /// An anonymous page: inherited memory.
    Anon = 1,
    /// A page of a privately mapped file.
    File = 2,
    /// The zero page: the process had only read this page so far.
    Zero = 3,
    /// A page merged by KSM.
    Ksm = 4,
    /// A page of hugetlbfs.
    Hugetlb = 5,
}

/// How many sources there are.
pub const SOURCES: usize = 6;

impl Source {
    /// Every source, in the order of its number.
    pub const ALL: [Self; SOURCES] = [
        Self::Unknown,
        Self::Anon,
        Self::File,
        Self::Zero,
        Self::Ksm,
        Self::Hugetlb,
    ];

    /// Reads the source from its number; `Unknown` for any this version does not know.
    #[must_use]
    pub const fn from_u32(number: u32) -> Self {
        if (number as usize) < SOURCES {
            Self::ALL[number as usize]
        } else {
            Self::Unknown
        }
    }
}

/// One process image's totals. Written by the kernel side with atomic adds, read through a
/// shared mapping; two cache lines, so that two processes never share one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct ProcessSlot {
    /// Pages copied, by [`Source`].
    pub copied: [u64; SOURCES],
    /// Write faults that copied nothing.
    pub reused: u64,
    /// Copies that found no room in the histogram.
    pub unranged_copied: u64,
    /// Reuses that found no room in the histogram.
    pub unranged_reused: u64,
    /// When the image began (fork or exec): `CLOCK_MONOTONIC`, ns. For a process that was there
    /// before the trace, when it was adopted.
    pub born_ns: u64,
    /// Traced tasks that use this address space; 0 once the last has left.
    pub tasks: u32,
    /// Process id in the initial pid namespace.
    pub tgid: u32,
    /// Slot of the process it inherited its memory from, 0 if none.
    pub parent: u32,
    /// Number of the [`crate::python::Interpreter`] it runs, 0 for none that is known.
    pub interpreter: u32,
    /// 1 once its program is known to have no objects that words around an address could tell.
    pub without_words: u32,
    /// Unused, always 0.
    pub padding: [u32; 7],
}

const _: () = assert!(size_of::<ProcessSlot>() == 128);
const _: () = assert!(core::mem::offset_of!(ProcessSlot, reused) == 48);
const _: () = assert!(core::mem::offset_of!(ProcessSlot, tasks) == 80);
