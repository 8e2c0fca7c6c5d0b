//! Life-cycle events, decoded from the ring buffer's bytes.

use bytes::Buf as _;
use cowtrace_common::event::{ENDED_BY_EXEC, ENDED_OUT_OF_MEMORY, Event, EventKind};

/// What happened to a traced process, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// What happened.
    pub kind: EventKind,
    /// When: `CLOCK_MONOTONIC`, ns.
    pub at_ns: u64,
    /// When the process image in the slot began: it distinguishes the image from later ones.
    pub born_ns: u64,
    /// The process's slot.
    pub slot: u32,
    /// The second slot: after a fork the parent's, after an exec that of the image that it left.
    pub other_slot: u32,
    /// Process id.
    pub pid: u32,
    /// After an exit the process's status as wait(2) gives it; none if it ended by starting a program.
    pub wait_status: Option<i32>,
    /// Whether the kernel killed it for lack of memory.
    pub is_out_of_memory: bool,
    /// Name of the task from the kernel; may have any characters but NUL.
    pub comm: String,
}

impl Lifecycle {
    /// Reads an event; `None` if its length or kind is not of this version.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        if bytes.len() != size_of::<Event>() {
            return None;
        }
        // In the order of `Event`'s fields.
        let (at_ns, born_ns) = (bytes.get_u64_ne(), bytes.get_u64_ne());
        let kind = EventKind::from_u32(bytes.get_u32_ne())?;
        let (slot, other_slot, pid) = (bytes.get_u32_ne(), bytes.get_u32_ne(), bytes.get_u32_ne());
        let (wait_status, ended) = (bytes.get_u32_ne(), bytes.get_u32_ne());
        Some(Self {
            wait_status: (kind == EventKind::Exit && ended & ENDED_BY_EXEC == 0)
                .then_some(wait_status.cast_signed()),
            is_out_of_memory: ended & ENDED_OUT_OF_MEMORY != 0,
            kind,
            at_ns,
            born_ns,
            slot,
            other_slot,
            pid,
            comm: text_of_comm(bytes),
        })
    }
}

/// A NUL-padded task name as text; bytes that are not UTF-8 are replaced.
fn text_of_comm(comm: &[u8]) -> String {
    let end = comm
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(comm.len());
    String::from_utf8_lossy(&comm[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_back_field_by_field() {
        let mut bytes = Vec::new();
        bytes.extend(7u64.to_ne_bytes());
        bytes.extend(6u64.to_ne_bytes());
        for word in [EventKind::Exec as u32, 3, 2, 4242] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(9u32.to_ne_bytes());
        bytes.extend(ENDED_OUT_OF_MEMORY.to_ne_bytes());
        bytes.extend(*b"python3\0\0\0\0\0\0\0\0\0");
        let event = Lifecycle::decode(&bytes).unwrap();
        assert_eq!(event.kind, EventKind::Exec);
        assert_eq!((event.at_ns, event.born_ns), (7, 6));
        assert_eq!((event.slot, event.other_slot, event.pid), (3, 2, 4242));
        assert_eq!(event.comm, "python3");
        assert_eq!(event.wait_status, None);
        bytes[16..20].copy_from_slice(&(EventKind::Exit as u32).to_ne_bytes());
        let event = Lifecycle::decode(&bytes).unwrap();
        assert_eq!((event.wait_status, event.is_out_of_memory), (Some(9), true));
        bytes[36..40].copy_from_slice(&ENDED_BY_EXEC.to_ne_bytes());
        let event = Lifecycle::decode(&bytes).unwrap();
        assert_eq!((event.wait_status, event.is_out_of_memory), (None, false));
    }

    #[test]
    fn foreign_bytes_are_no_event() {
        assert_eq!(Lifecycle::decode(&[0; 56]), None);
        assert_eq!(Lifecycle::decode(&[1; 55]), None);
    }
}
