//! Parts of interpreters by the functions that they export. Compilers put the functions of a source file together, so a
//! function without a name that lies between two exported ones of the same source file is of that file, too. Where a
//! whole program is optimized at once, functions stand in another order; then the exported ones of a source file do not
//! stand together either, and nothing is concluded.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use crate::run::RuntimePart;

/// The exported functions of each part, with spaces between them.
const TABLE: [(RuntimePart, &str); 6] = [
    (
        RuntimePart::CpythonCollector,
        include_str!("parts/cpython_gc.txt"),
    ),
    (
        RuntimePart::CpythonAllocator,
        include_str!("parts/cpython_obmalloc.txt"),
    ),
    (RuntimePart::PerlValues, include_str!("parts/perl_sv.txt")),
    (
        RuntimePart::PhpInterpreter,
        include_str!("parts/php_execute.txt"),
    ),
    (RuntimePart::RCollector, include_str!("parts/r_memory.txt")),
    (
        RuntimePart::RubyCollector,
        include_str!("parts/ruby_gc.txt"),
    ),
];
/// Fewer exported functions of a part say nothing.
const FEWEST: usize = 8;
/// At least this share of a part's exported functions is followed by another of them: 0.88 and more in files whose
/// functions stand in the order of the sources, 0.33 at most in Debian's `python3.11`, which is ordered by a profile.
const TOGETHER: f64 = 0.75;

static PARTS: LazyLock<HashMap<&'static str, RuntimePart>> = LazyLock::new(|| {
    let all = TABLE.into_iter();
    all.flat_map(|(part, names)| names.split_whitespace().map(move |name| (name, part)))
        .collect()
});

/// What each exported function is part of; given are their names, in order of address. None if functions of one part are
/// scattered: then neighbours have nothing to do with each other in this file.
pub(super) fn parts_of<'a>(
    exported: impl Iterator<Item = &'a BTreeSet<&'a str>>,
) -> Option<Vec<Option<RuntimePart>>> {
    let part = |names: &BTreeSet<&str>| names.iter().find_map(|name| PARTS.get(name).copied());
    let mut parts: Vec<Option<RuntimePart>> = exported.map(part).collect();
    let mut found: HashMap<RuntimePart, (usize, usize)> = HashMap::new();
    for (place, part) in parts.iter().enumerate() {
        let Some(part) = *part else { continue };
        let (all, followed) = found.entry(part).or_default();
        *all += 1;
        *followed += usize::from(parts.get(place + 1) == Some(&Some(part)));
    }
    found.retain(|_, (all, _)| *all >= FEWEST);
    let stands_together =
        |(all, followed): &(usize, usize)| *followed as f64 >= *all as f64 * TOGETHER;
    if !found.values().all(stands_together) {
        return None;
    }
    for part in &mut parts {
        *part = part.filter(|part| found.contains_key(part));
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(names: &[&str]) -> Option<Vec<Option<RuntimePart>>> {
        let sets: Vec<BTreeSet<&str>> = names.iter().map(|name| BTreeSet::from([*name])).collect();
        parts_of(sets.iter())
    }

    #[test]
    fn exported_functions_tell_their_part_where_they_stand_together() {
        let allocator = [
            "PyMem_Malloc",
            "PyMem_Calloc",
            "PyMem_Realloc",
            "PyMem_Free",
            "PyObject_Malloc",
            "PyObject_Calloc",
            "PyObject_Realloc",
            "PyObject_Free",
        ];
        let around = |names: &[&'static str]| [&["Py_Main"], names, &["PyList_New"]].concat();
        let part = Some(RuntimePart::CpythonAllocator);
        let expected = [vec![None], vec![part; 8], vec![None]].concat();
        assert_eq!(parts(&around(&allocator)), Some(expected));
        let scattered: Vec<&str> = allocator.iter().flat_map(|name| [*name, "other"]).collect();
        assert_eq!(parts(&scattered), None);
        assert_eq!(
            parts(&around(&allocator[1..])),
            Some(vec![None; 9]),
            "too few"
        );
    }

    #[test]
    fn no_function_is_of_two_parts() {
        let all = TABLE
            .iter()
            .map(|(_, names)| names.split_whitespace().count());
        assert_eq!(PARTS.len(), all.sum::<usize>());
    }
}
