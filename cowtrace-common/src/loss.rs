//! Losses: what the kernel side could not record in full detail, counted by cause.

/// Why something was not recorded in full detail. Its number is the index of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Loss {
    /// Write faults that the histogram had no room for; the process's totals include them.
    HistogramFull = 0,
    /// Processes that share the overflow slot because the process table was full.
    ProcessesFull = 1,
    /// Tasks that are not traced because the thread table was full.
    ThreadsFull = 2,
    /// Tasks that are not traced because their id is past the table's end (`pid_max` was raised).
    TaskIdsFull = 3,
    /// Life-cycle events that the ring buffer had no room for.
    LifecycleDropped = 4,
    /// Write faults whose outcome is unknown.
    PendingDropped = 5,
    /// Copies by processes with several threads before page frees were followed. If two threads raced
    /// for a page, both copies are counted, though one was thrown away.
    RacesUnwatched = 6,
    /// Copies whose writer is unknown: the ring buffer had no room for the evidence.
    WritersFull = 7,
    /// Copies whose Python stack is unknown: the table of stacks was full.
    StacksFull = 8,
    /// No loss: page faults by a hook's own reads inside a kernel-mode fault. The kernel skips the hook
    /// for them, and counts each as a miss.
    HookFaults = 9,
    /// Copies whose native stack is unknown: the table of stacks was full.
    NativeStacksFull = 10,
    /// Sampled first touches of which it is unknown who made them, or from which stack: the ring buffer was
    /// half full, or the table of stacks full.
    TouchesFull = 11,
}

/// Number of causes.
pub const LOSSES: usize = 12;
const _: () = assert!(Loss::TouchesFull as usize + 1 == LOSSES);

/// A processor's counters, by [`Loss`]. Two cache lines: two processors never share one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct LossCounters(pub [u64; 16]);

const _: () = assert!(LOSSES <= 16 && size_of::<LossCounters>() == 128);
