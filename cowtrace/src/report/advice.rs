//! What can be done about the copies, a paragraph for each cause that matters.

use super::{
    words::{percent, printable},
    writers::{is_pythons, sums},
};
use crate::run::{Role, Run, WriteKind, Writer};

/// Causes below this share of the copies get no advice.
const SHARE: f64 = 0.1;
/// Nor is there any while so little of what was inherited is copied.
const CEILING: f64 = 0.05;
/// A stripped file is told from this share of the copies on.
const STRIPPED_SHARE: f64 = 0.25;
/// From this share on, it is the master that copies.
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

/// What to do; nothing while little is copied.
pub(super) fn advice(run: &Run) -> Vec<String> {
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
    }
    paragraphs
}

fn share(run: &Run, fits: impl Fn(&Writer) -> bool) -> f64 {
    let pages = |writer: &Writer| writer.copied_pages;
    let all: u64 = run.writers.iter().map(pages).sum();
    let fitting = run.writers.iter().filter(|writer| fits(writer));
    fitting.map(pages).sum::<u64>() as f64 / all.max(1) as f64
}

fn of_kind(run: &Run, kind: WriteKind) -> f64 {
    share(run, |writer| writer.kind == kind)
}

/// By its name, or by that of the exported function next to it: they are of one file.
fn is_rubys_collector(writer: &Writer) -> bool {
    let is_in = |name: &Option<String>, part| name.as_ref().is_some_and(|it| it.contains(part));
    is_in(&writer.module, "ruby") && is_in(&writer.function, "gc")
}

fn by_masters(run: &Run) -> f64 {
    let masters = run
        .processes
        .iter()
        .filter(|process| process.role == Role::Master);
    let copied: u64 = masters.map(|master| master.copied.total()).sum();
    copied as f64 / run.copied().total().max(1) as f64
}

/// Whether the function has no name but the place where it begins.
fn is_unnamed(writer: &Writer) -> bool {
    let place = |module: &String| format!("{module}+0x");
    let named = writer.function.as_ref().zip(writer.module.as_ref());
    named.is_some_and(|(function, module)| {
        !module.starts_with('[') && function.starts_with(&place(module))
    })
}

/// The file without names that made most copies, and what would give it some. CPython's writes are
/// told by type and line.
fn stripped(run: &Run) -> Option<String> {
    let unnamed = run
        .writers
        .iter()
        .filter(|writer| !is_pythons(writer) && is_unnamed(writer));
    let by_module = sums(unnamed, |writer| writer.module.clone().unwrap_or_default());
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
