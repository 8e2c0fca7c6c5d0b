//! Evidence of who wrote: one record for each copy, taken when the copy is made and sent to the user
//! side through ring buffers. A sample of first touches leaves records too.

use crate::store::Verb;

/// Words of user memory in a record: those 8, 16 and 24 bytes after the 8-byte word that was written.
/// If the write hit a CPython object or its GC header, one of them is the pointer to its type.
pub const WORDS: usize = 3;

/// The kernel wrote, in a system call of the thread.
pub const BY_KERNEL: u32 = 1;
/// The words were read.
pub const HAS_WORDS: u32 = 2;
/// In the place of words are the values of the write, see [`Context::words`].
pub const HAS_VALUES: u32 = 1 << 7;
/// Nothing was copied: the record is of a first touch, and its number of pages is its weight.
pub const IS_TOUCH: u32 = 4;

/// Pages of new memory for each page that is sampled: a record stands for this many. A power of two.
pub const TOUCHES_PER_SAMPLE: u32 = 64;

/// What a program's evidence has beside the part that every record has: words near the address.
pub const WANTS_WORDS: u32 = 0;
/// Nothing: its data has nothing that words or values would identify.
pub const WANTS_NOTHING: u32 = 1;
/// The values before and after the write.
pub const WANTS_VALUES: u32 = 2;

/// The part that every record has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Core {
    /// Address written to, exact; of a first touch its page's, or 0 if unknown.
    pub address: u64,
    /// User-mode instruction that wrote; in a system call, the one after the call. 0 if unknown.
    pub instruction: u64,
    /// Slot of the process whose page was copied, or whose memory is new; in the upper half the copies of which
    /// there is no evidence, and for which this one stands too.
    pub slot_and_passed_over: u32,
    /// [`BY_KERNEL`], [`HAS_WORDS`], [`HAS_VALUES`], [`IS_TOUCH`]; bits 3 to 6: the [`Verb`] of the write; bits 8 to 15:
    /// binary logarithm of the number of pages, of copies 0 but for huge pages; bits 16 to 31: number of the system call.
    pub flags: u32,
}

impl Core {
    /// Puts the process's slot and the copies that are stood for into a word.
    #[inline(always)]
    #[must_use]
    pub const fn with_passed_over(slot: u32, passed_over: u32) -> u32 {
        slot | (passed_over << PASSED_OVER_SHIFT)
    }

    /// Slot of the process.
    #[inline(always)]
    #[must_use]
    pub const fn slot(&self) -> u32 {
        self.slot_and_passed_over & ((1 << PASSED_OVER_SHIFT) - 1)
    }

    /// Copies without evidence for which this one stands too: those of its thread since the last one that was drawn.
    #[inline(always)]
    #[must_use]
    pub const fn passed_over(&self) -> u32 {
        self.slot_and_passed_over >> PASSED_OVER_SHIFT
    }
}

/// See [`Core::slot_and_passed_over`]: slots are below 2 to the power of this.
const PASSED_OVER_SHIFT: u32 = 16;
/// Most copies for which one may stand besides itself.
pub const MOST_PASSED_OVER: u32 = u16::MAX as u32;

/// The part of a record that exists if words were read or a stack was walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Context {
    /// See [`WORDS`]. If [`HAS_VALUES`] is set: the 8-byte word that is written to as it was before, the one after it, and
    /// the bits that change from the address on; none of these if it is not known which.
    pub words: [u64; WORDS],
    /// Number of the writer's [`crate::python::PythonStack`], 0 if unknown.
    pub python_stack: u64,
    /// Number of the writer's [`crate::native::NativeStack`], 0 if unknown.
    pub native_stack: u64,
}

/// The record of one copy, or of a first touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The part that every record has.
    pub core: Core,
    /// The part that some records have; all 0 otherwise.
    pub context: Context,
}

impl Evidence {
    /// Pages that were copied, with those copies that it stands for; of a first touch the pages of new memory that
    /// it stands for.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        (1 << ((self.core.flags >> ORDER_SHIFT) & 0x1f)) + self.core.passed_over() as u64
    }

    /// Whether it is of a first touch, and not of a copy.
    #[must_use]
    pub const fn is_touch(&self) -> bool {
        self.core.flags & IS_TOUCH != 0
    }

    /// What the write did, as far as its instruction tells.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        Verb::from_u32((self.core.flags >> VERB_SHIFT) & 15)
    }

    /// Number of the system call, if the kernel wrote.
    #[must_use]
    pub const fn system_call(&self) -> u32 {
        self.core.flags >> CALL_SHIFT
    }
}

/// See [`Core::flags`].
pub const VERB_SHIFT: u32 = 3;
/// See [`Core::flags`].
pub const ORDER_SHIFT: u32 = 8;
/// See [`Core::flags`].
pub const CALL_SHIFT: u32 = 16;

/// Stands in the place of a system call's number if the number could not be read, or if the kernel wrote
/// outside of a system call, as it does for a new process. All bits of the field.
pub const UNKNOWN_CALL: u64 = 0xffff;

/// Most records in a [`Batch`].
pub const BATCH: usize = 8;

/// Records of a thread that wait to be sent together: sending each record alone would cost more than
/// taking it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Batch {
    /// Only this part is sent if no record has a context, so that less memory goes from CPU to CPU.
    pub cores: Cores,
    /// The contexts, each at its record's place; see [`Cores::with_context`].
    pub contexts: [Context; BATCH],
}

/// A thread's place for a [`Batch`]: whole cache lines, so that two threads never share one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct BatchSlot {
    /// What is sent.
    pub batch: Batch,
    /// Fills the last cache line.
    pub padding: [u64; 7],
}

/// The first parts of a [`Batch`]'s records.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Cores {
    /// Number of records.
    pub count: u32,
    /// Which records have a context: bit 0 for the first.
    pub with_context: u32,
    /// The records, oldest first; ignore those past `count`.
    pub records: [Core; BATCH],
}

const _: () = assert!(size_of::<Cores>() == 200);
const _: () = assert!(crate::process::PROCESS_SLOTS <= 1 << PASSED_OVER_SHIFT);
const _: () = assert!(size_of::<Batch>() == 520);
const _: () = assert!(size_of::<BatchSlot>() == 576);
const _: () = assert!(BATCH.is_power_of_two() && TOUCHES_PER_SAMPLE.is_power_of_two());
