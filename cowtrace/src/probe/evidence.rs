//! Evidence of who wrote, as it comes out of the ring buffer.

use std::mem::offset_of;

use bytes::Buf as _;
use cowtrace_common::evidence::{BATCH, Batch, Evidence, WORDS};

/// Hands the records of a batch to `take`; none of one that is not of this version.
pub(super) fn decode(bytes: &[u8], take: impl FnMut(Evidence)) {
    if bytes.len() != size_of::<Batch>() {
        return;
    }
    let count = (&bytes[offset_of!(Batch, count)..]).get_u32_ne() as usize;
    let records = bytes[offset_of!(Batch, records)..].chunks_exact(size_of::<Evidence>());
    records.take(count.min(BATCH)).map(record).for_each(take);
}

/// Reads a record, of its full length.
pub(super) fn record(mut bytes: &[u8]) -> Evidence {
    // In the order of `Evidence`'s fields.
    Evidence {
        address: bytes.get_u64_ne(),
        instruction: bytes.get_u64_ne(),
        words: std::array::from_fn::<_, WORDS, _>(|_| bytes.get_u64_ne()),
        slot: bytes.get_u32_ne(),
        flags: bytes.get_u32_ne(),
        stack: bytes.get_u64_ne(),
        native: bytes.get_u64_ne(),
    }
}
