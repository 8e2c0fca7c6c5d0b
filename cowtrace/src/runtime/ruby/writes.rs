//! What a write to a slot was: by what is in it, and by which bits of its flags changed (`include/ruby/internal/fl_type.h`,
//! `gc.c`, `string.c`, `hash.c`).

use super::heap::{Object, Tag};
use crate::{
    run::Store,
    runtime::write::{ProgramWrite, WrittenWord},
};

/// Bytes of an object's flags, with which it begins, and of its class, which follows.
const FLAGS_BYTES: u64 = 8;
const CLASS_ENDS: u64 = 16;

/// The low bits of flags: what is in the slot.
const TAG: u64 = 31;
/// How many collections an object survived (`FL_PROMOTED`; since 3.3 the upper bit is in the page's description).
const AGE: u64 = 0b11 << 5;
/// It has an `object_id` (`FL_SEEN_OBJ_ID`).
const IDENTITY: u64 = 1 << 9;
const FROZEN: u64 = 1 << 11;
/// Of a string: whether its bytes are ASCII, valid or broken in its encoding (`ENC_CODERANGE_MASK`).
const CODERANGE: u64 = 0b11 << 20;
/// Of a hash: how many iterations are in it (`RHASH_LEV_MASK`).
const ITERATION: u64 = 0x7f << 25;
/// Which instance variables an object has, since 3.2.
const SHAPE: u64 = 0xffff_ffff << 32;

/// What a write to an object was: what its instruction did, where no more is known.
pub(super) fn store_of(object: &Object, write: &ProgramWrite<'_>) -> Option<Store> {
    let generic = write.store;
    let Some(tag) = object.tag() else {
        return generic;
    };
    let offset = write.address() - object.address;
    if offset < FLAGS_BYTES {
        // Some flags look like addresses.
        let generic = generic.filter(|store| *store != Store::Pointer);
        return write.values().and_then(store_of_flags).or(generic);
    }
    if tag.is_free() {
        // The first word after the flags links free slots.
        let is_link = offset < CLASS_ENDS;
        return Some(if is_link { Store::Swept } else { Store::Object });
    }
    match generic {
        Some(Store::Same) => generic,
        _ if tag.is_cache() => Some(Store::Cache),
        _ if offset >= CLASS_ENDS => Some(Store::Content),
        _ => generic,
    }
}

/// By the bits of the flags that change.
fn store_of_flags(values: WrittenWord) -> Option<Store> {
    let (was, changed) = (values.word, values.changed);
    // Nothing changes, or it is not known what.
    if changed == 0 {
        return None;
    }
    let now = was ^ changed;
    if was == 0 {
        return Some(Store::Object);
    }
    if now == 0 || Tag((now & TAG) as u8).is_gone() {
        return Some(Store::Swept);
    }
    if changed & TAG != 0 {
        return Some(Store::Object);
    }
    let is_only = |bits: u64| changed & !bits == 0;
    let is = |tag: u8| (was & TAG) as u8 == tag;
    if is_only(AGE) {
        Some(Store::Age)
    } else if is(Tag::STRING) && is_only(CODERANGE) {
        Some(Store::Coderange)
    } else if is(Tag::HASH) && is_only(ITERATION) {
        Some(Store::Iteration)
    } else if is_only(IDENTITY) {
        Some(Store::Identity)
    } else if is_only(FROZEN) {
        Some(Store::Frozen)
    } else if !is(Tag::INTERNAL) && is_only(SHAPE) {
        Some(Store::Content)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use cowtrace_common::evidence::{Core, Evidence};

    use super::*;
    use crate::runtime::ruby::heap::HeapPage;

    const STRING: u64 = 5 | 1 << 5 | 1 << 13;

    fn of(was: u64, new: u64) -> Option<Store> {
        store_of_flags(WrittenWord {
            word: was,
            changed: was ^ new,
            ..WrittenWord::default()
        })
    }

    #[test]
    fn changed_flags_tell_what_was_done_to_an_object() {
        assert_eq!(of(STRING, STRING | 1 << 6), Some(Store::Age));
        assert_eq!(of(STRING, STRING | 1 << 20), Some(Store::Coderange));
        assert_eq!(of(8, 8 | 1 << 25), Some(Store::Iteration));
        assert_eq!(of(7, 7 | 1 << 25), None, "an array has no such level");
        assert_eq!(of(1, 1 | 1 << 9), Some(Store::Identity));
        assert_eq!(of(1, 1 | 1 << 11), Some(Store::Frozen));
        assert_eq!(of(1 | 7 << 32, 1 | 9 << 32), Some(Store::Content));
        assert_eq!(of(STRING, 0), Some(Store::Swept));
        assert_eq!(of(STRING, 30), Some(Store::Swept), "moved elsewhere");
        assert_eq!(of(0, STRING), Some(Store::Object));
        assert_eq!(of(STRING, STRING), None, "nothing changed");
        assert_eq!(of(STRING, STRING | 1 << 6 | 1 << 20), None, "both");
    }

    #[test]
    fn behind_the_flags_it_goes_by_what_is_in_the_slot() {
        const SLOT: u64 = 0x7f00_0000_1028;
        let of = |flags: u64, offset: u64| {
            let object = Object {
                address: SLOT,
                flags,
                class: SLOT + 4096,
                page: HeapPage::default(),
            };
            let evidence = Evidence {
                core: Core {
                    address: SLOT + offset,
                    ..Core::default()
                },
                ..Evidence::default()
            };
            let write = ProgramWrite {
                evidence: &evidence,
                store: Some(Store::Pointer),
                ancestors: &[],
                pids: &[],
            };
            store_of(&object, &write)
        };
        assert_eq!(of(1, 0), None, "flags are no addresses");
        assert_eq!(of(1, 16), Some(Store::Content));
        assert_eq!(of(0, 8), Some(Store::Swept));
        assert_eq!(of(0, 16), Some(Store::Object));
        assert_eq!(of(0x1a | 6 << 12, 24), Some(Store::Cache));
        assert_eq!(of(1, 8), Some(Store::Pointer), "a class");
    }
}
