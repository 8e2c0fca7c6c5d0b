//! Fuzzes an interpreter's memory: types, code objects, tables of lines and tables of offsets.

#![expect(
    clippy::cast_possible_truncation,
    reason = "bounds and places in small inputs"
)]

use std::cell::Cell;

use super::{
    frames::{Codes, MAX_TABLE, MAX_TEXT},
    heap::Offsets,
    interpreter::{self, Symbols},
    layout::{self, Layout, MAX_OFFSET, TABLE_WORDS},
    lines,
    names::{MAX_ATTRIBUTES, MAX_NAME_BYTES},
    objects::{FREE_THREADED, ObjectLayout, WITH_LOCK},
    types::{KnownTypes, MAX_CHAIN},
};
use crate::{
    fuzzing::{Target, Values},
    memory::PROCESS_ADDRESSES,
    native,
};
use cowtrace_common::python::{FRAME_BYTES, THREAD_BYTES};

pub(crate) use super::heap::fuzz::HEAP;

/// A program or library that may contain an interpreter.
pub(crate) const INTERPRETER: Target = Target {
    name: "interpreter",
    run: interpreter,
    seeds: native::fuzz::programs,
    max_bytes: 32 << 10,
    memory: |bytes| 64 * bytes + (1 << 20),
};

/// The reader of types.
pub(crate) const TYPES: Target = Target {
    name: "types",
    run: types,
    seeds: || vec![type_seed(&WITH_LOCK), type_seed(&FREE_THREADED)],
    max_bytes: 4 << 10,
    memory: |_| 1 << 16,
};

/// The reader of code objects.
pub(crate) const CODE: Target = Target {
    name: "code",
    run: code,
    seeds: || [0x030b, 0x030c].map(code_seed).to_vec(),
    max_bytes: 8 << 10,
    // A character may be one byte there and four here.
    memory: |_| MAX_TABLE + 4 * (4 * MAX_TEXT as usize) + (1 << 16),
};

/// The reader of an interpreter's own table of offsets.
pub(crate) const LAYOUT: Target = Target {
    name: "layout",
    run: layout,
    seeds: || [0x030d, 0x030e, 0x030f].map(table_seed).to_vec(),
    max_bytes: TABLE_WORDS * 8,
    memory: |_| 1 << 16,
};

/// A code object's table of lines.
pub(crate) const LINES: Target = Target {
    name: "lines",
    run: lines,
    seeds: || vec![b"\x05\0\0\0\xf8\x81\x12\xd8\x01\x02\xe8\x54\x01\xf7\x03\0\x01\x02".to_vec()],
    max_bytes: 1 << 10,
    memory: |bytes| 64 * bytes + (1 << 16),
};

/// Addresses of the bytes: low, across the first address that no process has, and at the very end.
const BASES: [u64; 3] = [BASE, PROCESS_ADDRESSES.end - 0x800, u64::MAX - 0x7ff];
const BASE: u64 = 0x10_0000;

/// A process's memory made of the bytes, mapped at three places, with nothing around them.
pub(super) struct Fake<'a> {
    bytes: &'a [u8],
    reads: Cell<usize>,
    asked: Cell<usize>,
}

impl<'a> Fake<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            reads: Cell::new(0),
            asked: Cell::new(0),
        }
    }

    pub(super) fn read(&self, at: u64, to: &mut [u8]) -> bool {
        self.reads.set(self.reads.get() + 1);
        self.asked.set(self.asked.get() + to.len());
        BASES.into_iter().any(|base| {
            let from = at.checked_sub(base).and_then(|at| usize::try_from(at).ok());
            let found = from.and_then(|from| self.bytes.get(from..from.checked_add(to.len())?));
            found.map(|found| to.copy_from_slice(found)).is_some()
        })
    }
}

/// First the kind of build, then addresses to check, then memory.
fn types(input: &[u8]) {
    let mut values = Values(input);
    let objects = [&WITH_LOCK, &FREE_THREADED][usize::from(values.byte() % 2)];
    let addresses = [values.word(), values.word(), values.word(), BASE];
    let known = KnownTypes::new(BASE, objects);
    for address in addresses {
        let fake = Fake::new(values.0);
        if let Some(name) = known.read(address, |at, to| fake.read(at, to)) {
            // Each byte that is not UTF-8 becomes three, in the module's name and the type's; then
            // come a dot and the mark of a cut.
            assert!(name.len() <= 2 * 3 * MAX_NAME_BYTES + 4);
        }
        // The reads: the type and its metatypes; the places of its name and its module; each
        // attribute.
        assert!(fake.reads.get() as u64 <= 1 + MAX_CHAIN as u64 + 16 + MAX_ATTRIBUTES * 11);
    }
}

/// First the layout, then the addresses of a code object and of instructions, then memory. If the
/// layout comes from a table, memory begins with that table.
fn code(input: &[u8]) {
    let mut values = Values(input);
    let layout = match values.byte() {
        0 => Layout::of_version(0x030b_00f0),
        1 => Layout::of_version(0x030c_00f0),
        _ => Layout::of_table(&table(values.0)),
    };
    let Some(layout) = layout else { return };
    let objects = [&WITH_LOCK, &FREE_THREADED][usize::from(values.byte() % 2)];
    let (address, offset) = (values.word(), values.word());
    let fake = Fake::new(values.0);
    let read = |at: u64, to: &mut [u8]| fake.read(at, to);
    let found = Codes::new(layout, objects).read(address, read, &mut |_| true);
    assert!(fake.reads.get() <= 16);
    assert!(fake.asked.get() <= MAX_TABLE + 2 * 4 * MAX_TEXT as usize + 16 * 8);
    let Some(code) = found else { return };
    for text in [&code.function, &code.file] {
        assert!(text.chars().count() as u64 <= MAX_TEXT);
    }
    assert!(code.table.len() <= MAX_TABLE);
    let line = lines::line_at(&code.table, code.first_line, offset);
    assert!(line.is_none_or(|line| line > 0));
}

fn layout(input: &[u8]) {
    let words = table(input);
    let Some(layout) = Layout::of_table(&words) else {
        return;
    };
    let Some((version, is_free_threaded)) = layout::version_of(&words) else {
        panic!("a layout of no table");
    };
    assert!((0x030d..=0x030f).contains(&version));
    let walk = layout.walk;
    for offset in [walk.thread_next, walk.thread_id, walk.thread_frame] {
        assert!(offset % 8 == 0 && offset as usize + 8 <= THREAD_BYTES);
    }
    for offset in [walk.frame_code, walk.frame_previous, walk.frame_instruction] {
        assert!(offset % 8 == 0 && offset as usize + 8 <= FRAME_BYTES);
    }
    assert!((walk.frame_owner as usize) < FRAME_BYTES);
    let code = layout.code;
    for offset in [
        code.filename,
        code.qualname,
        code.linetable,
        code.firstlineno,
    ] {
        assert!(offset < MAX_OFFSET);
    }
    assert!(layout.text.other < MAX_OFFSET + 16);
    if let Some(offsets) = Offsets::of_table(version, is_free_threaded, &layout) {
        assert!(offsets.is_near(MAX_OFFSET));
    }
}

/// An entry of a table of lines: its kind, number of code units, line difference.
#[derive(Clone, Copy)]
struct Entry(u8, u8, i32);

impl Entry {
    /// Objects/locations.md in CPython's sources.
    fn encode(self, table: &mut Vec<u8>) {
        let Self(kind, units, delta) = self;
        table.push(0x80 | kind << 3 | units);
        match kind {
            0..=9 => table.push(0x11),
            10..=12 => table.extend([1, 2]),
            13 | 14 => {
                let mut rest = u64::from(delta.unsigned_abs()) << 1 | u64::from(delta < 0);
                while rest >= 0x40 {
                    table.push(0x40 | (rest & 0x3f) as u8);
                    rest >>= 6;
                }
                table.push(rest as u8);
                table.extend(vec![3; if kind == 14 { 3 } else { 0 }]);
            }
            _ => {}
        }
    }

    fn lines_on(self) -> i64 {
        match self.0 {
            10..=12 => i64::from(self.0 - 10),
            13 | 14 => i64::from(self.2),
            _ => 0,
        }
    }
}

/// The bytes as a table; then as entries of a table that is built from them, which must read back
/// equal.
fn lines(input: &[u8]) {
    let mut values = Values(input);
    let first = values.half_word();
    for offset in [0, 1, 7, 100, 4096, u64::MAX] {
        let line = lines::line_at(values.0, first, offset);
        assert!(line.is_none_or(|line| line > 0));
    }
    let (mut encoded, mut expected) = (Vec::new(), Vec::new());
    let mut line = i64::from(first);
    while !values.is_empty() {
        let head = values.byte();
        let delta = values.half_word().cast_signed() / 2;
        let entry = Entry(head >> 4, head & 7, delta);
        entry.encode(&mut encoded);
        line += entry.lines_on();
        let told = u32::try_from(line).ok().filter(|line| *line > 0);
        expected.push((u64::from(head & 7) + 1, told.filter(|_| entry.0 != 15)));
    }
    let mut offset = 0;
    for (units, line) in expected.into_iter().take(64) {
        assert_eq!(lines::line_at(&encoded, first, offset), line);
        offset += units * 2;
        assert_eq!(lines::line_at(&encoded, first, offset - 1), line);
    }
}

/// Where libraries are mapped.
const MAPPED: u64 = 0x7f00_0000_0000;

fn interpreter(file: &[u8]) {
    let Ok(file) = object::File::parse(file) else {
        return;
    };
    let names = interpreter::NAMES.map(str::to_owned);
    let offsets = native::offsets_in(&file, &names);
    let address = |offset: Option<u64>| MAPPED.checked_add(offset?);
    let addresses: Vec<Option<u64>> = offsets.into_iter().map(address).collect();
    let Some(found) = Symbols::of(&addresses) else {
        return;
    };
    let at = found.type_type;
    let objects = interpreter::objects_of(at, |_| Some(at));
    assert!(objects.is_some() || at > u64::MAX - 8);
}

fn table(bytes: &[u8]) -> [u64; TABLE_WORDS] {
    let mut words = [0; TABLE_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    }
    words
}

/// Memory under construction: words and text by address.
struct Image(Vec<u8>);

impl Image {
    fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = (at - BASE) as usize;
        let end = at + bytes.len();
        self.0.resize(self.0.len().max(end), 0);
        self.0[at..end].copy_from_slice(bytes);
    }

    fn word(&mut self, at: u64, word: u64) {
        self.put(at, &word.to_ne_bytes());
    }
}

/// `type`, a metatype, and a type of that metatype.
fn type_seed(objects: &ObjectLayout) -> Vec<u8> {
    let mut image = Image(Vec::new());
    let places = [BASE, BASE + 0x100, BASE + 0x200];
    for (at, its_type) in places.into_iter().zip([places[0], places[0], places[1]]) {
        image.word(at + objects.ob_type, its_type);
        image.word(at + objects.tp_name as u64, BASE + 0x300);
        image.word(at + objects.tp_flags as u64, 1 << 31 | 1 << 12);
    }
    image.put(BASE + 0x300, b"Article\0");
    let [dict, keys, key, module] = [0x400, 0x500, 0x600, 0x700].map(|offset| BASE + offset);
    for at in places {
        // From `tp_name` to `tp_dict`.
        image.word(at + objects.tp_name as u64 + 240, dict);
        image.word(at + objects.tp_flags as u64, 1 << 31 | 1 << 12 | 1 << 9);
    }
    // From `ob_type` to `ma_keys`; then a keys table of 3.11 and later, with string keys only.
    image.word(dict + objects.ob_type + 24, keys);
    image.word(keys + 8, 3 | 3 << 8 | 1 << 16);
    image.word(keys + 24, 1);
    image.word(keys + 40, key);
    image.word(keys + 48, module);
    for (at, text) in [(key, "__module__"), (module, "app.rows")] {
        image.word(at + objects.ob_type, BASE);
        image.word(at + objects.text_length, text.len() as u64);
        image.word(at + objects.text_state, 0x19 << objects.text_kind[0]);
        image.put(at + objects.text_state + 8, text.as_bytes());
    }
    let mut input = vec![u8::from(*objects == FREE_THREADED)];
    for address in [places[1], places[2], BASES[2]] {
        input.extend(address.to_le_bytes());
    }
    input.extend(image.0);
    input
}

/// A code object with names of one and of two bytes per character.
fn code_seed(version: u64) -> Vec<u8> {
    let mut image = Image(Vec::new());
    let mut input = vec![u8::from(version == 0x030c), 0];
    let Some(layout) = Layout::of_version(version << 16) else {
        return input;
    };
    let [name, file, table] = [0x200, 0x300, 0x400].map(|offset| BASE + offset);
    image.word(BASE + layout.code.qualname, name);
    image.word(BASE + layout.code.filename, file);
    image.word(BASE + layout.code.linetable, table);
    image.word(BASE + layout.code.firstlineno, 41);
    image.word(name + WITH_LOCK.text_length, 5);
    image.word(name + WITH_LOCK.text_state, 1 << 2 | 0x60);
    image.put(name + layout.text.ascii, b"A.get");
    image.word(file + WITH_LOCK.text_length, 3);
    image.word(file + WITH_LOCK.text_state, 2 << 2 | 0x20);
    image.put(file + layout.text.other, &[0x16, 0x04, b'.', 0, b'p', 0]);
    image.word(table + WITH_LOCK.bytes_size, 5);
    image.put(table + WITH_LOCK.bytes_data, &[0x80, 0, 0xd8, 0, 0]);
    for word in [BASE, 3] {
        input.extend(word.to_le_bytes());
    }
    input.extend(image.0);
    input
}

/// The first words of a version's table, and small offsets.
fn table_seed(version: u64) -> Vec<u8> {
    let mut words = [8u64; TABLE_WORDS];
    words[..3].copy_from_slice(&[u64::from_le_bytes(*b"xdebugpy"), version << 16, 0]);
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}
