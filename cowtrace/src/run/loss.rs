//! What could not be recorded in full detail, by cause.

use serde::{Deserialize, Serialize};

/// Losses of a run. Totals per process stay exact unless the cause says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// Write faults without a place in the histogram.
    pub histogram_full: u64,
    /// Ranges of exited processes that were dropped to stay within the memory bound.
    pub ranges_dropped: u64,
    /// Processes counted together because the process table was full.
    pub processes_full: u64,
    /// Exited processes whose records were merged to stay within the memory bound.
    pub processes_folded: u64,
    /// Tasks not traced because the thread table was full.
    pub threads_full: u64,
    /// Tasks not traced because their ids are past the table's end.
    pub task_ids_full: u64,
    /// Life-cycle events that found the ring buffer full.
    pub lifecycle_dropped: u64,
    /// Processes whose parent's mappings could not be read in time.
    pub mappings_missed: u64,
    /// Pages of ranges that lie in two mappings and were counted before that was known.
    pub unsplit_pages: u64,
    /// Write faults that could not be followed to their outcome.
    pub pending_dropped: u64,
    /// Copies of processes with several threads, counted before lost races could be detected.
    pub races_unwatched: u64,
    /// Copies whose writer is not known: the buffer had no room for the evidence.
    pub writers_full: u64,
    /// Copies whose Python stack is not known: the table of stacks was full.
    pub stacks_full: u64,
    /// Copied pages that are not looked for among the variables: too many different addresses.
    pub addresses_full: u64,
    /// Copies by code that cannot be named any more: its process or its file was gone before it was
    /// looked at, or the file cannot be read.
    pub code_gone: u64,
    /// Copies whose native stack is not known: the table of stacks was full.
    pub native_stacks_full: u64,
    /// Runs of a fault or process hook that the kernel skipped.
    pub recursion_misses: u64,
    /// Allocations by interrupts that came inside a hook of another allocation: skipped by the
    /// kernel, of the whole machine, and never copies.
    pub interrupts_skipped: u64,
    /// Timeline samples merged with their neighbours to stay within the memory bound.
    pub samples_merged: u64,
    /// Sampled first touches of which it is not known who made them, or from which stack: the buffer's half
    /// for them, or the table of stacks was full.
    pub touches_full: u64,
    /// Copies whose writer is an estimate: evidence was taken of some of them, drawn at random.
    pub writers_sampled: u64,
    /// How many copies the figure of a writer may be wrong by because of this, 19 times in 20.
    pub writers_error: u64,
    /// Copied pages that count in coarse ranges: their place in a mapping is not known.
    pub ranges_coarse: u64,
    /// Copies that were drawn and looked at, for all of `writers_sampled`.
    pub writers_drawn: u64,
}

/// One cause: how it is called and what it means for the figures.
pub struct Cause {
    /// Key in JSON.
    pub key: &'static str,
    /// What one is, in words that follow its count.
    pub once: &'static str,
    /// What was lost, after the number.
    pub meaning: &'static str,
    /// Reads its count.
    pub count: fn(&Loss) -> u64,
    /// Writes its count.
    pub set: fn(&mut Loss, u64),
    /// Whether totals may be too low because of it.
    pub totals_suffer: bool,
    /// Whether anything of the traced processes was lost; if not, no report lists it among the losses.
    pub is_loss: bool,
}

macro_rules! cause {
    ($field:ident, $totals_suffer:expr, $once:expr, $meaning:expr) => {
        Cause {
            key: stringify!($field),
            once: $once,
            meaning: $meaning,
            count: |loss| loss.$field,
            set: |loss, count| loss.$field = count,
            totals_suffer: $totals_suffer,
            is_loss: true,
        }
    };
}

impl Cause {
    /// What was lost, in words that follow this count.
    #[must_use]
    pub const fn words(&self, count: u64) -> &'static str {
        if count == 1 { self.once } else { self.meaning }
    }
}

impl Loss {
    /// Every cause, in the order they are shown.
    pub const CAUSES: &[Cause] = &[
        cause!(
            histogram_full,
            false,
            "write fault found no room in the histogram; totals have it",
            "write faults found no room in the histogram; totals have them"
        ),
        cause!(
            ranges_dropped,
            false,
            "range of an exited process given up; region sums have it",
            "ranges of exited processes given up; region sums have them"
        ),
        cause!(
            processes_full,
            false,
            "process is counted with others: process table full",
            "processes are counted together: process table full"
        ),
        cause!(
            processes_folded,
            false,
            "exited process is counted with others to save memory",
            "exited processes are counted together to save memory"
        ),
        cause!(
            threads_full,
            true,
            "task not traced: thread table full",
            "tasks not traced: thread table full"
        ),
        cause!(
            task_ids_full,
            true,
            "task not traced: pid_max was raised during the trace",
            "tasks not traced: pid_max was raised during the trace"
        ),
        cause!(
            lifecycle_dropped,
            false,
            "process event dropped: event buffer full",
            "process events dropped: event buffer full"
        ),
        cause!(
            mappings_missed,
            false,
            "process whose parent's mappings were gone before they could be read",
            "processes whose parent's mappings were gone before they could be read"
        ),
        cause!(
            unsplit_pages,
            false,
            "copied page lies in a range of two mappings and counts for the larger part; a smaller --range tells them apart",
            "copied pages lie in ranges of two mappings and count for the larger part; a smaller --range tells them apart"
        ),
        cause!(
            pending_dropped,
            true,
            "write fault could not be followed to its outcome",
            "write faults could not be followed to their outcome"
        ),
        cause!(
            races_unwatched,
            false,
            "copy right after a process got threads: it counts even if it lost a race",
            "copies right after a process got threads: those that lost a race count too"
        ),
        cause!(
            writers_full,
            false,
            "copy came too fast to tell who wrote; the shares below are of the others",
            "copies came too fast to tell who wrote; the shares below are of the others"
        ),
        cause!(
            stacks_full,
            false,
            "copy from too many different Python stacks to tell its line",
            "copies from too many different Python stacks to tell their lines"
        ),
        cause!(
            addresses_full,
            false,
            "copy at too many different addresses to tell which variables hold it",
            "copies at too many different addresses to tell which variables hold them"
        ),
        cause!(
            code_gone,
            false,
            "copy by code that cannot be named: its process was gone before it could be looked at",
            "copies by code that cannot be named: its process was gone before it could be looked at"
        ),
        cause!(
            native_stacks_full,
            false,
            "copy from too many different native stacks to tell its callers",
            "copies from too many different native stacks to tell their callers"
        ),
        cause!(
            recursion_misses,
            true,
            "hook run skipped by the kernel",
            "hook runs skipped by the kernel"
        ),
        cause!(
            samples_merged,
            false,
            "timeline sample merged to save memory",
            "timeline samples merged to save memory"
        ),
        Cause {
            is_loss: false,
            ..cause!(
                interrupts_skipped,
                false,
                "allocation by an interrupt inside a hook was skipped; it copies nothing",
                "allocations by interrupts inside a hook were skipped; they copy nothing"
            )
        },
        // Last, since recordings have the causes by their places.
        cause!(
            touches_full,
            false,
            "sampled touch of new memory came too fast to tell in full who grew the heap",
            "sampled touches of new memory came too fast to tell in full who grew the heap"
        ),
        Cause {
            is_loss: false,
            ..cause!(
                writers_sampled,
                false,
                "copy is attributed by a sample: who wrote, lines, types and variables are estimates; totals are exact",
                "copies are attributed by a sample: who wrote, lines, types and variables are estimates; totals are exact"
            )
        },
        Cause {
            is_loss: false,
            ..cause!(
                writers_error,
                false,
                "copy at most lies between such an estimate and the truth, 19 times in 20",
                "copies at most lie between such an estimate and the truth, 19 times in 20"
            )
        },
        cause!(
            ranges_coarse,
            false,
            "copied page has no place in its mapping, and counts for the largest one around it: too many ranges at one time",
            "copied pages have no place in their mapping, and count for the largest one around them: too many ranges at one time"
        ),
        Cause {
            is_loss: false,
            ..cause!(
                writers_drawn,
                false,
                "copy was drawn for the sample, and stands for all of it",
                "copies were drawn for the sample, and stand for all of it"
            )
        },
    ];

    /// The causes that happened, with their counts.
    pub fn happened(&self) -> impl Iterator<Item = (&'static Cause, u64)> + '_ {
        Self::CAUSES
            .iter()
            .map(|cause| (cause, (cause.count)(self)))
            .filter(|(_, count)| *count > 0)
    }
}
