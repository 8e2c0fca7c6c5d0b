//! Names of Python frames: function, file and line of an instruction in a code object. They are
//! read from the process's memory, and every value is checked.

use std::collections::HashMap;

use cowtrace_common::python::WalkedFrame;

use super::{
    layout::{CodeLayout, Layout, TextLayout},
    lines,
    objects::ObjectLayout,
};
use crate::{memory, run::PythonFrame};

/// Longer names and paths are cut, characters.
pub(super) const MAX_TEXT: u64 = 512;
/// Longest table of lines that is read, bytes.
pub(super) const MAX_TABLE: usize = 1 << 20;
/// Longest plausible bytecode, bytes.
const MAX_CODE: u64 = 16 << 20;
/// Most code objects that are kept: about 16 MiB. Frames of others have no name.
const MAX_CODES: usize = 32_768;
/// Most bytes of names and tables of lines, for all code objects together. Without this bound a
/// process could make each of them as long as allowed, at little cost.
const MAX_KEPT: usize = 64 << 20;

/// A code object.
pub(super) struct CodeObject {
    pub(super) function: String,
    pub(super) file: String,
    pub(super) first_line: u32,
    pub(super) table: Vec<u8>,
}

impl CodeObject {
    fn bytes(&self) -> usize {
        self.function.len() + self.file.len() + self.table.len()
    }
}

/// Code objects seen so far, by address.
pub(super) struct Codes {
    layout: Layout,
    objects: &'static ObjectLayout,
    /// Address of the type of code objects, once one was seen.
    code_type: Option<u64>,
    known: HashMap<u64, Option<CodeObject>>,
    /// Bytes of names and tables in `known`.
    kept: usize,
}

impl Codes {
    pub(super) fn new(layout: Layout, objects: &'static ObjectLayout) -> Self {
        Self {
            layout,
            objects,
            code_type: None,
            known: HashMap::new(),
            kept: 0,
        }
    }

    /// Names a frame, from the first process that has its code.
    pub(super) fn name(
        &mut self,
        frame: WalkedFrame,
        pids: &[u32],
        mut is_code: impl FnMut(u64) -> bool,
    ) -> Option<PythonFrame> {
        if !self.known.contains_key(&frame.code) {
            if self.known.len() >= MAX_CODES {
                return None;
            }
            let found = pids.iter().find_map(|&pid| {
                let read = |at: u64, to: &mut [u8]| memory::read_target(pid, at, to);
                self.read(frame.code, read, &mut is_code)
            });
            if pids
                .iter()
                .all(|&pid| memory::read_word(pid, frame.code).is_none())
            {
                // No process is left to read; perhaps next time.
                return None;
            }
            self.keep(frame.code, found);
        }
        let code = self.known.get(&frame.code)?.as_ref()?;
        let start = frame.code.checked_add(self.layout.code.instructions)?;
        let line = frame
            .instruction
            .checked_sub(start)
            .filter(|offset| *offset < MAX_CODE)
            .and_then(|offset| lines::line_at(&code.table, code.first_line, offset));
        Some(PythonFrame {
            function: code.function.clone(),
            file: code.file.clone(),
            line,
        })
    }

    /// Remembers a code object, or an address without a name; if there is no room for it, it gets
    /// no name.
    fn keep(&mut self, address: u64, found: Option<CodeObject>) {
        let found = found.filter(|code| self.kept + code.bytes() <= MAX_KEPT);
        self.kept += found.as_ref().map_or(0, CodeObject::bytes);
        self.known.insert(address, found);
    }

    pub(super) fn read(
        &mut self,
        address: u64,
        read: impl Fn(u64, &mut [u8]) -> bool,
        is_code: &mut impl FnMut(u64) -> bool,
    ) -> Option<CodeObject> {
        let code_type = read_word(&read, address.checked_add(self.objects.ob_type)?)?;
        if self.code_type != Some(code_type) {
            if !is_code(code_type) {
                return None;
            }
            self.code_type = Some(code_type);
        }
        let CodeLayout {
            filename,
            qualname,
            linetable,
            firstlineno,
            ..
        } = self.layout.code;
        let member = |offset: u64| read_word(&read, address.checked_add(offset)?);
        let first_line = u32::from_ne_bytes(fixed(&read, address.checked_add(firstlineno)?)?);
        Some(CodeObject {
            function: read_text(self.objects, self.layout.text, member(qualname)?, &read)?,
            file: read_text(self.objects, self.layout.text, member(filename)?, &read)?,
            first_line,
            table: read_bytes_object(self.objects, member(linetable)?, &read).unwrap_or_default(),
        })
    }
}

/// The characters of a string object.
fn read_text(
    objects: &ObjectLayout,
    layout: TextLayout,
    address: u64,
    read: &impl Fn(u64, &mut [u8]) -> bool,
) -> Option<String> {
    let length = read_word(read, address.checked_add(objects.text_length)?)?;
    let length = usize::try_from(length.min(MAX_TEXT)).ok()?;
    let state = u32::from_ne_bytes(fixed(read, address.checked_add(objects.text_state)?)?);
    let (width, is_ascii) = objects
        .text_kind
        .iter()
        .find_map(|bit| compact(state >> bit))?;
    let data = if is_ascii { layout.ascii } else { layout.other };
    let mut bytes = vec![0; length * width];
    if !read(address.checked_add(data)?, &mut bytes) {
        return None;
    }
    let characters = bytes.chunks_exact(width).map(|bytes| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        char::from_u32(u32::from_le_bytes(word)).unwrap_or(char::REPLACEMENT_CHARACTER)
    });
    Some(characters.collect())
}

/// Bytes per character and whether it is ASCII, for a string whose characters follow its header.
/// That is every string except those of old extensions. The state's bits: 3 for the size, compact,
/// ASCII.
fn compact(state: u32) -> Option<(usize, bool)> {
    let width = match state & 7 {
        1 => 1,
        2 => 2,
        4 => 4,
        _ => return None,
    };
    (state & 0x8 != 0).then_some((width, state & 0x10 != 0))
}

/// The content of a bytes object.
fn read_bytes_object(
    objects: &ObjectLayout,
    address: u64,
    read: &impl Fn(u64, &mut [u8]) -> bool,
) -> Option<Vec<u8>> {
    let size = read_word(read, address.checked_add(objects.bytes_size)?)?;
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= MAX_TABLE)?;
    let mut bytes = vec![0; size];
    read(address.checked_add(objects.bytes_data)?, &mut bytes).then_some(bytes)
}

fn read_word(read: &impl Fn(u64, &mut [u8]) -> bool, address: u64) -> Option<u64> {
    fixed(read, address).map(u64::from_ne_bytes)
}

fn fixed<const BYTES: usize>(
    read: &impl Fn(u64, &mut [u8]) -> bool,
    address: u64,
) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    read(address, &mut bytes).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::cpython::objects::WITH_LOCK;
    use proptest::prelude::*;

    const CODE: u64 = 0x10_0000;
    const CODE_TYPE: u64 = 0x7000;
    const NAME: u64 = 0x10_0400;
    const FILE: u64 = 0x10_0500;
    const LINES: u64 = 0x10_0600;

    /// Memory of CPython 3.12 with a code object, its names and its table of lines.
    fn memory() -> Vec<u8> {
        let layout = Layout::of_version(0x030c_01f0).unwrap();
        let mut bytes = vec![0; 0x1000];
        let mut put = |at: u64, value: &[u8]| {
            let at = usize::try_from(at - CODE).unwrap();
            bytes[at..at + value.len()].copy_from_slice(value);
        };
        for (member, value) in [
            (WITH_LOCK.ob_type, CODE_TYPE),
            (layout.code.qualname, NAME),
            (layout.code.filename, FILE),
            (layout.code.linetable, LINES),
        ] {
            put(CODE + member, &value.to_ne_bytes());
        }
        put(CODE + layout.code.firstlineno, &41u32.to_ne_bytes());
        // ASCII, and two bytes per character.
        put(NAME + WITH_LOCK.text_length, &5u64.to_ne_bytes());
        put(
            NAME + WITH_LOCK.text_state,
            &(1u32 << 2 | 0x60).to_ne_bytes(),
        );
        put(NAME + layout.text.ascii, b"A.get");
        put(FILE + WITH_LOCK.text_length, &3u64.to_ne_bytes());
        put(
            FILE + WITH_LOCK.text_state,
            &(2u32 << 2 | 0x20).to_ne_bytes(),
        );
        put(FILE + layout.text.other, &[0x16, 0x04, b'.', 0, b'p', 0]);
        // The first line, then the next.
        put(LINES + WITH_LOCK.bytes_size, &5u64.to_ne_bytes());
        put(
            LINES + WITH_LOCK.bytes_data,
            &[0x80, 0, 0x80 | (11 << 3), 0, 0],
        );
        bytes
    }

    fn read_in(bytes: &[u8]) -> impl Fn(u64, &mut [u8]) -> bool {
        move |at, into| {
            let from = at.checked_sub(CODE).and_then(|at| usize::try_from(at).ok());
            let found = from.and_then(|from| bytes.get(from..from.checked_add(into.len())?));
            found.map(|found| into.copy_from_slice(found)).is_some()
        }
    }

    fn codes() -> Codes {
        Codes::new(Layout::of_version(0x030c_01f0).unwrap(), &WITH_LOCK)
    }

    #[test]
    fn a_code_object_is_named_with_its_lines() {
        let bytes = memory();
        let code = codes()
            .read(CODE, read_in(&bytes), &mut |it| it == CODE_TYPE)
            .unwrap();
        assert_eq!((&*code.function, &*code.file), ("A.get", "Ж.p"));
        let line = |offset| lines::line_at(&code.table, code.first_line, offset);
        assert_eq!([line(0), line(2), line(4)], [Some(41), Some(42), None]);
    }

    #[test]
    fn the_tables_of_all_code_objects_have_a_bound() {
        let mut codes = codes();
        for address in 0..100 {
            let code = CodeObject {
                function: "f".into(),
                file: "f.py".into(),
                first_line: 1,
                table: vec![0; MAX_TABLE],
            };
            codes.keep(address, Some(code));
        }
        let kept: Vec<&CodeObject> = codes.known.values().flatten().collect();
        assert_eq!(
            kept.iter().map(|code| code.bytes()).sum::<usize>(),
            codes.kept
        );
        assert_eq!((kept.len(), codes.known.len()), (63, 100));
    }

    #[test]
    fn what_is_no_code_has_no_name() {
        let bytes = memory();
        let name = |address, is_code: bool| {
            codes()
                .read(address, read_in(&bytes), &mut |_| is_code)
                .map(|code| code.function)
        };
        assert_eq!(name(CODE, false), None);
        assert_eq!(name(u64::MAX - 3, true), None);
        assert_eq!(name(CODE + 0xff0, true), None);
    }

    proptest! {
        #[test]
        fn garbage_is_no_crash(
            changes in proptest::collection::vec((0usize..0x1000, any::<u8>()), 0..64),
            address in any::<u64>(),
        ) {
            let mut bytes = memory();
            for (at, value) in changes {
                bytes[at] = value;
            }
            for address in [CODE, address] {
                let code = codes().read(address, read_in(&bytes), &mut |_| true);
                if let Some(code) = code {
                    prop_assert!(code.function.chars().count() as u64 <= MAX_TEXT);
                    let _ = lines::line_at(&code.table, code.first_line, 100);
                }
            }
        }
    }
}
