//! What a write hit if not an object's header, as the function that wrote suggests.

use crate::run::{WriteKind, Writer};

/// The memory that a group of functions writes: exact names, and prefixes of names.
struct Group {
    what: &'static str,
    names: &'static [&'static str],
    beginnings: &'static [&'static str],
}

/// Functions of C libraries, in any program.
const EVERYWHERE: &[Group] = &[
    Group {
        what: "the allocator's blocks",
        names: &[
            "malloc",
            "free",
            "realloc",
            "calloc",
            "sysmalloc",
            "unlink_chunk",
        ],
        beginnings: &[
            "_int_",
            "__libc_malloc",
            "__GI___libc_",
            "malloc_",
            "mi_",
            "je_",
            "tcache_",
        ],
    },
    Group {
        what: "bytes that are copied or filled",
        names: &[],
        beginnings: &[
            "__memcpy_",
            "__memmove_",
            "__memset_",
            "memcpy",
            "memmove",
            "memset",
        ],
    },
];

/// Functions of CPython (Objects/, Python/specialize.c).
const OF_PYTHON: &[Group] = &[
    Group {
        what: "the specialised code of functions",
        names: &["_PyDictKeys_GetVersionForCurrentState"],
        beginnings: &["_PyCode_Quicken", "_Py_Specialize", "specialize"],
    },
    Group {
        what: "tables of dicts",
        names: &["insertdict", "delitem_common", "insertion_resize"],
        beginnings: &[
            "dict",
            "insert_to_emptydict",
            "_PyDict_",
            "PyDict_",
            "build_indices",
        ],
    },
    Group {
        what: "items of lists",
        names: &["ins1", "app1"],
        beginnings: &["list_", "_PyList_", "PyList_"],
    },
    Group {
        what: "tables of sets",
        names: &[],
        beginnings: &["set_", "PySet_", "_PySet_"],
    },
    Group {
        what: "the allocator's blocks",
        names: &["allocate_from_new_pool", "new_arena"],
        beginnings: &[
            "_PyObject_Malloc",
            "_PyObject_Free",
            "_PyObject_Realloc",
            "pymalloc_",
            "arena_",
            "insert_to_",
            "_PyMem_",
            "PyMem_",
        ],
    },
    Group {
        what: "data that the interpreter's loop writes",
        names: &["_PyEval_EvalFrameDefault"],
        beginnings: &[],
    },
];

/// Its name; none if the function suggests nothing.
pub(crate) fn by_function(writer: &Writer) -> Option<&'static str> {
    let function = writer.function.as_deref()?;
    if writer.kind != WriteKind::Other {
        return None;
    }
    let module = writer.module.as_deref().unwrap_or_default();
    let of_python = if module.contains("python") {
        OF_PYTHON
    } else {
        &[]
    };
    of_python
        .iter()
        .chain(EVERYWHERE)
        .find(|group| {
            let begins = |beginning: &&str| function.starts_with(beginning);
            group.names.contains(&function) || group.beginnings.iter().any(begins)
        })
        .map(|group| group.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(function: &str, module: &str) -> Writer {
        Writer::native(module, function, None)
    }

    #[test]
    fn functions_of_python_tell_what_they_write() {
        let named = |function| by_function(&writer(function, "libpython3.13.so.1.0"));
        assert_eq!(named("insertdict"), Some("tables of dicts"));
        assert_eq!(named("list_extend_dict"), Some("items of lists"));
        assert_eq!(named("_PyObject_Free"), Some("the allocator's blocks"));
        assert_eq!(
            named("_PyCode_Quicken"),
            Some("the specialised code of functions")
        );
        assert_eq!(named("_Py_NewReference"), None);
    }

    #[test]
    fn the_same_names_elsewhere_tell_nothing() {
        assert_eq!(by_function(&writer("dictFind", "redis-server")), None);
        assert_eq!(
            by_function(&writer("_int_malloc", "libc.so.6")),
            Some("the allocator's blocks")
        );
        let by_kernel = Writer {
            kind: WriteKind::Kernel,
            ..writer("malloc", "libc.so.6")
        };
        assert_eq!(by_function(&by_kernel), None);
    }
}
