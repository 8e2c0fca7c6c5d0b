//! PHP: a value that is counted begins with its count of references and its type (`zend_refcounted_h`, `zend_types.h`), so
//! a write to either tells what it was; an object leads to its class. Since 7.3.

use super::write::{
    ProgramWrite, ReadMemory, Runtime, WrittenData, WrittenWord, is_address, read_words,
};
use crate::run::Store;

/// How the files of PHP are called.
pub(super) const FILES: [&str; 3] = ["libphp", "php", "php-fpm"];

/// The low bits of the upper half: the type (`GC_TYPE_MASK`). Bits above belong to the collector of cycles.
const TYPE: u64 = 0xf;
/// The least that is counted (`IS_STRING`), and names from there on.
const FIRST: u64 = 6;
const TYPES: [&str; 6] = [
    "string",
    "array",
    "object",
    "resource",
    "reference",
    "constant expression",
];
const OBJECT: u64 = 8;
/// Values that more refer to are none.
const MOST_REFERENCES: u64 = 1 << 30;
/// Where an object has its class, and that its name (`zend_object`, `zend_class_entry`).
const CLASS: u64 = 16;
const CLASS_NAME: u64 = 8;
/// Where a string has its length, which its bytes follow (`zend_string`).
const LENGTH: u64 = 16;
const MOST_NAME: u64 = 128;
/// Most classes that are kept.
const MOST_CLASSES: usize = 1 << 14;

/// PHP in a program, with the classes seen so far.
#[derive(Default)]
pub(super) struct Php {
    /// By address; none of one without a name.
    classes: foldhash::HashMap<u64, Option<Box<str>>>,
}

impl Runtime for Php {
    fn classify(&mut self, write: &ProgramWrite<'_>) -> Option<WrittenData> {
        let kind = kind_of(write.values()?, write.store?)?;
        let class = (kind == OBJECT)
            .then(|| write.find_in_memory(|read| self.class_at(write.word_address(), read)));
        Some(WrittenData {
            what: class.flatten().unwrap_or(kind),
            store: write.store,
        })
    }

    fn name(&self, what: u64) -> Option<String> {
        if let Some(class) = self.classes.get(&what) {
            return class.as_deref().map(Into::into);
        }
        let place = usize::try_from(what.checked_sub(FIRST)?).ok()?;
        Some((*TYPES.get(place)?).into())
    }
}

impl Php {
    /// The class of an object, if it has a name.
    fn class_at(&mut self, object: u64, read: &ReadMemory<'_>) -> Option<u64> {
        let [class] = read_words(object + CLASS, read)?;
        if let Some(known) = self.classes.get(&class) {
            return known.is_some().then_some(class);
        }
        if !is_address(class) || self.classes.len() >= MOST_CLASSES {
            return None;
        }
        let name = name_of(class, read);
        let is_named = name.is_some();
        self.classes.insert(class, name);
        is_named.then_some(class)
    }
}

/// The name of a class: a path such as `App\Entity\User`. An anonymous one has its file behind a zero.
fn name_of(class: u64, read: &ReadMemory<'_>) -> Option<Box<str>> {
    let [name] = read_words(class + CLASS_NAME, read)?;
    let [length] = read_words(name.checked_add(LENGTH)?, read)?;
    if !is_address(name) || !(1..=MOST_NAME).contains(&length) {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    if !read(name + LENGTH + 8, &mut bytes) {
        return None;
    }
    let shown = bytes.split(|byte| *byte == 0).next()?;
    let name = std::str::from_utf8(shown).ok()?;
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '\\' | '@');
    let is_name = !name.is_empty() && name.chars().all(fits);
    is_name.then(|| name.into())
}

/// The type of the value whose count, or the collector's bits beside it, were written.
fn kind_of(values: WrittenWord, store: Store) -> Option<u64> {
    let (count, kind) = (values.word & 0xffff_ffff, (values.word >> 32) & TYPE);
    let (of_count, of_kind) = (values.changed & 0xffff_ffff, values.changed >> 32);
    let is_counted = of_kind == 0 && matches!(store, Store::Increment | Store::Decrement);
    // The collector counts down and colours a value in stores of their own.
    let is_collected = of_count == 0 && of_kind != 0 && of_kind & TYPE == 0;
    let is_value = (1..MOST_REFERENCES).contains(&count) || is_collected && count == 0;
    let is_known = (FIRST..FIRST + TYPES.len() as u64).contains(&kind);
    (is_value && is_known && (is_counted || is_collected)).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(word: u64, changed: u64, store: Store) -> Option<u64> {
        kind_of(
            WrittenWord {
                word,
                changed,
                ..WrittenWord::default()
            },
            store,
        )
    }

    #[test]
    fn the_count_and_the_type_are_in_one_word() {
        let array = 1 | 7 << 32;
        assert_eq!(kind(array, 3, Store::Increment), Some(7));
        assert_eq!(kind(array, 0x400 << 32, Store::Bits), Some(7));
        assert_eq!(kind(array, 1 << 32, Store::Bits), None, "another type");
        assert_eq!(kind(1 | 5 << 32, 3, Store::Increment), None, "no such type");
        assert_eq!(kind(7 << 32, 1, Store::Increment), None, "freed");
        assert_eq!(Php::default().name(7).unwrap(), "array");
    }

    #[test]
    fn an_object_leads_to_the_name_of_its_class() {
        const AT: u64 = 0x7f00_0000_0000;
        let mut memory = vec![0_u8; 256];
        let mut put =
            |at: usize, word: u64| memory[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        put(16, AT + 64);
        put(64 + 8, AT + 128);
        put(128 + 16, 8);
        memory[128 + 24..128 + 32].copy_from_slice(b"App\\User");
        let read = |at: u64, to: &mut [u8]| {
            let from = usize::try_from(at - AT).expect("inside");
            memory.get(from..from + to.len()).is_some_and(|bytes| {
                to.copy_from_slice(bytes);
                true
            })
        };
        let mut php = Php::default();
        let class = php.class_at(AT, &read).expect("a class");
        assert_eq!(php.name(class).unwrap(), "App\\User");
    }
}
