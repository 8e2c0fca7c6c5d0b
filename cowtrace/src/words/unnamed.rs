//! Code without a name: where it lies, and what it probably is. An exported function beside it is another function, so
//! it never stands for a name.

use crate::run::{Run, RuntimePart, UnnamedFunction};

/// An exported function with more others between says too little: of those at this distance or less, 72 to 95 % are of
/// the same source file (docs/kernel.md).
const NEAR: u64 = 3;

/// A part of an interpreter.
pub(crate) const fn part_in_words(part: RuntimePart) -> &'static str {
    match part {
        RuntimePart::CpythonCollector => "CPython's garbage collector",
        RuntimePart::CpythonAllocator => "CPython's object allocator",
        RuntimePart::PerlValues => "Perl's handling of values",
        RuntimePart::PhpInterpreter => "PHP's interpreter loop",
        RuntimePart::RCollector => "R's garbage collector or allocator",
        RuntimePart::RubyCollector => "Ruby's garbage collector or allocator",
    }
}

/// The same by its source file, for tables.
const fn source_of_part(part: RuntimePart) -> &'static str {
    match part {
        RuntimePart::CpythonCollector => "CPython's gc",
        RuntimePart::CpythonAllocator => "CPython's obmalloc.c",
        RuntimePart::PerlValues => "Perl's sv.c",
        RuntimePart::PhpInterpreter => "PHP's zend_execute.c",
        RuntimePart::RCollector => "R's memory.c",
        RuntimePart::RubyCollector => "Ruby's gc.c",
    }
}

/// Whether a function has no name, only its place in a file.
pub(crate) fn is_unnamed(function: &str, module: &str) -> bool {
    let place = function.strip_prefix(module);
    !module.starts_with('[') && place.is_some_and(|place| place.starts_with("+0x"))
}

/// A function with what its place tells; most have a name, which needs no more.
pub(crate) fn with_place(run: &Run, function: &str) -> String {
    let place = run.who_wrote.unnamed(function).and_then(place_in_words);
    match place {
        Some(place) => format!("{function} ({place})"),
        None => function.to_owned(),
    }
}

/// In a few words; `None` if it tells nothing.
fn place_in_words(unnamed: &UnnamedFunction) -> Option<String> {
    if let Some(part) = unnamed.part {
        return Some(format!("probably {}", source_of_part(part)));
    }
    let near = unnamed.nearer().filter(|it| it.functions_apart <= NEAR)?;
    Some(format!("near {}", near.function))
}

/// What stands for a function without a name in a sentence and in the first lines: all functions of a file of which
/// no more is known are one.
pub(crate) fn instead_of_name(run: &Run, function: &str, module: &str) -> String {
    let unnamed = run.who_wrote.unnamed(function);
    if let Some(part) = unnamed.and_then(|it| it.part) {
        return format!("{}, probably ({module})", part_in_words(part));
    }
    let is_stripped = run.who_wrote.stripped(module).is_some();
    let why = if is_stripped { " (stripped)" } else { "" };
    format!("unnamed code in {module}{why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{ExportedNeighbour, StrippedFile, arbitrary};

    const MODULE: &str = "libruby-3.1.so.3.1.2";

    fn run() -> Run {
        let beside = |function: &str, functions_apart| {
            Some(ExportedNeighbour {
                function: function.into(),
                functions_apart,
            })
        };
        let unnamed = |offset: &str, before, after, part| UnnamedFunction {
            function: format!("{MODULE}+{offset}"),
            module: MODULE.into(),
            before,
            after,
            part,
        };
        let mut run = arbitrary::empty();
        let collector = Some(RuntimePart::RubyCollector);
        run.who_wrote.unnamed_functions = vec![
            unnamed(
                "0x1",
                beside("rb_gc", 9),
                beside("rb_gc_start", 1),
                collector,
            ),
            unnamed(
                "0x2",
                beside("rb_ary_push", 4),
                beside("rb_ary_pop", 3),
                None,
            ),
            unnamed("0x3", beside("rb_ary_push", 4), None, None),
        ];
        run.who_wrote.stripped_files = vec![StrippedFile {
            module: MODULE.into(),
            ..StrippedFile::default()
        }];
        run
    }

    #[test]
    fn a_function_without_a_name_is_told_by_its_place() {
        let run = run();
        let told = |offset: &str| with_place(&run, &format!("{MODULE}+{offset}"));
        let source = format!("{MODULE}+0x1 (probably Ruby's gc.c)");
        assert_eq!(told("0x1"), source);
        assert_eq!(told("0x2"), format!("{MODULE}+0x2 (near rb_ary_pop)"));
        assert_eq!(told("0x3"), format!("{MODULE}+0x3"), "too far");
        assert_eq!(told("0x4"), format!("{MODULE}+0x4"), "nothing is known");
        assert_eq!(with_place(&run, "rb_ary_push"), "rb_ary_push");
    }

    #[test]
    fn no_answer_has_a_neighbours_name() {
        let run = run();
        let told = |offset: &str| instead_of_name(&run, &format!("{MODULE}+{offset}"), MODULE);
        let part = format!("Ruby's garbage collector or allocator, probably ({MODULE})");
        assert_eq!(told("0x1"), part);
        assert_eq!(told("0x2"), format!("unnamed code in {MODULE} (stripped)"));
        assert_eq!(told("0x2"), told("0x3"));
        // Nobody could look into this file.
        let gone = instead_of_name(&run, "app+0x10", "app");
        assert_eq!(gone, "unnamed code in app");
    }

    #[test]
    fn what_has_a_name_is_known() {
        assert!(is_unnamed("app+0x10", "app"));
        // As older recordings have it.
        assert!(is_unnamed("app+0x10 near main", "app"));
        assert!(!is_unnamed("apply", "app") && !is_unnamed("main", "app"));
        assert!(!is_unnamed("[vdso]+0x10", "[vdso]"));
    }
}
