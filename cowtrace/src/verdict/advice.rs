//! Advice about the copies, one paragraph for each cause that matters.

use std::collections::HashSet;

use super::writers::{is_pythons, pages_by};
use crate::{
    run::{Role, Run, WriteKind, Writer},
    words::{percent, printable},
};

/// Causes below this share of the copies get no advice.
const SHARE: f64 = 0.1;
/// Nor is there advice if less than this share of the inherited memory is copied.
const CEILING: f64 = 0.05;
/// A stripped file is mentioned from this share of the copies on.
const STRIPPED_SHARE: f64 = 0.25;
/// From this share of the copies on, the master counts as the main cause.
const MASTER_SHARE: f64 = 0.5;

const REFCOUNTS: &str = "Reference counts are written by merely reading an object. gc.freeze() \
    does not help against them, and neither do the immortal objects of CPython 3.12: they are a \
    few of the interpreter's own. Data in arrays, memory-mapped files or shared memory stays \
    shared.";
const HEADERS: &str = "The garbage collector writes a header in front of each object that it \
    looks at: gc.freeze() in the master, before it forks, keeps its collections from those. \
    Freeing such objects writes the headers of their neighbours too, with or without it.";
const RUBY: &str = "Ruby's garbage collector writes into the objects that it marks while they \
    are young: GC.start in the master, before it forks (Process.warmup since Ruby 3.3), leaves \
    fewer of them to the workers.";
const MASTER: &str = "The master itself copies what it writes while a child still shares it, as \
    Redis does while a child saves. When the children have gone it copies nothing.";

/// The advice; nothing if little is copied.
pub(crate) fn advice(run: &Run) -> Vec<String> {
    let copied = run.bytes(run.copied().total()) as f64;
    let mut paragraphs: Vec<String> = stripped(run).into_iter().collect();
    if copied >= CEILING * run.ceiling_bytes() as f64 {
        let causes: [(bool, &str); 4] = [
            (of_kind(run, WriteKind::Refcount) >= SHARE, REFCOUNTS),
            (of_kind(run, WriteKind::Gc) >= SHARE, HEADERS),
            (share(run, is_rubys_collector) >= SHARE, RUBY),
            (
                run.descendants().next().is_some() && by_masters(run) >= MASTER_SHARE,
                MASTER,
            ),
        ];
        let told = causes.into_iter().filter(|(matters, _)| *matters);
        paragraphs.extend(told.map(|(_, text)| text.to_owned()));
        paragraphs.extend(freed_at_exit(run));
    }
    paragraphs
}

fn share(run: &Run, fits: impl Fn(&Writer) -> bool) -> f64 {
    let pages = |writer: &Writer| writer.copied_pages;
    let all: u64 = run.who_wrote.writers.iter().map(pages).sum();
    let fitting = run.who_wrote.writers.iter().filter(|writer| fits(writer));
    fitting.map(pages).sum::<u64>() as f64 / all.max(1) as f64
}

fn of_kind(run: &Run, kind: WriteKind) -> f64 {
    share(run, |writer| writer.kind == kind)
}

/// Recognized by its name, or by that of the nearby exported function, which is from the same file.
fn is_rubys_collector(writer: &Writer) -> bool {
    let is_in = |name: &Option<String>, part| name.as_ref().is_some_and(|it| it.contains(part));
    is_in(&writer.module, "ruby") && is_in(&writer.function, "gc")
}

/// Copies of workers whose interpreter is shutting down, after their last Python function has
/// returned. Only known if the interpreter's functions have names and its Python lines are known.
fn freed_at_exit(run: &Run) -> Option<String> {
    let has_ended = run.descendants().any(|process| process.exited_ns.is_some());
    let has_lines = |writer: &&Writer| writer.python_stack.is_some();
    let interpreters: HashSet<&str> = run
        .who_wrote
        .writers
        .iter()
        .filter(has_lines)
        .filter_map(|writer| writer.module.as_deref())
        .collect();
    let share = share(run, |writer| {
        let module = writer.module.as_deref();
        writer.python_stack.is_none()
            && module.is_some_and(|module| interpreters.contains(module))
            && writer.function.as_deref().is_some_and(frees_objects)
    });
    (has_ended && share >= SHARE).then(|| {
        format!(
            "{} of the copies were made by freeing objects outside of any Python function: an \
             interpreter that shuts down frees all that it can. Workers that are replaced less often, \
             or end with os._exit(), make fewer of these copies.",
            percent(share)
        )
    })
}

/// Whether a function of `CPython`, by its name, frees objects or searches for objects to free.
fn frees_objects(function: &str) -> bool {
    let name = function.to_lowercase();
    !name.contains(" near ")
        && ["dealloc", "free", "gc_del", "gc_collect", "_clear"]
            .iter()
            .any(|part| name.contains(part))
}

fn by_masters(run: &Run) -> f64 {
    let masters = run
        .memory
        .processes
        .iter()
        .filter(|process| process.role == Role::Master);
    let copied: u64 = masters.map(|master| master.copied.total()).sum();
    copied as f64 / run.copied().total().max(1) as f64
}

/// Whether the function has no name, only its start address.
fn is_unnamed(writer: &Writer) -> bool {
    let place = |module: &String| format!("{module}+0x");
    let named = writer.function.as_ref().zip(writer.module.as_ref());
    named.is_some_and(|(function, module)| {
        !module.starts_with('[') && function.starts_with(&place(module))
    })
}

/// The file without names that made most copies, and how to get names for it. CPython's writes are
/// excluded: they are described by type and line.
fn stripped(run: &Run) -> Option<String> {
    let unnamed = run
        .who_wrote
        .writers
        .iter()
        .filter(|writer| !is_pythons(writer) && is_unnamed(writer));
    let by_module = pages_by(unnamed, |writer| writer.module.clone().unwrap_or_default());
    let module = by_module.into_iter().next()?.0;
    let share = share(run, |writer| {
        is_unnamed(writer) && writer.module.as_ref() == Some(&module)
    });
    (share >= STRIPPED_SHARE).then(|| {
        format!(
            "{} is stripped: {} of the copies are by functions of it that have no name. They have \
             one where its debug symbols are installed.",
            printable(&module),
            percent(share)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frees_objects_is_known_by_its_name() {
        let freeing = [
            "dict_dealloc",
            "_PyObject_Free",
            "free_keys_object",
            "gc_collect_main",
        ];
        assert!(freeing.into_iter().all(frees_objects));
        let others = [
            "_PyEval_EvalFrameDefault",
            "libpython3.so+0x10 near PyObject_Free",
        ];
        assert!(!others.into_iter().any(frees_objects));
    }
}
