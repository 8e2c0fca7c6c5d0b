//! A small heap of CPython, made by hand for each version with a global interpreter lock that is
//! walked: a program's variables, and what the interpreter has around them.

use std::time::Duration;

use super::{
    Found, Interpreter, Limits, Offsets, finish,
    memory::Memory,
    offsets::{Attributes, Blocks, Generator, Keys, same},
    prepare,
    regions::{PAGE, Regions},
    walk::Walk,
};
use crate::{
    run::{Kind, Mapping},
    runtime::cpython::layout::Layout,
};

pub(super) const START: u64 = 0x100_0000;
pub(super) const BYTES: usize = 0x20_000;
/// All of it.
pub(super) const ALL: std::ops::Range<u64> = START..START + BYTES as u64;
/// How far apart types are: heap types have their keys near the end.
const TYPE_BYTES: u64 = 0x400;
pub(super) const TYPE: u64 = START;
pub(super) const STR: u64 = START + TYPE_BYTES;
pub(super) const DICT: u64 = START + 2 * TYPE_BYTES;
pub(super) const LIST: u64 = START + 3 * TYPE_BYTES;
const INT: u64 = START + 4 * TYPE_BYTES;
const MODULE: u64 = START + 5 * TYPE_BYTES;
const TUPLE: u64 = START + 6 * TYPE_BYTES;
const SET: u64 = START + 7 * TYPE_BYTES;
const DEQUE: u64 = START + 8 * TYPE_BYTES;
const FUNCTION: u64 = START + 9 * TYPE_BYTES;
const CODE: u64 = START + 10 * TYPE_BYTES;
const CELL: u64 = START + 11 * TYPE_BYTES;
const METHOD: u64 = START + 12 * TYPE_BYTES;
const FRAME: u64 = START + 13 * TYPE_BYTES;
const GENERATOR: u64 = START + 14 * TYPE_BYTES;
const OBJECT: u64 = START + 15 * TYPE_BYTES;
/// A class of the program.
const ARTICLE: u64 = START + 16 * TYPE_BYTES;
const RUNTIME: u64 = START + 17 * TYPE_BYTES;
const INTERPRETER: u64 = START + 18 * TYPE_BYTES;
const THREAD: u64 = START + 19 * TYPE_BYTES;
/// A pool of small blocks, for every size of pools.
const POOL: u64 = START + 0x8000;
/// Where other objects begin.
const OBJECTS: u64 = START + 0xc000;

/// What a type has of `tp_flags`.
pub(super) const READY: u64 = 1 << 12;
const COLLECTED: u64 = 1 << 14;

pub(super) struct Heap {
    pub(super) bytes: Vec<u8>,
    pub(super) next: u64,
    pub(super) offsets: Offsets,
    /// Everything that was made.
    pub(super) made: Vec<u64>,
    /// The program's function.
    pub(super) handler: u64,
}

/// Versions that are walked.
pub(super) fn versions() -> Vec<Offsets> {
    let by_number = (0x0308..=0x030c).filter_map(Offsets::of_version).copied();
    // Any places for the roots, as releases have them.
    let layout = Layout::of_version(0x030c_00f0).map(|layout| Layout {
        modules: 944,
        ..layout
    });
    let by_table = [0x030d, 0x030e].into_iter();
    let by_table = by_table.filter_map(|version| Offsets::of_table(version, false, &layout?));
    by_number.chain(by_table).collect()
}

impl Heap {
    pub(super) fn put(&mut self, at: u64, words: &[u64]) {
        let at = (at - START) as usize;
        for (to, word) in self.bytes[at..].chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
    }

    pub(super) fn word(&self, at: u64) -> u64 {
        let bytes = self.bytes[(at - START) as usize..].first_chunk().copied();
        u64::from_ne_bytes(bytes.unwrap_or_default())
    }

    fn put_bytes(&mut self, at: u64, bytes: &[u8]) {
        let at = (at - START) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Room for an object, with what stands in front of collected ones.
    pub(super) fn take(&mut self, bytes: u64) -> u64 {
        let at = self.next + 32;
        self.next = at + bytes.next_multiple_of(16);
        at
    }

    fn object(&mut self, bytes: u64, words: &[u64]) -> u64 {
        let at = self.take(bytes);
        self.put(at, words);
        self.made.push(at);
        at
    }

    /// A type: its flags, sizes, name.
    fn class(&mut self, at: u64, flags: u64, sizes: [u64; 2], name: &str) {
        self.put(at, &[1, TYPE]);
        self.put(at + same::NAME, &[at + 0x3c0, sizes[0], sizes[1]]);
        self.put(at + same::FLAGS, &[flags | READY]);
        self.put_bytes(at + 0x3c0, name.as_bytes());
    }

    fn classes(&mut self) {
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

    pub(super) fn text(&mut self, text: &str) -> u64 {
        let [ascii, _] = self.offsets.text;
        let state = 1 << 2 | 0x60;
        let length = text.len() as u64;
        let at = self.object(ascii + length + 1, &[1, STR, length, 7, state]);
        self.put_bytes(at + ascii, text.as_bytes());
        at
    }

    fn number(&mut self, number: u64) -> u64 {
        let count = if self.offsets.version >= 0x030c { 8 } else { 1 };
        self.object(28, &[1, INT, count, number])
    }

    pub(super) fn list(&mut self, items: &[u64]) -> u64 {
        let table = self.take(items.len() as u64 * 8);
        self.put(table, items);
        let count = items.len() as u64;
        self.object(40, &[1, LIST, count, table, count])
    }

    fn tuple(&mut self, items: &[u64]) -> u64 {
        let count = items.len() as u64;
        let first = self.offsets.tuple_items;
        let at = self.object(first + count * 8, &[1, TUPLE, count]);
        self.put(at + first, items);
        at
    }

    fn set(&mut self, items: &[u64]) -> u64 {
        let table = self.take(8 * 16);
        for (index, item) in (0..).zip(items) {
            self.put(table + index * 16, &[*item, 7]);
        }
        let count = items.len() as u64;
        self.object(200, &[1, SET, count, count, 7, table])
    }

    fn deque(&mut self, items: &[u64]) -> u64 {
        let block = self.take(66 * 8);
        self.put(block + 8 + 8 * 30, items);
        let at = self.object(64, &[1, DEQUE, items.len() as u64]);
        self.put(at + same::DEQUE_LEFT, &[block, block, 30]);
        at
    }

    /// Keys of 16 places, and values or none beside them.
    fn keys(&mut self, entries: &[(u64, u64)]) -> u64 {
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

    fn dict(&mut self, entries: &[(u64, u64)]) -> u64 {
        let keys = self.keys(entries);
        self.object(48, &[1, DICT, entries.len() as u64, 0, keys, 0])
    }

    fn module(&mut self, entries: &[(u64, u64)]) -> u64 {
        let dict = self.dict(entries);
        self.object(80, &[1, MODULE, dict])
    }

    /// A function with a default and a closed-over variable, and its code.
    fn function(&mut self, name: u64, local: u64, held: [u64; 2], globals: u64) -> (u64, u64) {
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

    /// A frame with two local variables and one thing on its stack.
    fn frame(&mut self, at: u64, code: u64, values: &[u64]) {
        let frame = self.offsets.frame;
        if frame.is_object {
            self.put(at, &[1, FRAME, 4]);
        }
        self.put(at + frame.code, &[code]);
        self.put(at + frame.locals, values);
    }

    fn generator(&mut self, code: u64, values: &[u64]) -> u64 {
        let at = self.object(240, &[1, GENERATOR, 8]);
        match self.offsets.generator {
            Generator::Object(offset) => {
                let frame = self.object(400, &[]);
                self.frame(frame, code, values);
                self.put(at + offset, &[frame]);
            }
            Generator::Inside { state, frame } => {
                self.frame(at + frame, code, values);
                self.put_bytes(at + state, &[0xfe]);
            }
        }
        at
    }

    /// A class with a slot, whose instances have an attribute beside it.
    fn article(&mut self, slot: &str, attribute: u64) {
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

    fn instance(&mut self, name: u64, attribute: u64, slot: u64) -> u64 {
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

    /// The program's variables, each text in one of them, but for one that two lists have.
    fn variables(&mut self, texts: &[u64]) -> Vec<(u64, u64)> {
        let names = [
            "data", "more", "by_key", "tags", "queue", "handler", "article", "body",
        ];
        let names = names.map(|name| self.text(name));
        let inner = self.list(&texts[..21]);
        let data = self.list(&[inner]);
        let more = self.list(&texts[20..40]);
        let by_key = self.dict(&[(texts[40], texts[41]), (texts[42], texts[43])]);
        let by_key = self.tuple(&[by_key]);
        let tags = self.set(&texts[44..46]);
        let queue = self.deque(&texts[46..49]);
        let (handler, code) = self.function(names[5], names[6], [texts[49], texts[50]], 0);
        self.handler = handler;
        self.article("slug", names[7]);
        let article = self.instance(names[7], texts[51], texts[52]);
        let method = self.object(48, &[1, METHOD, handler, article]);
        let suspended = self.generator(code, &[texts[53], method, texts[54]]);
        let running = self.object(400, &[]);
        self.frame(running, code, &[texts[55], suspended, texts[56]]);
        let frame = self.offsets.roots.frame;
        match frame.1 {
            None => self.put(THREAD + frame.0, &[running]),
            Some(offset) => {
                self.put(THREAD + frame.0, &[THREAD + 0x200]);
                self.put(THREAD + 0x200 + offset, &[running]);
            }
        }
        let values = [data, more, by_key, tags, queue, handler, article, method];
        names.into_iter().zip(values).collect()
    }

    /// A pool with blocks of 64 bytes, all in use.
    fn pool(&mut self) {
        let Blocks::Pools(bytes) = self.offsets.blocks else {
            return;
        };
        let last = bytes - 64;
        self.put(
            POOL,
            &[(bytes - 48) / 64, 0, 0, 0, 3 << 32, bytes | last << 32],
        );
        for block in 0..8 {
            self.put(POOL + 48 + block * 64, &[1, LIST, 0, 0, 0]);
        }
    }

    /// `app` with its variables and the texts that they hold; and the heap.
    pub(super) fn made(offsets: &Offsets) -> (Self, Vec<u64>) {
        let mut heap = Self {
            bytes: vec![0; BYTES],
            next: OBJECTS,
            offsets: *offsets,
            made: Vec::new(),
            handler: 0,
        };
        heap.classes();
        let texts: Vec<u64> = (0..57).map(|n| heap.text(&format!("text {n}"))).collect();
        let variables = heap.variables(&texts);
        let names = ["hexversion", "app", "sys"].map(|name| heap.text(name));
        let app = heap.module(&variables);
        let version = heap.number(u64::from(offsets.version) << 16 | 0xf0);
        let system = heap.module(&[(names[0], version)]);
        let modules = heap.dict(&[(names[1], app), (names[2], system)]);
        heap.pool();
        let roots = offsets.roots;
        heap.put(RUNTIME + roots.interpreters, &[INTERPRETER]);
        heap.put(INTERPRETER + roots.modules, &[modules]);
        heap.put(INTERPRETER + roots.threads, &[THREAD]);
        (heap, texts)
    }

    #[cfg(test)]
    pub(super) fn find(&self, addresses: Vec<u64>) -> Result<Found, &'static str> {
        self.find_in(addresses, &[ALL], u16::MAX)
    }

    /// Finds what holds these addresses, where only some ranges are mapped, and some of every 16
    /// pages present.
    pub(super) fn find_in(
        &self,
        addresses: Vec<u64>,
        mapped: &[std::ops::Range<u64>],
        present: u16,
    ) -> Result<Found, &'static str> {
        let (mut walk, pages) = self.walk(addresses, mapped, present)?;
        Ok(finish(&mut walk, &pages))
    }

    /// The walk that finds them, before it begins, and the pages of each address.
    pub(super) fn walk(
        &self,
        mut addresses: Vec<u64>,
        mapped: &[std::ops::Range<u64>],
        present: u16,
    ) -> Result<(Walk<'_>, Vec<u32>), &'static str> {
        addresses.sort_unstable();
        addresses.dedup();
        let pages = vec![1; addresses.len()];
        let mappings: Vec<Mapping> = mapped.iter().map(mapping).collect();
        let regions = Regions::of(&mappings, 1 << 10, |first, entries| {
            for (page, entry) in (first..).zip(entries.chunks_exact_mut(8)) {
                let bit = u64::from(present >> (page % 16) & 1);
                entry.copy_from_slice(&(bit << 63).to_ne_bytes());
            }
        });
        let read = move |at: u64, to: &mut [u8]| {
            let from = at
                .checked_sub(START)
                .and_then(|at| usize::try_from(at).ok());
            let found = from.and_then(|from| self.bytes.get(from..from.checked_add(to.len())?));
            found.map(|found| to.copy_from_slice(found)).is_some()
        };
        let memory = Memory::new(regions, 4 * PAGE as usize, Box::new(read));
        let interpreter = Interpreter {
            type_type: TYPE,
            runtime: RUNTIME,
            offsets: vec![self.offsets],
        };
        let limits = Limits {
            time: Duration::from_secs(2),
            ..Limits::default()
        };
        Ok((prepare(memory, &interpreter, addresses, limits)?, pages))
    }
}

pub(super) fn mapping(range: &std::ops::Range<u64>) -> Mapping {
    Mapping {
        start: range.start,
        end: range.end,
        name: "[anon]".into(),
        kind: Kind::Anon,
        perms: "rw-p".into(),
        offset: 0,
        resident_pages: 0,
        anonymous_pages: 0,
        huge_page_bytes: 0,
        mergeable: false,
    }
}
