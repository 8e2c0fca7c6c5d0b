//! Where an interpreter is in a process: the address of `PyType_Type`, which every build exports,
//! stripped ones included.

use std::{fs, path::Path};

use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};

use crate::{memory, run::Mapping, writer::native::Code};

/// The largest program or library that is looked through, bytes.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// A function that 3.8 brought (PEP 587): before, the collector's header was another.
const SINCE_3_8: &str = "PyConfig_InitPythonConfig";
/// Offset of `ob_type` in an object, builds with a global interpreter lock.
const OB_TYPE: u64 = 8;

/// Address of `PyType_Type`, if the process has one that is its own type.
pub(super) fn find_type_type(proc_root: &Path, pid: u32, code: &Code) -> Option<u64> {
    let first_of_file = |mapping: &&Mapping| {
        mapping.offset == 0
            && mapping.name.starts_with('/')
            && mapping.name.rsplit('/').next().is_some_and(may_be_python)
    };
    code.mappings
        .iter()
        .filter(first_of_file)
        .filter_map(|mapping| in_file(proc_root, pid, mapping))
        .find(|&address| memory::read_word(pid, address + OB_TYPE) == Some(address))
}

/// The interpreter is in a program or library that is called after it, also in programs that embed
/// it with its library; uWSGI carries it inside.
fn may_be_python(name: &str) -> bool {
    name.contains("python") || name.contains("uwsgi")
}

fn in_file(proc_root: &Path, pid: u32, mapping: &Mapping) -> Option<u64> {
    // By way of the process, whose files these are also when it runs in a container.
    let name = mapping
        .name
        .strip_suffix(" (deleted)")
        .unwrap_or(&mapping.name);
    let path = proc_root.join(format!("{pid}/root{name}"));
    if fs::metadata(&path).ok()?.len() > MAX_FILE_BYTES {
        return None;
    }
    let bytes = fs::read(&path).ok()?;
    let file = object::File::parse(bytes.as_slice()).ok()?;
    let find = |name: &str| {
        file.dynamic_symbols()
            .chain(file.symbols())
            .find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))
    };
    find(SINCE_3_8)?;
    let symbol = find("PyType_Type")?;
    let first = file
        .segments()
        .find(|segment| segment.file_range().0 == 0)?;
    mapping
        .start
        .checked_sub(first.address())?
        .checked_add(symbol.address())
}
