//! R: a vector, or another object, begins with a word that has its type, the collector's mark and the count of references
//! (`struct sxpinfo_struct`, `Defn.h`), so a write there tells what it was. Since 3.5.

use super::write::{
    ProgramWrite, ReadMemory, Runtime, WrittenData, WrittenWord, is_address, is_link, read_words,
};
use crate::run::Store;

/// How the files of R are called.
pub(super) const FILES: [&str; 1] = ["libR.so"];

/// Bits of the first word: the type, the collector's mark and generation, the count of references.
const TYPE: u64 = 0x1f;
const MARKS: u64 = 0xff << 24;
const COUNT: u64 = 0xffff << 32;

/// Where an object has its attributes and its neighbours in the collector's lists.
const ATTRIBUTES: u64 = 8;
const NEXT: u64 = 16;
const PREVIOUS: u64 = 24;

/// R in a program.
pub(super) struct R;

impl Runtime for R {
    fn classify(&mut self, write: &ProgramWrite<'_>) -> Option<WrittenData> {
        let (values, store) = (write.values()?, write.store?);
        let at = write.word_address();
        let written = |(kind, store): (u64, Store)| WrittenData {
            what: kind + 1,
            store: Some(store),
        };
        if let Some(noted) = kind_of(values, store) {
            name_of(noted.0)?;
            write.find_in_memory(|read| is_linked(at, read))?;
            return Some(written(noted));
        }
        if !matches!(store, Store::Pointer | Store::Same) {
            return None;
        }
        // The collector links each object with others of its age.
        let linked = |read: &ReadMemory<'_>| {
            [NEXT, PREVIOUS].into_iter().find_map(|place| {
                let object = at.checked_sub(place)?;
                let [info] = read_words(object, read)?;
                name_of(info & TYPE)?;
                is_linked(object, read)?;
                Some((info & TYPE, Store::Marks))
            })
        };
        write.find_in_memory(linked).map(written)
    }

    fn name(&self, what: u64) -> Option<String> {
        name_of(what.checked_sub(1)?).map(Into::into)
    }
}

/// Whether an object is at an address: a neighbour in its list leads back to it.
fn is_linked(object: u64, read: &ReadMemory<'_>) -> Option<()> {
    let [attributes, next, previous] = read_words(object + ATTRIBUTES, read)?;
    let leads_back = |neighbour: u64, place: u64| {
        let back = is_address(neighbour).then(|| read_words(neighbour + place, read));
        back.flatten() == Some([object])
    };
    (is_link(attributes) && (leads_back(next, PREVIOUS) || leads_back(previous, NEXT)))
        .then_some(())
}

/// The type of the object whose first word was written, and what that was.
fn kind_of(values: WrittenWord, store: Store) -> Option<(u64, Store)> {
    let is_only = |bits: u64| values.changed != 0 && values.changed & !bits == 0;
    if is_only(MARKS) {
        return Some((values.word & TYPE, Store::Marks));
    }
    let is_count = is_only(COUNT) && matches!(store, Store::Increment | Store::Decrement);
    is_count.then_some((values.word & TYPE, store))
}

/// As `typeof` calls it (`TypeTable` in `util.c`), where that says something.
const fn name_of(kind: u64) -> Option<&'static str> {
    Some(match kind {
        1 => "symbol",
        2 => "pairlist",
        3 => "closure",
        4 => "environment",
        5 => "promise",
        6 => "language",
        7 | 8 => "builtin",
        9 => "string in a character vector",
        10 => "logical vector",
        13 => "integer vector",
        14 => "double vector",
        15 => "complex vector",
        16 => "character vector",
        17 => "dots",
        19 => "list",
        20 => "expression",
        21 => "bytecode",
        22 => "external pointer",
        23 => "weak reference",
        24 => "raw vector",
        25 => "S4 object",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_has_the_type_and_what_changes() {
        let of = |word: u64, changed: u64, store: Store| {
            let values = WrittenWord {
                word,
                changed,
                ..WrittenWord::default()
            };
            let (kind, store) = kind_of(values, store)?;
            Some((name_of(kind)?, store))
        };
        let double = 0xe | 1 << 32;
        let marked = Some(("double vector", Store::Marks));
        assert_eq!(of(double, 1 << 24, Store::Bits), marked);
        let counted = Some(("double vector", Store::Increment));
        assert_eq!(of(double, 3 << 32, Store::Increment), counted);
        assert_eq!(of(double, 3 << 32, Store::Pointer), None);
        assert_eq!(of(double, 0, Store::Same), None);
        assert_eq!(of(12, 1 << 24, Store::Bits), None, "no such type");
    }
}
