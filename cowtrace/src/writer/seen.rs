//! What a write was.

use cowtrace_common::{evidence::Evidence, store::Verb};

use crate::run::{Store, WriteKind};

/// What a write hit.
pub(super) struct WriteSeen {
    pub(super) kind: WriteKind,
    /// The type's address or the system call's number; 0 if neither is known.
    pub(super) what: u64,
    /// What the write did.
    pub(super) store: Option<Store>,
}

/// What a write did, where nothing better is known of it.
pub(super) fn store_of(evidence: &Evidence, kind: WriteKind) -> Option<Store> {
    if kind != WriteKind::Other {
        return None;
    }
    match evidence.verb() {
        Verb::Unknown => None,
        Verb::Increment => Some(Store::Increment),
        Verb::Decrement => Some(Store::Decrement),
        Verb::Bits => Some(Store::Bits),
        Verb::Same => Some(Store::Same),
        Verb::Zero => Some(Store::Zero),
        Verb::Pointer => Some(Store::Pointer),
        Verb::Block => Some(Store::Block),
        Verb::Push => Some(Store::Push),
        Verb::Value => Some(Store::Value),
    }
}
