//! Where an interpreter keeps its threads, frames and code, by version: from its own table
//! (`_Py_DebugOffsets`, 3.13 and later), or from its sources (3.11, 3.12). Offsets are in bytes. An
//! unknown version has no layout.

use cowtrace_common::python::{FRAME_BYTES, Interpreter, THREAD_BYTES};

/// The first bytes of the table.
const COOKIE: u64 = u64::from_le_bytes(*b"xdebugpy");
/// More words than any version's table has up to the last section read here.
pub(super) const TABLE_WORDS: usize = 128;
/// Largest plausible offset: an interpreter's state is a few hundred KiB.
pub(super) const MAX_OFFSET: u64 = 1 << 24;
/// `FRAME_OWNED_BY_CSTACK`, in 3.14 `FRAME_OWNED_BY_INTERPRETER`: this value and higher ones mark
/// frames of C code.
const OWNED_BY_C: u32 = 3;
/// `_status.active` of a thread's state, the fifth of its bits.
const ACTIVE: u64 = 1 << 4;
/// From the runtime of 3.11 to `gilstate.tstate_current`. Two mutexes of the C library lie in front of it, which have 48
/// bytes on arm64 (glibc) and 40 on x86-64.
const CURRENT_3_11: u64 = if cfg!(target_arch = "aarch64") {
    592
} else {
    576
};
/// No version has an owner this high.
const NO_OWNER: u32 = 0xff;

/// The offsets of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// From the runtime to the address of the first interpreter.
    pub(super) interpreters_head: u64,
    /// Length of an interpreter's state; 0 if there is no table.
    pub(super) interpreter_bytes: u64,
    /// From an interpreter to the address of the next one.
    pub(super) interpreter_next: u64,
    /// From an interpreter to its number.
    pub(super) interpreter_id: u64,
    /// From an interpreter to the address of its first thread.
    pub(super) threads_head: u64,
    /// The kernel side's offsets. Of its addresses, `interpreters_head` is still unknown, and `current_thread` counts
    /// from the start of the runtime.
    pub(super) walk: Interpreter,
    pub(super) code: CodeLayout,
    pub(super) text: TextLayout,
    /// From an interpreter to the address of its modules; 0 if the table does not have it.
    pub(super) modules: u64,
}

/// Members of `PyCodeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CodeLayout {
    pub(super) filename: u64,
    pub(super) qualname: u64,
    pub(super) linetable: u64,
    pub(super) firstlineno: u64,
    /// The bytecode.
    pub(super) instructions: u64,
}

/// Members of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextLayout {
    /// Characters of an ASCII string.
    pub(super) ascii: u64,
    /// Characters of any other.
    pub(super) other: u64,
}

impl Layout {
    /// The layout of a version (`PY_VERSION_HEX`) without a table.
    pub(super) fn of_version(version: u64) -> Option<Self> {
        // Offsets from the sources, the same in all their releases; tests/tests/kernel/lines.rs checks
        // them against the interpreters.
        match version >> 16 {
            0x030b => Some(Self {
                interpreters_head: 40,
                interpreter_bytes: 0,
                interpreter_next: 0,
                interpreter_id: 48,
                threads_head: 16,
                walk: Interpreter {
                    interpreters_head: 0,
                    current_thread: CURRENT_3_11,
                    active_bit: 0,
                    interpreter_next: 0,
                    interpreter_threads: 16,
                    thread_status: 0,
                    thread_next: 8,
                    thread_id: 152,
                    thread_frame: 56,
                    has_cframe: 1,
                    cframe_frame: 8,
                    frame_code: 32,
                    frame_previous: 48,
                    frame_instruction: 56,
                    frame_owner: 69,
                    skipped_owner: NO_OWNER,
                    unused: 0,
                },
                code: CodeLayout {
                    filename: 112,
                    qualname: 128,
                    linetable: 136,
                    firstlineno: 72,
                    instructions: 184,
                },
                text: TextLayout {
                    ascii: 48,
                    other: 72,
                },
                modules: 0,
            }),
            0x030c => Some(Self {
                interpreters_head: 40,
                interpreter_bytes: 0,
                interpreter_next: 0,
                interpreter_id: 8,
                threads_head: 72,
                walk: Interpreter {
                    interpreters_head: 0,
                    current_thread: 0,
                    active_bit: ACTIVE,
                    interpreter_next: 0,
                    interpreter_threads: 72,
                    thread_status: 24,
                    thread_next: 8,
                    thread_id: 136,
                    thread_frame: 56,
                    has_cframe: 1,
                    cframe_frame: 0,
                    frame_code: 0,
                    frame_previous: 8,
                    frame_instruction: 56,
                    frame_owner: 70,
                    skipped_owner: OWNED_BY_C,
                    unused: 0,
                },
                code: CodeLayout {
                    filename: 112,
                    qualname: 128,
                    linetable: 136,
                    firstlineno: 68,
                    instructions: 192,
                },
                text: TextLayout {
                    ascii: 40,
                    other: 56,
                },
                modules: 0,
            }),
            _ => None,
        }
    }

    /// The layout from the table at the beginning of a runtime; none if it is not a table, or its
    /// version's table is unknown.
    pub(super) fn of_table(words: &[u64; TABLE_WORDS]) -> Option<Self> {
        let [cookie, version, ..] = *words;
        if cookie != COOKIE {
            return None;
        }
        let table = OffsetTable {
            words,
            sections: sections(version >> 16)?,
        };
        let layout = Self {
            interpreters_head: table.word(Section::Runtime, 2)?,
            interpreter_bytes: table.word(Section::Interpreter, 0)?,
            interpreter_next: table.word(Section::Interpreter, 2)?,
            interpreter_id: table.word(Section::Interpreter, 1)?,
            threads_head: table.word(Section::Interpreter, 3)?,
            walk: table.walk(version >> 16)?,
            code: CodeLayout {
                filename: table.word(Section::Code, 1)?,
                qualname: table.word(Section::Code, 3)?,
                linetable: table.word(Section::Code, 4)?,
                firstlineno: table.word(Section::Code, 5)?,
                instructions: table.word(Section::Code, 9)?,
            },
            text: {
                let ascii = table.word(Section::Text, 3)?;
                // `PyCompactUnicodeObject` has two more words.
                TextLayout {
                    ascii,
                    other: ascii + 16,
                }
            },
            modules: {
                // `threads_main` came with 3.14.
                let index = if version >> 16 >= 0x030e { 6 } else { 5 };
                table.word(Section::Interpreter, index)?
            },
        };
        layout.is_walkable().then_some(layout)
    }

    /// Whether the kernel side can read as far as these offsets.
    fn is_walkable(&self) -> bool {
        let within = |offsets: &[u32], bytes: usize| {
            offsets
                .iter()
                .all(|&offset| offset as usize + 8 <= bytes.next_multiple_of(8))
        };
        let walk = &self.walk;
        let words = [
            walk.thread_next,
            walk.thread_id,
            walk.thread_frame,
            walk.thread_status,
            walk.frame_code,
            walk.frame_previous,
            walk.frame_instruction,
        ];
        words.iter().all(|offset| offset.is_multiple_of(8))
            && within(&words[..4], THREAD_BYTES)
            && within(&words[4..], FRAME_BYTES)
            && within(&[walk.frame_owner & !7], FRAME_BYTES)
    }
}

/// The version of a table (major and minor in two bytes), and whether that build has no global
/// interpreter lock; none if it is not a table.
pub(super) fn version_of(words: &[u64; TABLE_WORDS]) -> Option<(u64, bool)> {
    let [cookie, version, free_threaded, ..] = *words;
    (cookie == COOKIE).then_some(((version & 0xffff_ffff) >> 16, free_threaded != 0))
}

/// Parts of the table whose place differs between versions.
#[derive(Clone, Copy)]
enum Section {
    Runtime,
    Interpreter,
    Thread,
    Frame,
    Code,
    Text,
}

/// Indexes of the sections' first words, in the order of [`Section`].
type Sections = [usize; 6];

/// From the lengths of the sections in `Include/internal/pycore_debug_offsets.h`.
const fn sections(version: u64) -> Option<Sections> {
    // Interpreter, thread, frame, code; then up to the string section: object, type, tuple, list,
    // set, dict, float, long, bytes, and others between.
    let (interpreter, thread, frame, code, others) = match version {
        0x030d => (13, 9, 6, 10, 2 + 4 + 3 + 3 + 3 + 2 + 3 + 3),
        0x030e => (16, 9, 8, 11, 2 + 4 + 3 + 3 + 4 + 3 + 2 + 3 + 3),
        0x030f => (16, 16 + 1, 8, 11, 2 + 6 + 2 + 3 + 3 + 4 + 3 + 2 + 3 + 3),
        _ => return None,
    };
    let at_interpreter = 6;
    let at_thread = at_interpreter + interpreter;
    let at_frame = at_thread + thread;
    let at_code = at_frame + frame;
    let at_text = at_code + code + others;
    Some([3, at_interpreter, at_thread, at_frame, at_code, at_text])
}

struct OffsetTable<'a> {
    words: &'a [u64; TABLE_WORDS],
    sections: Sections,
}

impl OffsetTable<'_> {
    fn word(&self, section: Section, index: usize) -> Option<u64> {
        let word = *self.words.get(self.sections[section as usize] + index)?;
        (word < MAX_OFFSET).then_some(word)
    }

    fn walk(&self, version: u64) -> Option<Interpreter> {
        let offset = |section, index| u32::try_from(self.word(section, index)?).ok();
        let thread_id = if version >= 0x030f { 8 } else { 5 };
        let status = offset(Section::Thread, thread_id + 3)?;
        Some(Interpreter {
            interpreters_head: 0,
            current_thread: 0,
            active_bit: ACTIVE << (8 * (status & 7)),
            interpreter_next: offset(Section::Interpreter, 2)?,
            interpreter_threads: offset(Section::Interpreter, 3)?,
            thread_status: status & !7,
            thread_next: offset(Section::Thread, 2)?,
            thread_id: offset(Section::Thread, thread_id)?,
            thread_frame: offset(Section::Thread, 4)?,
            has_cframe: 0,
            cframe_frame: 0,
            frame_code: offset(Section::Frame, 2)?,
            frame_previous: offset(Section::Frame, 1)?,
            frame_instruction: offset(Section::Frame, 3)?,
            frame_owner: offset(Section::Frame, 5)?,
            skipped_owner: OWNED_BY_C,
            unused: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first words of a version's table, all offsets 0.
    fn empty(version: u64) -> [u64; TABLE_WORDS] {
        let mut words = [0; TABLE_WORDS];
        words[0] = COOKIE;
        words[1] = version;
        words
    }

    #[test]
    fn sections_are_where_the_headers_have_them() {
        // Words before the thread's, the frame's, the code's and the string's section, counted in
        // the headers of 3.13.0, 3.14.10 and 3.15.2.
        assert_eq!(sections(0x030d), Some([3, 6, 19, 28, 34, 67]));
        assert_eq!(sections(0x030e), Some([3, 6, 22, 31, 39, 77]));
        assert_eq!(sections(0x030f), Some([3, 6, 22, 39, 47, 89]));
        assert_eq!(sections(0x0310), None);
    }

    #[test]
    fn an_unknown_version_has_no_layout() {
        assert!(Layout::of_version(0x030c_01f0).is_some());
        assert!(Layout::of_version(0x030a_0df0).is_none());
        assert!(Layout::of_table(&empty(0x030d_00f0)).is_some());
        assert!(Layout::of_table(&empty(0x0310_00f0)).is_none());
        let mut other = empty(0x030d_00f0);
        other[0] = 0;
        assert!(Layout::of_table(&other).is_none());
    }

    #[test]
    fn offsets_that_the_walk_cannot_reach_are_refused() {
        let mut words = empty(0x030d_00f0);
        words[24] = 248;
        assert!(Layout::of_table(&words).is_some());
        words[24] = 256;
        assert!(Layout::of_table(&words).is_none());
        words[24] = 100;
        assert!(Layout::of_table(&words).is_none());
    }

    proptest! {
        #[test]
        fn any_table_is_walked_within_bounds(
            version in 0x030cu64..0x0311,
            words in proptest::collection::vec(0u64..300, TABLE_WORDS),
        ) {
            let mut table = empty(version << 16);
            table[3..].copy_from_slice(&words[3..]);
            if let Some(layout) = Layout::of_table(&table) {
                prop_assert!(layout.walk.thread_id as usize + 8 <= THREAD_BYTES);
                prop_assert!((layout.walk.frame_owner as usize) < FRAME_BYTES);
            }
        }
    }
}
