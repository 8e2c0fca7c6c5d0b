//! Whether an address is a CPython type, and the type's name: read from the process's memory, and
//! checked.

use std::collections::{HashMap, HashSet};

use super::{names::read_type_name, objects::ObjectLayout};
use crate::memory::{self, PROCESS_ADDRESSES};

/// Bytes of a type that are read, enough in every build.
const TYPE_BYTES: usize = 192;
/// `Py_TPFLAGS_READY`: the type is complete.
const READY: u64 = 1 << 12;
/// `Py_TPFLAGS_TYPE_SUBCLASS`: objects of this type are types.
const METATYPE: u64 = 1 << 31;
/// Most steps from a type to its type, up to the one that is its own type: metaclasses of
/// metaclasses are rare.
pub(super) const MAX_CHAIN: usize = 4;
/// Most addresses remembered not to be types: 16 MiB. Beyond it each is checked again.
const MAX_STRANGERS: usize = 1 << 20;
/// Most types that are kept.
const MAX_TYPES: usize = 1 << 16;

/// The types seen so far.
pub(super) struct KnownTypes {
    type_type: u64,
    objects: &'static ObjectLayout,
    names: HashMap<u64, String>,
    strangers: HashSet<u64>,
}

impl KnownTypes {
    pub(super) fn new(type_type: u64, objects: &'static ObjectLayout) -> Self {
        Self {
            type_type,
            objects,
            names: HashMap::new(),
            strangers: HashSet::new(),
        }
    }

    pub(super) fn has(&self, address: u64) -> bool {
        self.names.contains_key(&address)
    }

    pub(super) fn name(&self, address: u64) -> Option<String> {
        self.names.get(&address).cloned()
    }

    /// Checks an address in the first process that can be read. True if it is a type.
    pub(super) fn learn(&mut self, address: u64, pids: &[u32]) -> bool {
        if !address.is_multiple_of(8)
            || !PROCESS_ADDRESSES.contains(&address)
            || self.strangers.contains(&address)
            || self.names.len() >= MAX_TYPES
        {
            return false;
        }
        let found = pids
            .iter()
            .find_map(|&pid| self.read(address, |at, bytes| memory::read_target(pid, at, bytes)));
        let is_type = found.is_some();
        match found {
            Some(name) => drop(self.names.insert(address, name)),
            // Where none of the processes lives any more, the next ones may say that it is one.
            None if self.strangers.len() < MAX_STRANGERS && self.can_be_read(pids) => {
                self.strangers.insert(address);
            }
            None => {}
        }
        is_type
    }

    /// Whether one of the processes can be read: then it has `type`, which is its own type.
    fn can_be_read(&self, pids: &[u32]) -> bool {
        let Some(own_type) = self.type_type.checked_add(self.objects.ob_type) else {
            return false;
        };
        pids.iter()
            .any(|&pid| memory::read_word(pid, own_type) == Some(self.type_type))
    }

    /// The type's name; none if it is not a type.
    pub(super) fn read(
        &self,
        address: u64,
        read: impl Fn(u64, &mut [u8]) -> bool,
    ) -> Option<String> {
        let tp_flags = self.objects.tp_flags;
        let ob_type = usize::try_from(self.objects.ob_type).ok()?;
        let mut bytes = [0; TYPE_BYTES];
        if !read(address, &mut bytes) || word_of_bytes(&bytes, tp_flags) & READY == 0 {
            return None;
        }
        let mut meta = word_of_bytes(&bytes, ob_type);
        for _ in 0..MAX_CHAIN {
            if meta == self.type_type {
                return read_type_name(self.objects, address, &mut |at, to| {
                    PROCESS_ADDRESSES.contains(&at) && read(at, to)
                });
            }
            // The type of any object's type is `type`: the object is a type only if its own type is a
            // metatype.
            let mut next = [0; TYPE_BYTES];
            if !PROCESS_ADDRESSES.contains(&meta)
                || !read(meta, &mut next)
                || word_of_bytes(&next, tp_flags) & METATYPE == 0
            {
                return None;
            }
            meta = word_of_bytes(&next, ob_type);
        }
        None
    }
}

fn word_of_bytes(bytes: &[u8; TYPE_BYTES], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_ne_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::cpython::{names::MAX_NAME_BYTES, objects::WITH_LOCK};
    use proptest::prelude::*;

    const TYPE_TYPE: u64 = 0x10_0000;
    const OB_TYPE: usize = 8;
    const TP_NAME: usize = 24;
    const TP_FLAGS: usize = 168;
    const STR: u64 = 0x10_1000;
    const NAME: u64 = 0x10_2ffc;

    /// Memory with `type` and `str`; the name ends at the end of the mapping.
    fn memory() -> Vec<u8> {
        let mut bytes = vec![0; 0x3000];
        let mut put = |at: u64, value: u64| {
            let at = usize::try_from(at - TYPE_TYPE).unwrap();
            bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        };
        for at in [TYPE_TYPE, STR] {
            put(at + OB_TYPE as u64, TYPE_TYPE);
            put(at + TP_NAME as u64, NAME);
            put(at + TP_FLAGS as u64, READY);
        }
        bytes[0x2ffc..0x2fff].copy_from_slice(b"str");
        bytes
    }

    fn read_in(bytes: &[u8]) -> impl Fn(u64, &mut [u8]) -> bool {
        move |at, into| {
            let from = at
                .checked_sub(TYPE_TYPE)
                .and_then(|at| usize::try_from(at).ok());
            let found = from.and_then(|from| bytes.get(from..from.checked_add(into.len())?));
            found.map(|found| into.copy_from_slice(found)).is_some()
        }
    }

    #[test]
    fn a_type_is_told_by_its_type_and_named() {
        let bytes = memory();
        let known = KnownTypes::new(TYPE_TYPE, &WITH_LOCK);
        assert_eq!(known.read(STR, read_in(&bytes)).as_deref(), Some("str"));
        assert_eq!(known.read(STR + 8, read_in(&bytes)), None);
        assert_eq!(known.read(0x20_0000, read_in(&bytes)), None);
    }

    #[test]
    fn a_long_or_hostile_name_does_not_hide_the_type() {
        let mut bytes = memory();
        bytes[0x2e00..0x2f00].fill(b'L');
        bytes[0x1018..0x1020].copy_from_slice(&(TYPE_TYPE + 0x2e00).to_ne_bytes());
        let name = KnownTypes::new(TYPE_TYPE, &WITH_LOCK)
            .read(STR, read_in(&bytes))
            .unwrap();
        assert!(name.starts_with("LLL") && name.ends_with('…'), "{name}");
        bytes[0x2e00..0x2e03].copy_from_slice(b"\x1b\xff\0");
        let name = KnownTypes::new(TYPE_TYPE, &WITH_LOCK)
            .read(STR, read_in(&bytes))
            .unwrap();
        assert_eq!(name, "\u{1b}\u{fffd}");
    }

    #[test]
    fn types_of_types_that_lead_nowhere_end() {
        let mut bytes = memory();
        // It is its own type, but not `type`.
        bytes[0x1008..0x1010].copy_from_slice(&STR.to_ne_bytes());
        assert_eq!(
            KnownTypes::new(TYPE_TYPE, &WITH_LOCK).read(STR, read_in(&bytes)),
            None
        );
    }

    #[test]
    fn an_object_is_no_type_but_a_metatypes_is() {
        let mut bytes = memory();
        // An object that resembles a type, but its type is `str`.
        bytes.copy_within(0x1000..0x1100, 0x2000);
        bytes[0x2008..0x2010].copy_from_slice(&STR.to_ne_bytes());
        let known = KnownTypes::new(TYPE_TYPE, &WITH_LOCK);
        assert_eq!(known.read(TYPE_TYPE + 0x2000, read_in(&bytes)), None);
        let flags = READY | METATYPE;
        bytes[0x1000 + TP_FLAGS..0x1008 + TP_FLAGS].copy_from_slice(&flags.to_ne_bytes());
        let name = known.read(TYPE_TYPE + 0x2000, read_in(&bytes));
        assert_eq!(name.as_deref(), Some("str"));
    }

    proptest! {
        #[test]
        fn garbage_is_no_type_and_no_crash(
            changes in proptest::collection::vec((0usize..0x3000, any::<u8>()), 0..64),
            address in any::<u64>(),
        ) {
            let mut bytes = memory();
            for (at, value) in changes {
                bytes[at] = value;
            }
            let known = KnownTypes::new(TYPE_TYPE, &WITH_LOCK);
            let _ = known.read(STR, read_in(&bytes));
            let name = known.read(address, read_in(&bytes));
            prop_assert!(name.is_none_or(|name| name.len() <= 6 * MAX_NAME_BYTES + 1));
        }
    }
}
