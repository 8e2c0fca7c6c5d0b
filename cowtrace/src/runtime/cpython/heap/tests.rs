//! A small handmade heap of CPython 3.8: walked unchanged, and with arbitrary changes.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    bytes::Bytes,
    contents::count_in,
    find::{AddressCopies, Limits, LivingInterpreter, finish_walk, prepare_walk},
    offsets::Offsets,
    same,
};
use crate::run::{HeapContents, HeapSum, HeapUnknown};

const START: u64 = 0x100_0000;
const BYTES: usize = 0x10_000;
const TYPE: u64 = START + 0x400;
const STR: u64 = START + 0x800;
const DICT: u64 = START + 0xc00;
const LIST: u64 = START + 0x1000;
const INT: u64 = START + 0x1400;
const MODULE: u64 = START + 0x1800;
const RUNTIME: u64 = START + 0x2000;
/// At the end of the memory, which ends the search in it.
const INTERPRETER: u64 = START + BYTES as u64 - 0x400;
/// Where objects begin.
const OBJECTS: u64 = START + 0x4000;

struct Heap {
    memory: Bytes,
    next: u64,
    is_free_threaded: bool,
}

impl Heap {
    fn put(&mut self, at: u64, words: &[u64]) {
        self.memory.put(at, words);
    }

    /// Where a member of an object is.
    fn member(&self, object: u64, offset: u64) -> u64 {
        object + offset + u64::from(self.is_free_threaded) * 16
    }

    fn take(&mut self, bytes: u64) -> u64 {
        let at = self.next;
        self.next += bytes.next_multiple_of(16);
        at
    }

    /// An object with one reference, and its members.
    fn object(&mut self, at: u64, kind: u64, members: &[u64]) {
        if self.is_free_threaded {
            // The owning thread, the lock and its count; no references by other threads.
            self.put(at, &[0x7f00_1234_5000, 1 << 32, 0, kind]);
        } else {
            self.put(at, &[1, kind]);
        }
        let first = self.member(at, same::SIZE);
        self.put(first, members);
    }

    fn new_object(&mut self, bytes: u64, kind: u64, members: &[u64]) -> u64 {
        let bytes = self.member(bytes, 0);
        // In front of it, the header of the collector.
        let at = self.take(bytes + 16) + 16;
        self.object(at, kind, members);
        at
    }

    /// A type: its flags, sizes and name.
    fn class(&mut self, at: u64, flag: u64, sizes: [u64; 2], name: &str) {
        let flags = flag | 1 << 12;
        self.object(at, TYPE, &[]);
        let basic_size = self.member(sizes[0], 0);
        let first = self.member(at, same::NAME);
        self.put(first, &[at + 0x3c0, basic_size, sizes[1]]);
        let flags_at = self.member(at, same::FLAGS);
        self.put(flags_at, &[flags]);
        self.memory.text_at(at + 0x3c0, name);
    }

    fn text(&mut self, text: &str) -> u64 {
        let bytes = 49 + text.len() as u64;
        let at = self.new_object(bytes, STR, &[text.len() as u64, 7, 1 << 2 | 0x60]);
        self.memory.text_at(self.member(at, 48), text);
        at
    }

    fn number(&mut self, number: u64) -> u64 {
        self.new_object(28, INT, &[1, number])
    }

    fn list(&mut self, items: &[u64]) -> u64 {
        let table = self.take(items.len() as u64 * 8);
        let count = items.len() as u64;
        self.put(table, items);
        self.new_object(40, LIST, &[count, table, count])
    }

    fn dict(&mut self, entries: &[(u64, u64)]) -> u64 {
        let keys = self.take(48 + 5 * 24);
        let count = entries.len() as u64;
        self.put(keys, &[1, 8, 0, 5 - count, count, u64::MAX]);
        for (index, (key, value)) in (0..).zip(entries) {
            self.put(keys + 48 + index * 24, &[7, *key, *value]);
        }
        self.new_object(48, DICT, &[count, 0, keys, 0])
    }

    fn module(&mut self, entries: &[(u64, u64)]) -> u64 {
        let dict = self.dict(entries);
        self.new_object(80, MODULE, &[dict])
    }

    /// `app.data` and `app.more` with their strings, one of which is in both; and the heap.
    fn made(is_free_threaded: bool) -> (Self, [Vec<u64>; 2]) {
        let mut heap = Self {
            memory: Bytes::new(START, BYTES),
            next: OBJECTS,
            is_free_threaded,
        };
        heap.class(TYPE, 1 << 31, [880, 40], "type");
        heap.class(STR, 1 << 28, [80, 0], "str");
        heap.class(DICT, 1 << 29, [48, 0], "dict");
        heap.class(LIST, 1 << 25, [40, 0], "list");
        heap.class(INT, 1 << 24, [24, 4], "int");
        heap.class(MODULE, 0, [80, 0], "module");
        let texts: Vec<u64> = (0..40).map(|n| heap.text(&format!("text {n}"))).collect();
        let (first, second) = (texts[..21].to_vec(), texts[20..].to_vec());
        let inner = heap.list(&first);
        let data = heap.list(&[inner]);
        let more = heap.list(&second);
        let names = ["data", "more", "hexversion", "app", "sys"].map(|name| heap.text(name));
        let app = heap.module(&[(names[0], data), (names[1], more)]);
        let version = heap.number(0x0308_12f0);
        let system = heap.module(&[(names[2], version)]);
        let modules = heap.dict(&[(names[3], app), (names[4], system)]);
        heap.put(RUNTIME + 32, &[INTERPRETER]);
        heap.put(INTERPRETER + 56, &[modules]);
        (heap, [first, second])
    }

    fn find(&self, addresses: Vec<u64>) -> Result<super::Found, &'static str> {
        self.find_with(addresses, 0)
    }

    fn find_with(
        &self,
        mut addresses: Vec<u64>,
        landmarks: usize,
    ) -> Result<super::Found, &'static str> {
        addresses.sort_unstable();
        addresses.dedup();
        let pages = vec![1; addresses.len()];
        let limits = Limits {
            time: Duration::from_secs(2),
            landmarks,
            ..Limits::default()
        };
        let copies = AddressCopies { addresses, pages };
        let memory = self.memory.memory();
        let mut walk = prepare_walk(memory, &self.interpreter(), copies.addresses, &limits)?;
        Ok(finish_walk(&mut walk, &copies.pages))
    }

    fn interpreter(&self) -> LivingInterpreter {
        LivingInterpreter {
            type_type: TYPE,
            runtime: RUNTIME,
            offsets: if self.is_free_threaded {
                vec![Offsets::MADE_FREE_THREADED]
            } else {
                Offsets::WITHOUT_VERSION.map(|offsets| *offsets).to_vec()
            },
        }
    }

    fn count(&self) -> Result<HeapContents, &'static str> {
        let limits = Limits {
            time: Duration::from_secs(2),
            ..Limits::default()
        };
        let memory = self.memory.memory();
        let mut walk = prepare_walk(memory, &self.interpreter(), Vec::new(), &limits)?;
        Ok(count_in(&mut walk, RUNTIME))
    }

    /// Puts objects into the list of the collector with this head.
    fn track(&mut self, head: u64, objects: &[u64]) {
        let headers = objects.iter().map(|object| object - 16);
        let ring: Vec<u64> = std::iter::once(head).chain(headers).collect();
        for (index, at) in ring.iter().enumerate() {
            let next = ring[(index + 1) % ring.len()];
            let previous = ring[(index + ring.len() - 1) % ring.len()];
            self.put(*at, &[next, previous]);
        }
    }
}

#[test]
fn variables_are_named_with_what_they_hold() {
    for is_free_threaded in [false, true] {
        let (heap, [first, second]) = Heap::made(is_free_threaded);
        let all = [first, second, vec![START + 0xfff0]].concat();
        let found = heap.find(all).unwrap();
        // No more than are reported one by one: the others are added to those that contain them.
        assert_eq!(found.variables.len(), 32);
        let one = found.variables.iter().find(|it| it.path == "app.more[1]");
        let one = one.unwrap_or_else(|| panic!("{:#?}", found.variables));
        assert_eq!(one.type_name.as_deref(), Some("str"));
        assert_eq!((one.entries, one.copied_pages), (Some(7), 1));
        assert_eq!((found.asked_pages, found.held_pages), (41, 40));
        assert!(!found.is_partial && found.is_compared);
    }
}

#[test]
fn a_survey_tells_what_was_asked_for_and_what_comes_later() {
    let (heap, [first, second]) = Heap::made(false);
    let found = heap.find_with(first.clone(), 1 << 10).unwrap();
    let same = found.survey.credit(&first, &vec![1; first.len()]);
    assert_eq!(same.held_pages, found.held_pages);
    assert_eq!((same.by_page, same.asked_pages), (0, found.asked_pages));
    assert_eq!(same.variables[0].types, found.variables[0].types);
    let later = found.survey.credit(&second, &vec![2; second.len()]);
    assert_eq!(later.asked_pages, 2 * second.len() as u64);
    assert_eq!(later.held_pages, later.asked_pages);
    assert!(later.by_page > 0, "of the page, not of the address");
    assert_eq!(found.survey.credit(&[8], &[1]).asked_pages, 0);
    assert!(heap.find(first).unwrap().survey.is_empty());
}

/// The heads of the collector's lists.
const HEADS: [u64; 3] = [RUNTIME + 0x100, RUNTIME + 0x118, RUNTIME + 0x130];

fn sum_of(contents: &HeapContents) -> HeapSum {
    let mut sum = HeapSum::default();
    contents.types.iter().for_each(|found| sum.add(found.sum));
    sum
}

#[test]
fn all_objects_are_counted_by_type_and_by_variable() {
    for is_free_threaded in [false, true] {
        let (heap, _) = Heap::made(is_free_threaded);
        let found = heap.count().unwrap();
        let of = |name: &str| found.types.iter().find(|it| it.name == name).unwrap();
        // 40 texts, of which those that name the modules are reached by no module.
        assert_eq!(of("str").sum.objects, 40 + 3);
        assert_eq!((of("list").sum.objects, of("int").sum.objects), (3, 1));
        assert_eq!(of("list").largest_bytes, heap.member(40, 0) + 21 * 8);
        assert_eq!(sum_of(&found), found.all);
        let more = found.variables.iter().find(|it| it.path == "app.more");
        let more = more.unwrap_or_else(|| panic!("{:#?}", found.variables));
        assert_eq!(
            (more.type_name.as_deref(), more.entries),
            (Some("list"), Some(20))
        );
        let unknown = if is_free_threaded {
            HeapUnknown::NoLists
        } else {
            HeapUnknown::ListsNotFound
        };
        assert_eq!(found.unheld, Err(unknown));
    }
}

#[test]
fn a_cycle_is_held_by_nothing_if_all_its_references_are_in_it() {
    let (mut heap, [first, _]) = Heap::made(false);
    let modules = heap.member(INTERPRETER, 56);
    let modules = heap.memory.word(modules);
    let app = heap
        .memory
        .word(heap.memory.word(modules + same::DICT_KEYS) + 48 + 16);
    // Two cycles of two lists, one of which native code holds as well; both hold a text that a
    // variable has and one that only they have.
    let mut cycle = |references: u64| {
        let own = heap.text("own");
        let inner = heap.list(&[0, first[0], own]);
        let outer = heap.list(&[inner]);
        let items = heap.memory.word(inner + same::LIST_ITEMS);
        heap.put(items, &[outer]);
        heap.put(outer, &[references]);
        [inner, outer]
    };
    let (free, held) = (cycle(1), cycle(2));
    heap.track(HEADS[0], &[held[0], free[0]]);
    heap.track(HEADS[1], &[]);
    heap.track(HEADS[2], &[app, held[1], free[1]]);
    let found = heap.count().unwrap();
    let unheld = found.unheld.as_ref().unwrap();
    assert!(!unheld.is_partial);
    assert_eq!(
        (unheld.sum.objects, found.interpreter_alone.objects),
        (3, 3)
    );
    let types: Vec<_> = unheld
        .types
        .iter()
        .map(|it| (&*it.name, it.sum.objects, it.sum.bytes))
        .collect();
    assert_eq!(types, [("list", 2, 2 * 40 + 4 * 8), ("str", 1, 52)]);
    assert_eq!(sum_of(&found), found.all);

    // The same while a list is not whole: what is missing is not held by nothing.
    heap.put(held[0] - 16, &[0]);
    let found = heap.count().unwrap();
    let unheld = found.unheld.as_ref().unwrap();
    assert!(unheld.is_partial && unheld.sum.objects == 0, "{unheld:?}");
}

#[test]
fn another_version_is_refused() {
    let (mut heap, _) = Heap::made(false);
    heap.put(INTERPRETER + 56, &[OBJECTS]);
    assert!(heap.find(vec![OBJECTS]).is_err());
}

#[test]
fn what_refers_to_itself_ends() {
    let (mut heap, [first, _]) = Heap::made(false);
    // A list whose items are the whole heap, including itself.
    let table = heap.take(8);
    let items: Vec<u64> = (OBJECTS..table).step_by(16).collect();
    let all = heap.list(&items);
    heap.object(first[0], LIST, &[1 << 40, all, 1 << 40]);
    let found = heap.find(first).unwrap();
    assert!(found.objects < 4096, "{}", found.objects);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn garbage_is_no_crash_and_no_endless_walk(
        changes in proptest::collection::vec((0usize..BYTES / 8, any::<u64>(), any::<bool>()), 0..200),
        copies in proptest::collection::vec(START..START + BYTES as u64, 0..50),
        is_free_threaded in any::<bool>(),
    ) {
        let (mut heap, [first, second]) = Heap::made(is_free_threaded);
        let used = (heap.next - START) / 8;
        for (index, value, is_address) in changes {
            // Addresses point somewhere; other words are wrong counts, sizes and flags.
            let value = if is_address { START + value % BYTES as u64 } else { value };
            heap.put(START + index as u64 % used * 8, &[value]);
        }
        // Something of everything in one list, as if the collector had it.
        heap.track(HEADS[0], &first[..5]);
        heap.track(HEADS[1], &[]);
        heap.track(HEADS[2], &second[..5]);
        if let Ok(found) = heap.count() {
            prop_assert_eq!(sum_of(&found), found.all);
            prop_assert!(found.all.objects <= BYTES as u64 / 16);
            let unheld = found.unheld.map_or(0, |unheld| unheld.sum.objects);
            prop_assert!(unheld + found.interpreter_alone.objects <= found.all.objects);
        }
        let asked = [first, second, copies].concat();
        if let Ok(found) = heap.find(asked) {
            prop_assert!(found.held_pages <= found.asked_pages);
            prop_assert!(found.objects <= BYTES as u64 / 16);
            prop_assert!(found.variables.iter().all(|it| it.path.len() < 1 << 16));
        }
    }
}
