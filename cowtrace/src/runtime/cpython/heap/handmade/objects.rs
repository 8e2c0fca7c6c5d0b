//! Objects of a handmade heap.

use super::super::{
    offsets::{Attributes, Generator, Keys, Offsets},
    same,
};

pub(crate) const START: u64 = 0x100_0000;
pub(crate) const BYTES: usize = 0x21_000;
/// Size of the whole heap.
pub(crate) const ALL: std::ops::Range<u64> = START..START + BYTES as u64;
/// Distance between types: heap types have their keys near the end.
pub(super) const TYPE_BYTES: u64 = 0x400;
pub(super) const TYPE: u64 = START;
pub(super) const STR: u64 = START + TYPE_BYTES;
pub(super) const DICT: u64 = START + 2 * TYPE_BYTES;
pub(crate) const LIST: u64 = START + 3 * TYPE_BYTES;
pub(super) const INT: u64 = START + 4 * TYPE_BYTES;
pub(super) const MODULE: u64 = START + 5 * TYPE_BYTES;
pub(super) const TUPLE: u64 = START + 6 * TYPE_BYTES;
pub(super) const SET: u64 = START + 7 * TYPE_BYTES;
pub(super) const DEQUE: u64 = START + 8 * TYPE_BYTES;
pub(super) const FUNCTION: u64 = START + 9 * TYPE_BYTES;
pub(super) const CODE: u64 = START + 10 * TYPE_BYTES;
pub(super) const CELL: u64 = START + 11 * TYPE_BYTES;
pub(super) const METHOD: u64 = START + 12 * TYPE_BYTES;
pub(super) const FRAME: u64 = START + 13 * TYPE_BYTES;
pub(super) const GENERATOR: u64 = START + 14 * TYPE_BYTES;
pub(super) const OBJECT: u64 = START + 15 * TYPE_BYTES;
/// A class of the program.
pub(super) const ARTICLE: u64 = START + 16 * TYPE_BYTES;
pub(super) const RUNTIME: u64 = START + 17 * TYPE_BYTES;
/// At the end of the memory, which ends the search in it.
pub(super) const INTERPRETER: u64 = ALL.end - 2 * TYPE_BYTES;
pub(super) const THREAD: u64 = START + 19 * TYPE_BYTES;
/// The state of an interpreter beside the main one.
pub(super) const OTHER_INTERPRETER: u64 = ALL.end - TYPE_BYTES;
/// Of an array, of what says what its items are, of a mapping, and of what makes up a table with columns.
pub(super) const ARRAY: u64 = START + 21 * TYPE_BYTES;
pub(super) const DTYPE: u64 = START + 22 * TYPE_BYTES;
pub(super) const MAPPING: u64 = START + 23 * TYPE_BYTES;
pub(super) const BLOCKS: u64 = START + 24 * TYPE_BYTES;
pub(super) const BLOCK: u64 = START + 25 * TYPE_BYTES;
pub(super) const PLACEMENT: u64 = START + 26 * TYPE_BYTES;
pub(super) const INDEX: u64 = START + 27 * TYPE_BYTES;
/// A pool of small blocks, for every size of pools.
pub(super) const POOL: u64 = START + 0x8000;
/// Where other objects begin.
pub(super) const OBJECTS: u64 = START + 0xc000;

/// Bits of a type's `tp_flags`.
pub(super) const READY: u64 = 1 << 12;
pub(super) const COLLECTED: u64 = 1 << 14;

pub(crate) struct Heap {
    pub(crate) bytes: Vec<u8>,
    pub(crate) next: u64,
    pub(crate) offsets: Offsets,
    /// All objects made so far.
    pub(crate) made: Vec<u64>,
    /// The program's function.
    pub(crate) handler: u64,
}

impl Heap {
    pub(crate) fn put(&mut self, at: u64, words: &[u64]) {
        let at = (at - START) as usize;
        for (to, word) in self.bytes[at..].chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
    }

    pub(crate) fn word(&self, at: u64) -> u64 {
        let bytes = self.bytes[(at - START) as usize..].first_chunk().copied();
        u64::from_ne_bytes(bytes.unwrap_or_default())
    }

    pub(super) fn put_bytes(&mut self, at: u64, bytes: &[u8]) {
        let at = (at - START) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Room for an object, with the header before collected ones.
    pub(crate) fn take(&mut self, bytes: u64) -> u64 {
        let at = self.next + 32;
        self.next = at + bytes.next_multiple_of(16);
        at
    }

    pub(super) fn object(&mut self, bytes: u64, words: &[u64]) -> u64 {
        let at = self.take(bytes);
        self.put(at, words);
        self.made.push(at);
        at
    }

    /// A type: its flags, sizes and name.
    pub(super) fn class(&mut self, at: u64, flags: u64, sizes: [u64; 2], name: &str) {
        self.put(at, &[1, TYPE]);
        self.put(at + same::NAME, &[at + 0x3c0, sizes[0], sizes[1]]);
        self.put(at + same::FLAGS, &[flags | READY]);
        self.put_bytes(at + 0x3c0, name.as_bytes());
    }

    pub(super) fn classes(&mut self) {
        let tuple = self.offsets.tuple_items;
        let of_frame = match self.offsets.generator {
            Generator::Object(_) => 0,
            Generator::Inside { .. } => 8,
        };
        for (at, flags, sizes, name) in [
            (TYPE, 1 << 31, [880, 40], "type"),
            (STR, 1 << 28, [80, 0], "str"),
            (DICT, 1 << 29, [48, 0], "dict"),
            (LIST, 1 << 25, [40, 0], "list"),
            (INT, 1 << 24, [24, 4], "int"),
            (MODULE, 0, [80, 0], "module"),
            (TUPLE, 1 << 26, [tuple, 8], "tuple"),
            (SET, 0, [200, 0], "set"),
            (DEQUE, 0, [64, 0], "collections.deque"),
            (FUNCTION, 0, [160, 0], "function"),
            (CODE, 0, [200, 0], "code"),
            (CELL, 0, [24, 0], "cell"),
            (METHOD, 0, [48, 0], "method"),
            (FRAME, 0, [360, 8], "frame"),
            (GENERATOR, 0, [120, of_frame], "generator"),
            (OBJECT, 0, [16, 0], "object"),
        ] {
            self.class(at, flags, sizes, name);
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> u64 {
        let [ascii, _] = self.offsets.text;
        let state = 1 << 2 | 0x60;
        let length = text.len() as u64;
        let at = self.object(ascii + length + 1, &[1, STR, length, 7, state]);
        self.put_bytes(at + ascii, text.as_bytes());
        at
    }

    pub(super) fn number(&mut self, number: u64) -> u64 {
        let count = if self.offsets.version >= 0x030c { 8 } else { 1 };
        self.object(28, &[1, INT, count, number])
    }

    pub(crate) fn list(&mut self, items: &[u64]) -> u64 {
        let table = self.take(items.len() as u64 * 8);
        self.put(table, items);
        let count = items.len() as u64;
        self.object(40, &[1, LIST, count, table, count])
    }

    pub(super) fn tuple(&mut self, items: &[u64]) -> u64 {
        let count = items.len() as u64;
        let first = self.offsets.tuple_items;
        let at = self.object(first + count * 8, &[1, TUPLE, count]);
        self.put(at + first, items);
        at
    }

    pub(super) fn set(&mut self, items: &[u64]) -> u64 {
        let table = self.take(8 * 16);
        for (index, item) in (0..).zip(items) {
            self.put(table + index * 16, &[*item, 7]);
        }
        let count = items.len() as u64;
        self.object(200, &[1, SET, count, count, 7, table])
    }

    pub(super) fn deque(&mut self, items: &[u64]) -> u64 {
        let block = self.take(66 * 8);
        self.put(block + 8 + 8 * 30, items);
        let at = self.object(64, &[1, DEQUE, items.len() as u64]);
        self.put(at + same::DEQUE_LEFT, &[block, block, 30]);
        at
    }

    /// Keys with 16 slots, with or without values beside them.
    pub(super) fn keys(&mut self, entries: &[(u64, u64)]) -> u64 {
        let count = entries.len() as u64;
        let keys = self.take(56 + 10 * 24);
        let (entries_at, has_hash) = match self.offsets.keys {
            Keys::Counted => {
                self.put(keys, &[1, 16, 0, 10 - count, count]);
                (keys + 40 + 16, true)
            }
            Keys::Logarithmic => {
                self.put(keys, &[1, 4 | 4 << 8 | 1 << 16, 10 - count, count]);
                (keys + 32 + 16, false)
            }
        };
        for (index, (key, value)) in (0..).zip(entries) {
            if has_hash {
                self.put(entries_at + index * 24, &[7, *key, *value]);
            } else {
                self.put(entries_at + index * 16, &[*key, *value]);
            }
        }
        keys
    }

    pub(super) fn dict(&mut self, entries: &[(u64, u64)]) -> u64 {
        let keys = self.keys(entries);
        self.object(48, &[1, DICT, entries.len() as u64, 0, keys, 0])
    }

    pub(super) fn module(&mut self, entries: &[(u64, u64)]) -> u64 {
        let dict = self.dict(entries);
        self.object(80, &[1, MODULE, dict])
    }

    /// A function with a default and a closed-over variable, and its code.
    pub(super) fn function(
        &mut self,
        name: u64,
        local: u64,
        held: [u64; 2],
        globals: u64,
    ) -> (u64, u64) {
        let (code_at, at) = (self.take(200), self.take(160));
        let (locals, cell) = (
            self.tuple(&[local, name]),
            self.object(24, &[1, CELL, held[0]]),
        );
        let (closure, defaults) = (self.tuple(&[cell]), self.tuple(&[held[1]]));
        let code = self.offsets.code;
        self.put(code_at, &[1, CODE]);
        for offset in code.locals.iter().chain([&code.free]) {
            self.put(code_at + offset, &[locals]);
        }
        self.put(code_at + code.name, &[name]);
        self.put(code_at + code.stack_size, &[2]);
        let function = self.offsets.function;
        self.put(at, &[1, FUNCTION]);
        for (offset, value) in [
            (function.code, code_at),
            (function.closure, closure),
            (function.defaults, defaults),
            (function.globals, globals),
            (function.texts[1], name),
        ] {
            self.put(at + offset, &[value]);
        }
        self.made.extend([code_at, at]);
        (at, code_at)
    }

    /// A frame with two local variables and one value on its stack.
    pub(super) fn frame(&mut self, at: u64, code: u64, values: &[u64]) {
        let frame = self.offsets.frame;
        if frame.is_object {
            self.put(at, &[1, FRAME, 4]);
        }
        self.put(at + frame.code, &[code]);
        self.put(at + frame.locals, values);
    }

    pub(super) fn generator(&mut self, code: u64, values: &[u64]) -> u64 {
        let at = self.object(240, &[1, GENERATOR, 8]);
        match self.offsets.generator {
            Generator::Object(offset) => {
                let frame = self.object(400, &[]);
                self.frame(frame, code, values);
                self.put(at + offset, &[frame]);
            }
            Generator::Inside {
                state,
                frame,
                running,
            } => {
                self.frame(at + frame, code, values);
                self.put_bytes(at + state, &(running - 2).to_ne_bytes());
            }
        }
        at
    }

    /// A class with a slot, whose instances also have an attribute outside it.
    pub(super) fn article(&mut self, slot: &str, attribute: u64) {
        const SLOT: u64 = 24;
        let flags = COLLECTED | 1 << 9;
        let (managed, size) = match self.offsets.attributes {
            Attributes::Dict => (0, 32),
            Attributes::Before | Attributes::Tagged => (1 << 4, 32),
            Attributes::Inline => (1 << 4 | 1 << 2, 32),
        };
        self.class(ARTICLE, flags | managed, [size, 0], "Article");
        let (members, name) = (self.take(80), self.take(16));
        self.put_bytes(name, slot.as_bytes());
        self.put(members, &[name, 6, SLOT]);
        self.put(ARTICLE + same::MEMBERS, &[members]);
        self.put(ARTICLE + same::BASE, &[OBJECT]);
        let bases = self.tuple(&[OBJECT]);
        self.put(ARTICLE + same::BASES, &[bases]);
        if managed == 0 {
            self.put(ARTICLE + same::DICT_OFFSET, &[16]);
        }
        let keys = self.keys(&[(attribute, 0)]);
        self.put(ARTICLE + self.offsets.cached_keys, &[keys]);
    }

    pub(super) fn instance(&mut self, name: u64, attribute: u64, slot: u64) -> u64 {
        let at = self.object(32 + 16, &[1, ARTICLE, 0, slot]);
        match self.offsets.attributes {
            Attributes::Dict => {
                let dict = self.dict(&[(name, attribute)]);
                self.put(at + 16, &[dict]);
            }
            Attributes::Before | Attributes::Tagged => {
                let values = self.take(16) + 8;
                self.put(values - 8, &[8 << 56, attribute]);
                if self.offsets.attributes == Attributes::Before {
                    self.put(at - 32, &[values]);
                } else {
                    self.put(at - 24, &[values - 1]);
                }
            }
            Attributes::Inline => self.put(at + 32, &[1 | 1 << 24, attribute]),
        }
        at
    }
}
