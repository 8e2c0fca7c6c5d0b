//! The header of objects (`PyObject`) and what lies before it, in builds with a global interpreter
//! lock and without, whose reference count has two parts (Include/object.h).

use super::super::objects::{FREE_THREADED, ObjectLayout, WITH_LOCK};

/// The owner's part of the count of immortal objects.
const IMMORTAL: u32 = u32::MAX;
/// Highest plausible reference count.
const MAX_COUNT: u64 = 1 << 32;
/// The highest state of an object's lock (`PyMutex`).
const MAX_LOCK: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes by which it is longer than a count and a type: all members lie this much further on.
    pub(super) longer: u64,
    /// In a count of two parts, the place of the owning thread's part: the upper half of a word
    /// whose lower half is padding, lock and the collector's bits. The other part is just before
    /// the type.
    pub(super) owned: Option<u64>,
    /// Bytes of the collector's header before objects that it tracks.
    pub(super) collector: u64,
    /// Members by which objects and types are recognized anywhere.
    pub(super) objects: &'static ObjectLayout,
}

impl Header {
    pub(super) const WITH_LOCK: Self = Self {
        longer: 0,
        owned: None,
        collector: 16,
        objects: &WITH_LOCK,
    };
    /// The owning thread, [`Self::owned`], the other threads' count, the type.
    pub(super) const FREE_THREADED: Self = Self {
        longer: 16,
        owned: Some(8),
        collector: 0,
        objects: &FREE_THREADED,
    };
}

/// Whether a word before a type is a reference count above 0. A freed block has 0, or part of an
/// address, in its place.
#[inline]
pub(super) const fn is_count(word: u64) -> bool {
    word as u32 != 0 && (word >> 32) as u16 == 0
}

/// The same for a count of two parts: [`Header::owned`], and the word before the type.
#[inline]
pub(super) const fn is_count_of_two(owned: u64, shared: u64) -> bool {
    let (padding, lock, owned) = (owned as u16, (owned >> 16) as u8, (owned >> 32) as u32);
    if padding != 0 || lock > MAX_LOCK {
        return false;
    }
    // The lowest two bits are flags. The part is below 0 if other threads dropped references that
    // the owner took.
    let shared = shared.cast_signed() >> 2;
    owned == IMMORTAL || (shared.unsigned_abs() < MAX_COUNT && shared + owned as i64 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_part_of_a_count_keeps_an_object() {
        let lock = 1 << 16;
        let flags = 3;
        for (owned, shared, is_there) in [
            (1 << 32 | lock, 0, true),
            (0, 3 << 2 | flags, true),
            (3 << 32, (-2i64 << 2).cast_unsigned() | 1, true),
            (u64::from(u32::MAX) << 32, 0, true),
            (0, flags, false),
            (2 << 32, (-2i64 << 2).cast_unsigned() | 1, false),
            (1 << 32 | 1, 0, false),
            (1 << 32, 0x7f00_1234_5678, false),
        ] {
            assert_eq!(
                is_count_of_two(owned, shared),
                is_there,
                "{owned:#x} {shared:#x}"
            );
        }
    }
}
