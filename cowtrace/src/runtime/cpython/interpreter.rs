//! Where an interpreter is in a process: addresses of what every build exports, stripped ones
//! included.

use std::path::Path;

use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};

use super::objects::{FREE_THREADED, Objects, WITH_LOCK};
use crate::{memory, native::Code, run::Mapping};

/// The largest program or library that is looked through, bytes.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// A function that 3.8 brought (PEP 587): before, the collector's header was another.
const SINCE_3_8: &str = "PyConfig_InitPythonConfig";

/// Addresses of an interpreter's own data, which every build exports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbols {
    /// `PyType_Type`.
    pub(super) type_type: u64,
    /// `_PyRuntime`.
    pub(super) runtime: Option<u64>,
    /// `Py_Version`, which 3.11 brought.
    pub(super) version: Option<u64>,
    /// How its objects begin.
    pub(super) objects: &'static Objects,
}

/// The interpreter of a process, if its type of types is its own type.
pub(super) fn find(proc_root: &Path, pid: u32, code: &Code) -> Option<Symbols> {
    let first_of_file = |mapping: &&Mapping| {
        mapping.offset == 0
            && mapping.name.starts_with('/')
            && mapping.name.rsplit('/').next().is_some_and(may_be_python)
    };
    code.mappings()
        .filter(first_of_file)
        .filter_map(|mapping| in_file(proc_root, pid, mapping))
        .find_map(|found| {
            let objects = objects_of(found.type_type, |at| memory::read_word(pid, at))?;
            Some(Symbols { objects, ..found })
        })
}

/// How objects begin where the type of types is at an address: it is its own type.
pub(super) fn objects_of(
    type_type: u64,
    word: impl Fn(u64) -> Option<u64>,
) -> Option<&'static Objects> {
    let is_own_type = |objects: &&Objects| {
        let at = type_type.checked_add(objects.ob_type);
        at.and_then(&word) == Some(type_type)
    };
    [&WITH_LOCK, &FREE_THREADED].into_iter().find(is_own_type)
}

/// The interpreter is in a program or library that is called after it, also in programs that embed
/// it with its library; uWSGI carries it inside.
fn may_be_python(name: &str) -> bool {
    name.contains("python") || name.contains("uwsgi")
}

fn in_file(proc_root: &Path, pid: u32, mapping: &Mapping) -> Option<Symbols> {
    let (start, end) = (mapping.start, mapping.end);
    // As the process has it mapped, else by way of the process, whose files these are also when it
    // runs in a container.
    let held = memory::hold_mapped(proc_root, pid, start, end).or_else(|| {
        let name = &mapping.name;
        let name = name.strip_suffix(" (deleted)").unwrap_or(name);
        memory::hold_named(proc_root, Some(pid), name)
    })?;
    in_bytes(&memory::read_held(&held, MAX_FILE_BYTES)?, start)
}

/// The interpreter in a program or library whose beginning is mapped at an address.
pub(super) fn in_bytes(bytes: &[u8], start: u64) -> Option<Symbols> {
    let file = object::File::parse(bytes).ok()?;
    let first = file
        .segments()
        .find(|segment| segment.file_range().0 == 0)?;
    let bias = start.checked_sub(first.address())?;
    let find = |name: &str| {
        let mut symbols = file.dynamic_symbols().chain(file.symbols());
        let symbol = symbols.find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))?;
        bias.checked_add(symbol.address())
    };
    find(SINCE_3_8)?;
    Some(Symbols {
        type_type: find("PyType_Type")?,
        runtime: find("_PyRuntime"),
        version: find("Py_Version"),
        objects: &WITH_LOCK,
    })
}
