//! Perl: the head of a value (`struct sv`, `sv.h`) has its count of references and its type beside each other, so a write
//! to either tells what kind of value it was. Since 5.20.

use super::write::{ProgramWrite, Runtime, WrittenData, WrittenWord};
use crate::run::Store;

/// How the files of Perl are called.
pub(super) const FILES: [&str; 2] = ["libperl", "perl"];

/// The low bits of a head's flags: the type (`SVTYPEMASK`).
const TYPE: u64 = 0xff;
/// It refers to another value (`SVf_ROK`).
const IS_REFERENCE: u64 = 0x800;
/// Types whose values have a name here, by number (`svtype`).
const TYPES: [&str; 17] = [
    "undefined value",
    "integer",
    "number",
    "string",
    "list of characters",
    "string and integer",
    "string and number",
    "scalar with magic",
    "regular expression",
    "glob",
    "lvalue",
    "array",
    "hash",
    "code",
    "format",
    "file handle",
    "object",
];
/// A reference has no type of its own.
const REFERENCE: u64 = TYPES.len() as u64;
/// Values that more refer to are none.
const MOST_REFERENCES: u64 = 1 << 30;

/// Perl in a program.
pub(super) struct Perl;

impl Runtime for Perl {
    fn classify(&mut self, write: &ProgramWrite<'_>) -> Option<WrittenData> {
        let kind = kind_of(write.values()?, write.store?)?;
        Some(WrittenData {
            what: kind + 1,
            store: write.store,
        })
    }

    fn name(&self, what: u64) -> Option<String> {
        let kind = what.checked_sub(1)?;
        if kind == REFERENCE {
            return Some("reference".into());
        }
        let name = TYPES.get(usize::try_from(kind).ok()?)?;
        Some((*name).into())
    }
}

/// The type of the value whose count or flags were written: both are in one word.
fn kind_of(values: WrittenWord, store: Store) -> Option<u64> {
    let (count, flags) = (values.word & 0xffff_ffff, values.word >> 32);
    let (of_count, of_flags) = (values.changed & 0xffff_ffff, values.changed >> 32);
    let is_counted = of_flags == 0 && matches!(store, Store::Increment | Store::Decrement);
    let is_flagged = of_count == 0 && of_flags != 0;
    let kind = flags & TYPE;
    // Without any flags, it may be a counter of C.
    let is_value = (1..MOST_REFERENCES).contains(&count) && flags != 0 && kind < REFERENCE;
    if !is_value || !(is_counted || is_flagged) {
        return None;
    }
    Some(if flags & IS_REFERENCE != 0 && kind == 1 {
        REFERENCE
    } else {
        kind
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTER_OK: u64 = 0x400;

    fn named(word: u64, changed: u64, store: Store) -> Option<String> {
        let values = WrittenWord {
            word,
            changed,
            ..WrittenWord::default()
        };
        Perl.name(kind_of(values, store)? + 1)
    }

    #[test]
    fn the_count_and_the_type_are_in_one_word() {
        let string = 2 | (POINTER_OK | 3) << 32;
        assert_eq!(named(string, 1, Store::Increment).unwrap(), "string");
        assert_eq!(named(string, 3, Store::Decrement).unwrap(), "string");
        let reference = 1 | (IS_REFERENCE | 1) << 32;
        assert_eq!(named(reference, 3, Store::Increment).unwrap(), "reference");
        // Its flags: it is a number, too.
        assert_eq!(named(string, 0x100 << 32, Store::Bits).unwrap(), "string");
        assert_eq!(named(string, 0x100, Store::Bits), None, "no count");
        assert_eq!(named(string & !0xff, 1, Store::Increment), None, "freed");
        assert_eq!(named(2 | 200 << 32, 1, Store::Increment), None, "no type");
        assert_eq!(named(5, 3, Store::Increment), None, "a counter of C");
    }
}
