//! The exact totals of traced processes, one slot each.

/// Slots of traced process images; slot 0 means "none".
///
/// Limits the images that are alive at one time: a slot becomes free again when the user side has read
/// an exited process's totals. 16,384 slots are 2 MiB.
pub const PROCESS_SLOTS: u32 = 16_384;

/// The slot that processes share if no other is free: totals stay exact, but processes lose their names.
pub const OVERFLOW_SLOT: u32 = 1;

/// The first slot that a process can get.
pub const FIRST_FREE_SLOT: u32 = 2;

/// Where a copied page's old content came from, as far as the backend knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Source {
    /// The backend does not know; the user side derives more from the kind of mapping.
    Unknown = 0,
    /// An anonymous page: inherited memory.
    Anon = 1,
    /// A page of a privately mapped file.
    File = 2,
    /// The zero page: until then the process had only read this page.
    Zero = 3,
    /// A page merged by KSM.
    Ksm = 4,
    /// A page of hugetlbfs.
    Hugetlb = 5,
}

/// Number of sources.
pub const SOURCES: usize = 6;

impl Source {
    /// Every source, by number.
    pub const ALL: [Self; SOURCES] = [
        Self::Unknown,
        Self::Anon,
        Self::File,
        Self::Zero,
        Self::Ksm,
        Self::Hugetlb,
    ];

    /// Reads the source from its number; `Unknown` if this version does not know it.
    #[must_use]
    pub const fn from_u32(number: u32) -> Self {
        if (number as usize) < SOURCES {
            Self::ALL[number as usize]
        } else {
            Self::Unknown
        }
    }
}

/// Totals of one process image. The kernel side writes them by atomic additions, the user side reads
/// them through a shared mapping. Two cache lines: two processes never share one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct ProcessSlot {
    /// Pages copied, by [`Source`].
    pub copied: [u64; SOURCES],
    /// Write faults that copied nothing.
    pub reused: u64,
    /// Pages copied that the histogram had no room for.
    pub unranged_copied: u64,
    /// Reuses that the histogram had no room for.
    pub unranged_reused: u64,
    /// First touches: pages of new anonymous memory.
    pub touched: u64,
    /// First touches that the histogram had no room for.
    pub unranged_touched: u64,
    /// When the image began, by fork or exec: `CLOCK_MONOTONIC`, ns. If the process is older than the
    /// trace, when the trace adopted it.
    pub born_ns: u64,
    /// Traced tasks that use this address space; 0 after the last one left.
    pub tasks: u32,
    /// Process id in the initial pid namespace.
    pub tgid: u32,
    /// Slot of the process that it inherited its memory from, 0 if none.
    pub parent: u32,
    /// Number of its [`crate::python::Interpreter`], 0 if it runs none or an unknown one.
    pub interpreter: u32,
    /// What its program's evidence has: [`crate::evidence::WANTS_WORDS`] and so on.
    pub wants: u32,
    /// Different for each program, as far as 32 bits go: the same for a process and those that it forks.
    pub image: u32,
    /// Unused, always 0.
    pub padding: [u32; 2],
}

const _: () = assert!(size_of::<ProcessSlot>() == 128);
const _: () = assert!(core::mem::offset_of!(ProcessSlot, reused) == 48);
const _: () = assert!(core::mem::offset_of!(ProcessSlot, tasks) == 96);
