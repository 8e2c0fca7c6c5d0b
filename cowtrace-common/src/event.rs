//! Life-cycle events: what happened to traced processes, in order, from the kernel side.

/// Length of a task's name, `TASK_COMM_LEN` of the kernel.
pub const COMM_BYTES: usize = 16;

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum EventKind {
    /// A traced process forked; `slot` is the child, `other_slot` the process whose memory it
    /// inherited.
    Fork = 1,
    /// A traced process started a new program; `slot` is the new process image, `other_slot` the
    /// image that it left.
    Exec = 2,
    /// The last task that used the address space of `slot` has left it.
    Exit = 3,
    /// The process started another thread.
    Thread = 4,
}

impl EventKind {
    /// Reads the kind from its number; `None` if this version does not know it.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Fork),
            2 => Some(Self::Exec),
            3 => Some(Self::Exit),
            4 => Some(Self::Thread),
            _ => None,
        }
    }
}

/// The last task did not exit but started a program.
pub const ENDED_BY_EXEC: u32 = 1;
/// The kernel killed the process for lack of memory.
pub const ENDED_OUT_OF_MEMORY: u32 = 2;

/// One life-cycle event as it lies in the ring buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Event {
    /// Clock of the event: `CLOCK_MONOTONIC`, ns.
    pub at_ns: u64,
    /// When the process image in `slot` began, see [`crate::process::ProcessSlot::born_ns`]. It
    /// distinguishes the image from later ones in the same slot.
    pub born_ns: u64,
    /// [`EventKind`] as a number.
    pub kind: u32,
    /// The process's slot.
    pub slot: u32,
    /// The second slot, if the kind has one, else 0.
    pub other_slot: u32,
    /// The process's id in the initial pid namespace.
    pub tgid: u32,
    /// After an exit the process's status as wait(2) gives it, else 0.
    pub wait_status: u32,
    /// After an exit `ENDED_BY_EXEC`, `ENDED_OUT_OF_MEMORY`, else 0.
    pub ended: u32,
    /// Name of the task that caused the event, NUL-padded.
    pub comm: [u8; COMM_BYTES],
}

const _: () = assert!(size_of::<Event>() == 56);
const _: () = assert!(core::mem::offset_of!(Event, comm) == 40);
