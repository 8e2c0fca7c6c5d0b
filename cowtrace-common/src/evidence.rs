//! What is known of a write at the moment of its copy, for telling who wrote: one record a copy,
//! handed to the user side through a ring buffer.

/// Words of user memory that are taken along: the 8-byte words at the address's own, plus 8, 16
/// and 24 bytes. A CPython object or its GC header is told by its type pointer in one of them.
pub const WORDS: usize = 3;

/// The writer was in a system call: it wrote through the kernel.
pub const BY_KERNEL: u32 = 1;
/// The words could be read.
pub const HAS_WORDS: u32 = 2;

/// What is known of every copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Core {
    /// Address written to, exact.
    pub address: u64,
    /// User-mode instruction that wrote; in a system call the one after it. 0 if not known.
    pub instruction: u64,
    /// Slot of the process whose page was copied.
    pub slot: u32,
    /// [`BY_KERNEL`], [`HAS_WORDS`]; bits 8 to 15 the binary logarithm of the copied pages, more
    /// than one for huge ones; bits 16 to 31 the system call's number.
    pub flags: u32,
}

/// What is known of a copy by a program with an interpreter, or whose stacks are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Context {
    /// See [`WORDS`].
    pub words: [u64; WORDS],
    /// Number of the writer's [`crate::python::PythonStack`], 0 if it is not known.
    pub python_stack: u64,
    /// Number of the writer's [`crate::native::NativeStack`], 0 if it is not known.
    pub native_stack: u64,
}

/// One copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What is known of every copy.
    pub core: Core,
    /// What is known of some.
    pub context: Context,
}

impl Evidence {
    /// Pages that were copied.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        1 << ((self.core.flags >> ORDER_SHIFT) & 0x1f)
    }

    /// Number of the system call, of a write by the kernel.
    #[must_use]
    pub const fn system_call(&self) -> u32 {
        self.core.flags >> CALL_SHIFT
    }
}

/// See [`Core::flags`].
pub const ORDER_SHIFT: u32 = 8;
/// See [`Core::flags`].
pub const CALL_SHIFT: u32 = 16;

/// In place of a system call's number: the kernel wrote outside of a system call, as it does for a new
/// process, or the number could not be read. All bits of the number's field.
pub const UNKNOWN_CALL: u64 = 0xffff;

/// Copies whose evidence is sent together.
pub const BATCH: usize = 8;

/// The ring buffer's part of a CPU, bytes: it copies a page in 2 µs at best, so that it fills 1.6 MiB
/// in the 50 ms between two looks of the user side.
pub const EVIDENCE_BYTES: u32 = 2 << 20;

/// Evidence of a thread that is not sent yet: sending it one by one would cost more than taking it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Batch {
    /// All that is sent if no record has a context: less memory that goes from one CPU to another.
    pub cores: Cores,
    /// The records' contexts, those that have one.
    pub contexts: [Context; BATCH],
}

/// What the records of a [`Batch`] all have.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Cores {
    /// How many records there are.
    pub count: u32,
    /// Which of them have a context: bit 0 for the first.
    pub with_context: u32,
    /// The records, oldest first; those past `count` mean nothing.
    pub records: [Core; BATCH],
}

const _: () = assert!(size_of::<Cores>() == 200);
const _: () = assert!(size_of::<Batch>() == 520);
const _: () = assert!(BATCH.is_power_of_two());
