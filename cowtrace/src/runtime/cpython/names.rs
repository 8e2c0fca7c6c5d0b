//! Names of types: the type's own name, preceded by its module if a program made it, as Python
//! writes it. Offsets are in bytes.

use super::objects::ObjectLayout;

/// Reads bytes from an address; false if some of them cannot be read.
pub(super) type ReadName<'a> = dyn FnMut(u64, &mut [u8]) -> bool + 'a;

/// `Py_TPFLAGS_HEAPTYPE`: made while the program runs.
const HEAP_TYPE: u64 = 1 << 9;
/// Longer names, of types and of modules, are cut.
pub(super) const MAX_NAME_BYTES: usize = 110;
/// From a type's `tp_name` to its `tp_dict`.
const NAME_TO_DICT: u64 = 240;
/// From an object's `ob_type` to a dict's `ma_keys`.
const TYPE_TO_KEYS: u64 = 24;
/// How many attributes of a type are searched: its module is the first, or comes after those of a
/// named tuple.
pub(super) const MAX_ATTRIBUTES: u64 = 64;
/// Largest plausible table of keys: binary logarithm of its size.
const MAX_KEYS: u64 = 40;
const MODULE: &[u8; 10] = b"__module__";
/// From a string's `state` to the characters of an ASCII string: since 3.12, and before.
const STATE_TO_ASCII: [u64; 2] = [8, 16];
/// Bits of a string's `state` above the interning bits: one byte per character, compact, ASCII.
const ASCII: u64 = 1 | 1 << 3 | 1 << 4;
/// Python does not show this module.
const BUILTINS: &str = "builtins";

/// The name of the type at an address; none if it cannot be read. From outside: any characters.
pub(super) fn read_type_name(
    objects: &ObjectLayout,
    at: u64,
    read: &mut ReadName<'_>,
) -> Option<String> {
    let name_at = at.checked_add(objects.tp_name as u64)?;
    let name = c_name(word_by(name_at, read)?, read)?;
    let flags = word_by(at.checked_add(objects.tp_flags as u64)?, read)?;
    if flags & HEAP_TYPE == 0 || name.contains('.') {
        return Some(name);
    }
    let dict = word_by(name_at.checked_add(NAME_TO_DICT)?, read);
    Some(match dict.and_then(|dict| module(objects, dict, read)) {
        Some(module) if module != BUILTINS => format!("{module}.{name}"),
        _ => name,
    })
}

/// A NUL-terminated name of any content, because programs choose the names of their types. A long
/// name is cut.
pub(super) fn c_name(address: u64, read: &mut ReadName<'_>) -> Option<String> {
    let mut bytes = [0; MAX_NAME_BYTES];
    // The name may end just before a page that cannot be read.
    let to_page_end = usize::try_from(4096 - address % 4096).unwrap_or(1);
    let most = if read(address, &mut bytes) {
        MAX_NAME_BYTES
    } else {
        let most = to_page_end.min(MAX_NAME_BYTES);
        read(address, &mut bytes[..most]).then_some(most)?
    };
    let end = bytes[..most].iter().position(|&byte| byte == 0);
    let name = String::from_utf8_lossy(&bytes[..end.unwrap_or(most)]);
    Some(match end {
        Some(_) => name.into_owned(),
        None => format!("{}…", name.trim_end_matches('\u{fffd}')),
    })
}

/// The value of `__module__` in a dict of attributes.
fn module(objects: &ObjectLayout, dict: u64, read: &mut ReadName<'_>) -> Option<String> {
    let keys = word_by(
        dict.checked_add(objects.ob_type)?
            .checked_add(TYPE_TO_KEYS)?,
        read,
    )?;
    let (first, words, count) = entries(keys, read)?;
    (0..count.min(MAX_ATTRIBUTES)).find_map(|number| {
        let at = first.checked_add((number * words + words - 2) * 8)?;
        let key = word_by(at, read)?;
        let data = module_key(objects, key, read)?;
        let value = word_by(at.checked_add(8)?, read)?;
        let is_text = type_of(objects, value, read)? == type_of(objects, key, read)?;
        let length = usize::try_from(ascii_length(objects, value, read)?).ok()?;
        let mut bytes = vec![0; length.min(MAX_NAME_BYTES)];
        let is_read = is_text && read(value.checked_add(data)?, &mut bytes);
        is_read.then(|| String::from_utf8_lossy(&bytes).into_owned())
    })
}

/// The address of the entries of a keys table, the words per entry (the last two are the key and
/// the value), and the number of entries (`Objects/dictobject.c`).
fn entries(keys: u64, read: &mut ReadName<'_>) -> Option<(u64, u64, u64)> {
    let mut head = [0; 5];
    for (index, to) in (0..).zip(&mut head) {
        *to = word_by(keys.checked_add(index * 8)?, read)?;
    }
    let places = head[1];
    // Before 3.11 their number, a power of two; then its logarithm, that of the indices' bytes, and
    // whether all keys are strings.
    if places.is_power_of_two() {
        let width = match places {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            _ => 4,
        };
        let first = keys
            .checked_add(40)?
            .checked_add(places.checked_mul(width)?)?;
        return Some((first, 3, head[4]));
    }
    let (indices, kind) = ((places >> 8) & 0xff, (places >> 16) & 0xff);
    let words = if kind == 0 { 3 } else { 2 };
    let first = keys
        .checked_add(32)?
        .checked_add(1 << indices.min(MAX_KEYS))?;
    Some((first, words, head[3]))
}

/// From a key to its characters, if it is `__module__`.
fn module_key(objects: &ObjectLayout, key: u64, read: &mut ReadName<'_>) -> Option<u64> {
    if ascii_length(objects, key, read)? != MODULE.len() as u64 {
        return None;
    }
    STATE_TO_ASCII
        .map(|after| objects.text_state + after)
        .into_iter()
        .find(|data| {
            let mut bytes = [0; MODULE.len()];
            key.checked_add(*data)
                .is_some_and(|at| read(at, &mut bytes))
                && bytes == *MODULE
        })
}

/// The length of an ASCII string; none if it is not one.
fn ascii_length(objects: &ObjectLayout, at: u64, read: &mut ReadName<'_>) -> Option<u64> {
    let length = word_by(at.checked_add(objects.text_length)?, read)?;
    let state = word_by(at.checked_add(objects.text_state)?, read)?;
    let is_ascii = |bit: &u32| (state >> bit) & 0x1f == ASCII;
    objects.text_kind.iter().any(is_ascii).then_some(length)
}

fn type_of(objects: &ObjectLayout, at: u64, read: &mut ReadName<'_>) -> Option<u64> {
    word_by(at.checked_add(objects.ob_type)?, read)
}

fn word_by(at: u64, read: &mut ReadName<'_>) -> Option<u64> {
    let mut bytes = [0; 8];
    read(at, &mut bytes).then(|| u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::cpython::objects::{FREE_THREADED, WITH_LOCK};
    use proptest::prelude::*;

    const START: u64 = 0x10_0000;
    const BYTES: usize = 0x2000;
    const TYPE: u64 = START;
    const NAME: u64 = START + 0x400;
    const DICT: u64 = START + 0x500;
    const KEYS: u64 = START + 0x600;
    const STR: u64 = START + 0xf00;
    const KEY: u64 = START + 0x1000;
    const VALUE: u64 = START + 0x1100;
    const OTHER: u64 = START + 0x1200;

    struct Heap(Vec<u8>);

    impl Heap {
        /// A class `Comment`, whose module comes after another attribute.
        fn made(objects: &ObjectLayout, is_old: bool, module: &str) -> Self {
            let mut heap = Self(vec![0; BYTES]);
            let name = TYPE + objects.tp_name as u64;
            heap.put(name, NAME);
            heap.put(TYPE + objects.tp_flags as u64, HEAP_TYPE);
            heap.bytes(NAME, b"Comment\0");
            heap.put(name + NAME_TO_DICT, DICT);
            heap.put(DICT + objects.ob_type + TYPE_TO_KEYS, KEYS);
            let entries = if is_old {
                heap.put(KEYS + 8, 8);
                heap.put(KEYS + 32, 2);
                KEYS + 48 + 8
            } else {
                heap.put(KEYS + 8, 3 | 3 << 8 | 1 << 16);
                heap.put(KEYS + 24, 2);
                KEYS + 40
            };
            let words = if is_old { 3 } else { 2 };
            for (index, (key, value)) in (0..).zip([(OTHER, OTHER), (KEY, VALUE)]) {
                heap.put(entries + index * words * 8, key);
                heap.put(entries + index * words * 8 + 8, value);
            }
            for (at, text) in [(KEY, "__module__"), (VALUE, module), (OTHER, "__eq__")] {
                heap.put(at + objects.ob_type, STR);
                heap.put(at + objects.text_length, text.len() as u64);
                heap.put(at + objects.text_state, ASCII << objects.text_kind[0]);
                let after = STATE_TO_ASCII[usize::from(is_old)];
                heap.bytes(at + objects.text_state + after, text.as_bytes());
            }
            heap
        }

        fn put(&mut self, at: u64, value: u64) {
            self.bytes(at, &value.to_ne_bytes());
        }

        fn bytes(&mut self, at: u64, bytes: &[u8]) {
            let at = usize::try_from(at - START).unwrap();
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
        }

        fn name(&self, objects: &ObjectLayout, at: u64) -> Option<String> {
            read_type_name(objects, at, &mut |at, to| {
                let from = at
                    .checked_sub(START)
                    .and_then(|at| usize::try_from(at).ok());
                let found = from.and_then(|from| self.0.get(from..from.checked_add(to.len())?));
                found.map(|found| to.copy_from_slice(found)).is_some()
            })
        }
    }

    #[test]
    fn a_class_is_called_with_its_module() {
        for (objects, is_old) in [
            (&WITH_LOCK, true),
            (&WITH_LOCK, false),
            (&FREE_THREADED, false),
        ] {
            let name = |module| Heap::made(objects, is_old, module).name(objects, TYPE);
            assert_eq!(name("app.rows").as_deref(), Some("app.rows.Comment"));
            assert_eq!(name(BUILTINS).as_deref(), Some("Comment"));
            let long = name(&"x".repeat(200)).unwrap();
            assert_eq!(long.len(), MAX_NAME_BYTES + ".Comment".len());
        }
    }

    #[test]
    fn a_type_of_the_interpreter_is_called_by_its_own_name() {
        let mut heap = Heap::made(&WITH_LOCK, false, "app");
        heap.bytes(NAME, b"a.Lock\0");
        assert_eq!(heap.name(&WITH_LOCK, TYPE).as_deref(), Some("a.Lock"));
        heap.bytes(NAME, b"tuple\0\0");
        heap.put(TYPE + WITH_LOCK.tp_flags as u64, 0);
        assert_eq!(heap.name(&WITH_LOCK, TYPE).as_deref(), Some("tuple"));
    }

    #[test]
    fn one_whose_module_cannot_be_read_still_has_its_name() {
        for broken in [DICT + 32, KEY + WITH_LOCK.text_state, VALUE + 8] {
            let mut heap = Heap::made(&WITH_LOCK, false, "app");
            heap.put(broken, u64::MAX / 3);
            let name = heap.name(&WITH_LOCK, TYPE);
            assert_eq!(name.as_deref(), Some("Comment"), "{broken:#x}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_bounded_and_no_crash(
            changes in proptest::collection::vec((0usize..BYTES, any::<u8>()), 0..64),
            is_old: bool,
        ) {
            let mut heap = Heap::made(&WITH_LOCK, is_old, "app");
            for (at, value) in changes {
                heap.0[at] = value;
            }
            if let Some(name) = heap.name(&WITH_LOCK, TYPE) {
                prop_assert!(name.len() <= 6 * MAX_NAME_BYTES + 1);
            }
        }
    }
}
