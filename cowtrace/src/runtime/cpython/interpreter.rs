//! Where an interpreter is in a process: addresses of what every build exports, stripped ones
//! included.

use std::path::Path;

use super::objects::{FREE_THREADED, ObjectLayout, WITH_LOCK};
use crate::{
    memory::{self, FileId},
    native::{Exports, ProgramCode},
    run::Mapping,
};

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
    pub(super) objects: &'static ObjectLayout,
}

/// What is looked up in a file, in the order of [`Symbols::of`].
pub(super) const NAMES: [&str; 4] = [SINCE_3_8, "PyType_Type", "_PyRuntime", "Py_Version"];

impl Symbols {
    /// By their addresses, as those of [`NAMES`]; none without the type of types, and before 3.8.
    pub(super) fn of(addresses: &[Option<u64>]) -> Option<Self> {
        let [since_3_8, type_type, runtime, version] = *addresses else {
            return None;
        };
        since_3_8?;
        Some(Self {
            type_type: type_type?,
            runtime,
            version,
            objects: &WITH_LOCK,
        })
    }
}

/// The interpreter of a process, if its type of types is its own type.
pub(super) fn find_interpreter(
    proc_root: &Path,
    pid: u32,
    code: &ProgramCode,
    exports: &mut Exports,
) -> Option<Symbols> {
    let first_of_file = |mapped: &(&Mapping, FileId)| {
        let (mapping, _) = mapped;
        mapping.offset == 0
            && mapping.name.starts_with('/')
            && mapping.name.rsplit('/').next().is_some_and(may_be_python)
    };
    code.mapped_files()
        .filter(first_of_file)
        .find_map(|(mapping, file)| {
            let file = (mapping, file);
            let found = Symbols::of(&exports.addresses(proc_root, pid, file, &NAMES)?)?;
            let objects = objects_of(found.type_type, |at| memory::read_word(pid, at));
            if objects.is_none() {
                exports.forget(file);
            }
            Some(Symbols {
                objects: objects?,
                ..found
            })
        })
}

/// How objects begin where the type of types is at an address: it is its own type.
pub(super) fn objects_of(
    type_type: u64,
    word: impl Fn(u64) -> Option<u64>,
) -> Option<&'static ObjectLayout> {
    let is_own_type = |objects: &&ObjectLayout| {
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
