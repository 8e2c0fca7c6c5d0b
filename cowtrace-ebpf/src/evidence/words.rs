//! Words of the process's memory near the address of a write.

use aya_ebpf::{Global, helpers::bpf_probe_read_user};
use cowtrace_common::evidence::{WANTS_VALUES, WANTS_WORDS, WORDS};

use crate::{kernel::page_tables, program::KnownProgram, thread::TracedThread};

/// 1 if this trace finds out what stores do. At 0 the verifier removes the code that does.
#[unsafe(no_mangle)]
static TELL_STORES: Global<u32> = Global::new(0);

/// Whether this trace finds out what stores do, for which it takes the value that is there.
#[inline(always)]
pub(super) fn are_values_wanted() -> bool {
    TELL_STORES.load() != 0
}

/// Words near an address; all 0 if they were not read. No `Option`: the compiler keeps such words on the stack and
/// reads them there even if nothing was ever written, which kernels before 6.3 refuse.
#[derive(Clone, Copy, Default)]
pub struct Words {
    pub(super) are_read: bool,
    /// The words are instead those that have the value, and are sent.
    pub(super) are_values: bool,
    pub(super) words: [u64; WORDS],
    is_value_read: bool,
    /// The word with the address, and the one after it.
    value: [u64; VALUE],
}

/// Words that have the value at an address, which may begin in the middle of one.
const VALUE: usize = 2;

impl Words {
    /// The 8 bytes at the address that the words were read for.
    #[inline(always)]
    pub(super) fn value_at(&self, address: u64) -> Option<u64> {
        if !self.is_value_read {
            return None;
        }
        let shift = (8 * (address & 7)) as u32;
        let high = if shift == 0 {
            0
        } else {
            self.value[1] << (64 - shift)
        };
        Some((self.value[0] >> shift) | high)
    }
}

/// When words are read. Reads by the process's own addresses are allowed only after the kernel changed
/// the page's entry and flushed the old translation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeCopy,
    AfterCopy,
}

/// Reads the words near an address of the current thread's process, unless its program has no objects
/// that they could identify.
///
/// Before the copy it must not read by the process's own translations, see [`page_tables`]. Between the
/// kernel's look at the page-table entry and the commit of the copy there is a second reason: a read sets
/// the entry's accessed bit, which fork clears for the child. The kernel then finds the entry changed,
/// throws the copy away and begins the fault again.
#[inline(always)]
pub fn read_words(
    thread: TracedThread,
    program: KnownProgram,
    address: u64,
    moment: Moment,
) -> Words {
    let first = address & !7;
    if program.wants == WANTS_WORDS {
        // One or the other, and not the longer one shortened: kernels before 6.3 refuse programs that may read words
        // of the stack which were not written, and the compiler makes such programs of the longer one.
        return if are_values_wanted() {
            with_value(find_words(thread, first, moment))
        } else {
            without_value(find_words(thread, first + 8, moment))
        };
    }
    if are_values_wanted()
        && let Some(value) = find_words::<VALUE>(thread, first, moment)
    {
        return Words {
            are_read: false,
            are_values: program.wants == WANTS_VALUES,
            words: [value[0], value[1], 0],
            is_value_read: true,
            value,
        };
    }
    Words::default()
}

#[inline(always)]
fn with_value(words: Option<[u64; WORDS + 1]>) -> Words {
    match words {
        Some([value, one, two, three]) => Words {
            are_read: true,
            words: [one, two, three],
            is_value_read: true,
            value: [value, one],
            are_values: false,
        },
        None => Words::default(),
    }
}

#[inline(always)]
fn without_value(words: Option<[u64; WORDS]>) -> Words {
    match words {
        Some(words) => Words {
            are_read: true,
            words,
            ..Words::default()
        },
        None => Words::default(),
    }
}

#[inline(always)]
fn find_words<const N: usize>(
    thread: TracedThread,
    first: u64,
    moment: Moment,
) -> Option<[u64; N]> {
    if page_tables::can_be_followed()
        && let Some(words) = page_tables::words_of_process(own_tables(thread)?, first)
    {
        return Some(words);
    }
    if moment == Moment::BeforeCopy {
        return None;
    }
    // SAFETY: the helper checks the address and fails with EFAULT on a bad one.
    unsafe { bpf_probe_read_user(first as *const [u64; N]) }.ok()
}

/// The current thread's page tables: they stay the same until it starts another program.
#[inline(always)]
fn own_tables(mut thread: TracedThread) -> Option<u64> {
    let known = thread.get().page_tables;
    if known != 0 {
        return Some(known);
    }
    let found = page_tables::of_current()?;
    thread.get_mut().page_tables = found;
    Some(found)
}
