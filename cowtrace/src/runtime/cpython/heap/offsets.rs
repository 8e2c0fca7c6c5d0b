//! The offsets that the walk needs, for each version. They are in bytes, from the headers of builds
//! on x86-64, and the same on arm64, because nothing in front of these members depends on the processor (a mutex
//! of the C library would); a version that is not listed is not walked. Offsets of objects' members are those of
//! builds with a global interpreter lock; for builds without, [`Header::longer`] is added.

use super::{super::layout::Layout, header::Header, regions};

/// The differences between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offsets {
    /// Major and minor, as in `PY_VERSION_HEX` >> 16.
    pub(super) version: u32,
    pub(super) header: Header,
    pub(super) tuple_items: u64,
    /// Bytes before a list's items that belong to them: their capacity.
    pub(super) before_items: u64,
    pub(super) blocks: Blocks,
    /// In heap types: the keys that instances share, and the type's names and slots before them.
    pub(super) cached_keys: u64,
    pub(super) keys: Keys,
    pub(super) attributes: Attributes,
    pub(super) function: FunctionOffsets,
    pub(super) code: CodeOffsets,
    pub(super) frame: FrameOffsets,
    pub(super) generator: Generator,
    /// Offsets of the characters: of ASCII strings, and of others.
    pub(super) text: [u64; 2],
    /// From a module to the address of what its own code keeps (`md_state`).
    pub(super) module_state: u64,
    pub(super) roots: Roots,
}

/// Where small objects are allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// From pools of this size in bytes (Objects/obmalloc.c).
    Pools(u64),
    /// By mimalloc, including large ones.
    Mimalloc,
}

/// Key tables of dicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// 3.8 to 3.10: the number of slots; entries of three words.
    Counted,
    /// 3.11 and later: logarithms and a kind; entries of two or three words.
    Logarithmic,
}

/// Where instances keep attributes without a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attributes {
    /// In a dict at the type's offset.
    Dict,
    /// 3.11: values two words before the collector's header, or a dict one word before it.
    Before,
    /// 3.12: one word before the collector's header; odd for values.
    Tagged,
    /// 3.13: values after the object, or a dict one word before the collector's header.
    Inline,
}

/// Functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FunctionOffsets {
    pub(super) code: u64,
    pub(super) globals: u64,
    pub(super) defaults: u64,
    pub(super) keyword_defaults: u64,
    pub(super) closure: u64,
    pub(super) dict: u64,
    pub(super) annotations: u64,
    /// Strings: documentation, name, qualified name.
    pub(super) texts: [u64; 3],
}

/// Code objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CodeOffsets {
    /// Tuple of the objects that it refers to.
    pub(super) objects: &'static [u64],
    /// Its name: qualified if it has one.
    pub(super) name: u64,
    /// Tuples of the names of local variables, in their order.
    pub(super) locals: &'static [u64],
    /// Names of closed-over variables: the last ones in a tuple.
    pub(super) free: u64,
    /// How many of them a frame has, and the depth of its stack: 4 bytes each.
    pub(super) stack_size: u64,
}

/// Frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameOffsets {
    pub(super) code: u64,
    pub(super) previous: u64,
    pub(super) locals: u64,
    /// Whether frames are objects.
    pub(super) is_object: bool,
}

/// Generators and coroutines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generator {
    /// The frame is an object: the offset of its address.
    Object(u64),
    /// The frame is part of the generator: the offsets of its state, a byte, and of the frame; and the
    /// state of one that runs, below which are those of one that is suspended or has not begun.
    Inside { state: u64, frame: u64, running: i8 },
}

/// From the runtime to modules and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roots {
    pub(super) interpreters: u64,
    /// In the state of an interpreter.
    pub(super) next_interpreter: u64,
    pub(super) interpreter_id: u64,
    pub(super) modules: u64,
    pub(super) threads: u64,
    /// In the state of a thread.
    pub(super) next_thread: u64,
    /// The running frame, or what leads to it: an offset, then an offset in the memory found there.
    pub(super) frame: (u64, Option<u64>),
    /// Bytes of a thread's state that are searched for objects.
    pub(super) thread_bytes: u64,
    /// Likewise of an interpreter's: it has the dicts of the built-in types (3.12 and later), registries and caches.
    pub(super) interpreter_bytes: u64,
}

const FUNCTION_OLD: FunctionOffsets = FunctionOffsets {
    code: 16,
    globals: 24,
    defaults: 32,
    keyword_defaults: 40,
    closure: 48,
    texts: [56, 64, 104],
    dict: 72,
    annotations: 96,
};
const FUNCTION: FunctionOffsets = FunctionOffsets {
    globals: 16,
    code: 48,
    defaults: 56,
    keyword_defaults: 64,
    closure: 72,
    texts: [80, 32, 40],
    dict: 88,
    annotations: 112,
};
const CODE_OLD: CodeOffsets = CodeOffsets {
    objects: &[48, 56, 64, 72, 80, 88, 104, 112, 120],
    name: 112,
    locals: &[72, 88, 80],
    free: 80,
    stack_size: 32,
};
const CODE: CodeOffsets = CodeOffsets {
    objects: &[24, 32, 40, 96, 104, 112, 120, 128, 136],
    name: 128,
    locals: &[96],
    free: 96,
    stack_size: 64,
};
const ROOTS_OLD: Roots = Roots {
    interpreters: 32,
    next_interpreter: 0,
    interpreter_id: 24,
    modules: 856,
    threads: 8,
    next_thread: 8,
    frame: (24, None),
    thread_bytes: 264,
    interpreter_bytes: 5_656,
};

const V3_8: Offsets = Offsets {
    version: 0x0308,
    header: Header::WITH_LOCK,
    tuple_items: 24,
    before_items: 0,
    blocks: Blocks::Pools(4 << 10),
    cached_keys: 872,
    keys: Keys::Counted,
    attributes: Attributes::Dict,
    function: FUNCTION_OLD,
    code: CODE_OLD,
    frame: FrameOffsets {
        code: 32,
        previous: 24,
        locals: 360,
        is_object: true,
    },
    generator: Generator::Object(16),
    text: [48, 72],
    module_state: 32,
    roots: Roots {
        modules: 56,
        interpreter_id: 16,
        interpreter_bytes: 2_720,
        ..ROOTS_OLD
    },
};
const V3_9: Offsets = Offsets {
    version: 0x0309,
    cached_keys: 864,
    roots: ROOTS_OLD,
    ..V3_8
};
const V3_10: Offsets = Offsets {
    version: 0x030a,
    blocks: Blocks::Pools(16 << 10),
    cached_keys: 872,
    function: FUNCTION,
    frame: FrameOffsets {
        locals: 352,
        ..V3_8.frame
    },
    roots: Roots {
        thread_bytes: 280,
        interpreter_bytes: 113_528,
        ..ROOTS_OLD
    },
    ..V3_8
};
const V3_11: Offsets = Offsets {
    version: 0x030b,
    keys: Keys::Logarithmic,
    attributes: Attributes::Before,
    code: CodeOffsets {
        stack_size: 68,
        ..CODE
    },
    frame: FrameOffsets {
        code: 32,
        previous: 48,
        locals: 72,
        is_object: false,
    },
    generator: Generator::Inside {
        state: 75,
        frame: 80,
        running: 0,
    },
    roots: Roots {
        interpreters: 40,
        next_interpreter: 0,
        interpreter_id: 48,
        modules: 888,
        threads: 16,
        next_thread: 8,
        frame: (56, Some(8)),
        thread_bytes: 360,
        interpreter_bytes: 107_752,
    },
    ..V3_10
};
const V3_12: Offsets = Offsets {
    version: 0x030c,
    cached_keys: 880,
    attributes: Attributes::Tagged,
    code: CODE,
    frame: FrameOffsets {
        code: 0,
        previous: 8,
        locals: 72,
        is_object: false,
    },
    generator: Generator::Inside {
        state: 67,
        frame: 72,
        running: 0,
    },
    text: [40, 56],
    roots: Roots {
        interpreter_id: 8,
        modules: 944,
        threads: 72,
        frame: (56, Some(0)),
        thread_bytes: 288,
        interpreter_bytes: 383_552,
        ..V3_11.roots
    },
    ..V3_11
};
/// The offsets of the roots differ between releases of this version: they come from the
/// interpreter's own table.
const V3_13: Offsets = Offsets {
    version: 0x030d,
    attributes: Attributes::Inline,
    roots: Roots {
        interpreters: 0,
        interpreter_id: 0,
        modules: 0,
        threads: 0,
        frame: (72, None),
        interpreter_bytes: 0,
        ..V3_12.roots
    },
    ..V3_12
};
const V3_13_FREE_THREADED: Offsets = Offsets {
    header: Header::FREE_THREADED,
    before_items: 8,
    blocks: Blocks::Mimalloc,
    ..V3_13
};
const V3_14: Offsets = Offsets {
    version: 0x030e,
    tuple_items: 32,
    frame: FrameOffsets {
        locals: 80,
        ..V3_12.frame
    },
    ..V3_13
};
const V3_15: Offsets = Offsets {
    version: 0x030f,
    cached_keys: 888,
    module_state: 24,
    generator: Generator::Inside {
        state: 67,
        frame: 72,
        running: 4,
    },
    roots: Roots {
        thread_bytes: 304,
        ..V3_14.roots
    },
    ..V3_14
};

impl Offsets {
    /// Bytes of a page where processes can be walked.
    pub(crate) const PAGE_BYTES: u64 = regions::PAGE;

    /// The offsets of a version (major and minor in two bytes) whose roots are always in the same
    /// place.
    pub(crate) fn of_version(version: u64) -> Option<&'static Self> {
        [&V3_8, &V3_9, &V3_10, &V3_11, &V3_12]
            .into_iter()
            .find(|offsets| u64::from(offsets.version) == version)
    }

    /// The offsets of a version with a table of its own, from which the roots come.
    pub(crate) fn of_table(version: u64, is_free_threaded: bool, layout: &Layout) -> Option<Self> {
        let known = [V3_13, V3_13_FREE_THREADED, V3_14, V3_15]
            .into_iter()
            .find(|known| {
                u64::from(known.version) == version
                    && (known.header == Header::FREE_THREADED) == is_free_threaded
            })?;
        let roots = Roots {
            interpreters: layout.interpreters_head,
            next_interpreter: layout.interpreter_next,
            interpreter_id: layout.interpreter_id,
            modules: layout.modules,
            threads: layout.threads_head,
            next_thread: layout.walk.thread_next.into(),
            frame: (layout.walk.thread_frame.into(), None),
            interpreter_bytes: layout.interpreter_bytes,
            ..known.roots
        };
        Some(Self { roots, ..known })
    }

    /// Whether all that the walk adds to addresses is below a bound.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_near(&self, bound: u64) -> bool {
        let roots = self.roots;
        let offsets = [
            roots.interpreters,
            roots.next_interpreter,
            roots.interpreter_id,
            roots.modules,
            roots.threads,
            roots.next_thread,
        ];
        offsets
            .into_iter()
            .chain([roots.frame.0])
            .all(|offset| offset < bound)
    }

    /// Interpreters that contain neither their version nor a table.
    pub(crate) const WITHOUT_VERSION: [&'static Self; 3] = [&V3_8, &V3_9, &V3_10];

    /// Of no real version: the first without a global interpreter lock, for a handmade heap.
    #[cfg(test)]
    pub(super) const MADE_FREE_THREADED: Self = Self {
        header: Header::FREE_THREADED,
        blocks: Blocks::Mimalloc,
        ..V3_8
    };
}

#[cfg(test)]
mod tests;
