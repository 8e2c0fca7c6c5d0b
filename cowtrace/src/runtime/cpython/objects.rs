//! The header of objects, in builds with a global interpreter lock and without, whose reference
//! count has two parts (`Include/object.h`, `Include/cpython/object.h`). Offsets are in bytes.

use cowtrace_common::evidence::WORDS;

use crate::run::WriteKind;

/// Members of objects, types, strings and bytes objects, by build.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ObjectLayout {
    /// `ob_type`.
    pub(super) ob_type: u64,
    /// `tp_name` of a type.
    pub(super) tp_name: usize,
    /// `tp_flags` of a type.
    pub(super) tp_flags: usize,
    /// `length` of a string.
    pub(super) text_length: u64,
    /// `state` of a string.
    pub(super) text_state: u64,
    /// Possible positions of the character size in it, as its lowest bit; below are the bits for
    /// interning, a number up to 3.
    pub(super) text_kind: &'static [u32],
    /// `ob_size` of a bytes object.
    pub(super) bytes_size: u64,
    /// `ob_sval` of a bytes object.
    pub(super) bytes_data: u64,
}

/// Builds with a global interpreter lock, 3.8 and later.
pub(super) static WITH_LOCK: ObjectLayout = ObjectLayout {
    ob_type: 8,
    tp_name: 24,
    tp_flags: 168,
    text_length: 16,
    text_state: 32,
    text_kind: &[2],
    bytes_size: 16,
    bytes_data: 32,
};

/// Free-threaded builds, 3.13 and later.
pub(super) static FREE_THREADED: ObjectLayout = ObjectLayout {
    ob_type: 24,
    tp_name: 40,
    tp_flags: 184,
    text_length: 32,
    text_state: 48,
    // From 3.14 on interning has a separate field.
    text_kind: &[2, 8, 16],
    bytes_size: 32,
    bytes_data: 48,
};

/// A kind of write, and the word that must point to a type for it; 0 for none.
pub(super) type Candidate = (WriteKind, u64);

impl ObjectLayout {
    /// What a write can have hit, by its address, and which word must then point to a type. The
    /// words are those 8, 16 and 24 bytes after the written address.
    pub(super) fn candidates(&self, address: u64, words: [u64; WORDS]) -> [Candidate; 3] {
        let [at_8, at_16, at_24] = words;
        let nothing = (WriteKind::Other, 0);
        if *self == FREE_THREADED {
            // `ob_gc_bits` at 11, `ob_ref_local` at 12, `ob_ref_shared` at 16.
            let only = match address % 8 {
                0 => (WriteKind::Refcount, at_8),
                3 => (WriteKind::Gc, at_16),
                4 => (WriteKind::Refcount, at_16),
                _ => nothing,
            };
            return [only, nothing, nothing];
        }
        // Counts and headers are whole words; a write elsewhere hits the object's own data. The
        // collector has two words before the object: `_gc_next` and `_gc_prev`
        // (`Include/internal/pycore_gc.h`).
        if !address.is_multiple_of(8) {
            return [nothing; 3];
        }
        [
            (WriteKind::Refcount, at_8),
            (WriteKind::Gc, at_24),
            (WriteKind::Gc, at_16),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_an_object_leads_to_its_type() {
        // An object at 0x1000, and the words around the written address.
        let leads = |objects: &ObjectLayout, address: u64, kind: WriteKind| {
            let type_at = 0x1000 + objects.ob_type;
            let words = [8, 16, 24].map(|after| u64::from((address & !7) + after == type_at));
            objects.candidates(address, words).contains(&(kind, 1))
        };
        assert!(leads(&WITH_LOCK, 0x1000, WriteKind::Refcount));
        assert!(leads(&WITH_LOCK, 0xff0, WriteKind::Gc) && leads(&WITH_LOCK, 0xff8, WriteKind::Gc));
        assert_eq!(
            WITH_LOCK.candidates(0x1004, [1; WORDS]),
            [(WriteKind::Other, 0); 3]
        );
        assert!(leads(&FREE_THREADED, 0x100c, WriteKind::Refcount));
        assert!(leads(&FREE_THREADED, 0x1010, WriteKind::Refcount));
        assert!(leads(&FREE_THREADED, 0x100b, WriteKind::Gc));
        // The object's lock.
        assert_eq!(
            FREE_THREADED.candidates(0x100a, [1; WORDS]),
            [(WriteKind::Other, 0); 3]
        );
    }
}
