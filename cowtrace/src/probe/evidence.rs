//! Evidence of who wrote, as it comes out of the ring buffer.

use bytes::Buf as _;
use cowtrace_common::evidence::{Evidence, WORDS};

/// Reads a record; one that is not of this version counts as one of which nothing is known.
pub(super) fn decode(mut bytes: &[u8]) -> Evidence {
    if bytes.len() != size_of::<Evidence>() {
        return Evidence::default();
    }
    // In the order of `Evidence`'s fields.
    Evidence {
        address: bytes.get_u64_ne(),
        instruction: bytes.get_u64_ne(),
        words: std::array::from_fn::<_, WORDS, _>(|_| bytes.get_u64_ne()),
        slot: bytes.get_u32_ne(),
        flags: bytes.get_u32_ne(),
        stack: bytes.get_u64_ne(),
    }
}
