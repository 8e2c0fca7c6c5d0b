//! Losses: what could not be recorded in full detail, counted by cause in the kernel.

/// Why something was not recorded in full detail. The number is the index into the loss counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Loss {
    /// Write faults without a place in the histogram; the process's totals have them.
    HistogramFull = 0,
    /// Processes that share one overflow slot because the process table was full.
    ProcessesFull = 1,
    /// Tasks that are not traced at all because the thread table was full.
    ThreadsFull = 2,
    /// Tasks that are not traced because their id is past the table's end (`pid_max` was raised).
    TaskIdsFull = 3,
    /// Life-cycle events the ring buffer had no room for.
    LifecycleDropped = 4,
    /// Write faults that could not be followed to their outcome.
    PendingDropped = 5,
    /// Copies by processes with several threads while page frees were not followed yet: a copy
    /// that lost a race is counted as one.
    RacesUnwatched = 6,
    /// Copies whose writer is not known: the ring buffer had no room for the evidence.
    WritersFull = 7,
    /// Copies whose Python stack is not known: the table of stacks was full.
    StacksFull = 8,
    /// No loss: faults of a hook's own reading inside a kernel-mode fault, for which the kernel skips
    /// the hook and counts that as a miss.
    HookFaults = 9,
    /// Copies whose native stack is not known: the table of stacks was full.
    NativeStacksFull = 10,
}

/// How many causes there are.
pub const LOSSES: usize = 11;
const _: () = assert!(Loss::NativeStacksFull as usize + 1 == LOSSES);
