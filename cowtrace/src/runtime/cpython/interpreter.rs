//! Finds the interpreter in a process, by symbols that every build exports, including stripped
//! ones.

use std::path::Path;

use super::objects::{FREE_THREADED, ObjectLayout, WITH_LOCK};
use crate::{
    memory::{self, FileId},
    native::{Exports, ProgramCode},
    run::Mapping,
};

/// A function that 3.8 introduced (PEP 587): earlier versions have another collector's header.
const SINCE_3_8: &str = "PyConfig_InitPythonConfig";

/// Addresses of an interpreter's own data, exported by every build.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbols {
    /// `PyType_Type`.
    pub(super) type_type: u64,
    /// `_PyRuntime`.
    pub(super) runtime: Option<u64>,
    /// `Py_Version`, introduced by 3.11.
    pub(super) version: Option<u64>,
    /// The header of its objects.
    pub(super) objects: &'static ObjectLayout,
}

/// The symbols to look up in a file, in the order of [`Symbols::of`].
pub(super) const NAMES: [&str; 4] = [SINCE_3_8, "PyType_Type", "_PyRuntime", "Py_Version"];

impl Symbols {
    /// From their addresses, in the order of [`NAMES`]; none without the type of types, and before
    /// 3.8.
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

/// The header of objects if the type of types is at this address: it must be its own type.
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

/// The interpreter is in a program or library named after it; programs that embed it load such a
/// library. Only uWSGI has it built in.
fn may_be_python(name: &str) -> bool {
    name.contains("python") || name.contains("uwsgi")
}
