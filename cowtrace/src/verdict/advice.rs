//! Advice about the copies, for each cause that matters.

use std::{cmp::Reverse, collections::HashSet};

use super::{
    advice_item::Advice,
    causes::{CauseIs, shares_of_causes},
    free_memory::add_advice_on_free_memory,
    growth::{VerdictKind, growth_of_tree},
    perl, php, r,
    ruby::{self, RubyCopies},
    saving::Promise,
    symbols::advice_on_symbols,
    writers::{KnownPages, pages},
};
use crate::{
    run::{FreezeSaving, Holder, Role, Run, Store, WriteKind, Writer},
    words::{percent, plural, size},
};

/// Causes below this share of the copies get no advice.
const SHARE: f64 = 0.1;
/// Nor is there advice if less than this share of the inherited memory is copied.
const CEILING: f64 = 0.05;
/// From this share of the copies on, the master counts as the main cause.
const MASTER_SHARE: f64 = 0.5;

const REFCOUNTS: &str = "Reference counts are written by merely reading an object. gc.freeze() \
    does not help against them, and neither do the immortal objects of CPython 3.12: they are a \
    few of the interpreter's own. Data in arrays, memory-mapped files or shared memory stays \
    shared.";
const OBJECT_ARRAYS: &str = "An array or column whose dtype is object has references to objects outside it, \
    which have counts: numbers, dates, fixed-width text and categories have none.";
const HEADERS: &str = "The garbage collector writes a header in front of each object that it \
    looks at: gc.freeze() in the master, before it forks, keeps its collections from those. \
    Freeing such objects writes the headers of their neighbours too, with or without it.";
const NO_FREEZE: &str = "gc.freeze() keeps the garbage collector from writing a header in front of \
    each object. That is not what made these copies.";
const READ_ANYWAY: &str = "gc.freeze() keeps the garbage collector from writing a header in front of \
    each object. It was the first to write to these pages, but reading writes to most of them too: \
    they would be copied anyway.";
const MASTER: &str = "The master itself copies what it writes while a child still shares it, as \
    Redis does while a child saves. When the children have gone it copies nothing.";

/// The advice about copies; nothing if little is copied.
pub(super) fn advice_on_copies(run: &Run) -> Vec<Advice> {
    let copied = run.bytes(run.copied().total()) as f64;
    let mut all: Vec<Advice> = advice_on_symbols(run).into_iter().collect();
    all.extend(on_short_lives(run));
    let ceiling = run.ceiling_bytes();
    if ceiling.is_some_and(|ceiling| copied < CEILING * ceiling as f64) {
        return all;
    }
    let is_kind = |kind: WriteKind| move |writer: &Writer| writer.kind == kind;
    let (counts, headers) = (is_kind(WriteKind::Refcount), is_kind(WriteKind::Gc));
    let causes = shares_of_causes(run);
    let matters = |kind: WriteKind| {
        let is_of_kind = |(is, _): &&(CauseIs, f64)| *is == CauseIs::Write(kind);
        let cause = causes.iter().find(is_of_kind);
        cause.is_some_and(|(_, share)| *share >= SHARE)
    };
    let has_counts = matters(WriteKind::Refcount);
    if has_counts {
        all.push(on_reference_counts(run, at_most(run, counts)));
    }
    if matters(WriteKind::Gc) {
        all.push(on_headers(run, at_most(run, headers)));
    } else if has_counts {
        all.push(Advice {
            helps: false,
            would_change: ": the collector wrote",
            command: None,
            ..Advice::helping("gc.freeze()", NO_FREEZE, at_most(run, headers))
        });
    }
    all.extend(on_other_runtimes(run));
    if run.descendants().next().is_some() && share_of_masters(run) >= MASTER_SHARE {
        let what = "a master that writes less while children live";
        all.push(Advice::helping(what, MASTER, run.bytes(by_masters(run))));
    }
    all.extend(freed_at_exit(run));
    // What saves most first; then what saves nothing by itself, and what would not help.
    all.sort_by_key(|it| (!it.helps, Reverse(it.saves_at_most_bytes)));
    add_advice_on_free_memory(run, &mut all);
    all
}

/// What interpreters other than CPython write by themselves.
fn on_other_runtimes(run: &Run) -> Vec<Advice> {
    let mut all = Vec::new();
    let ruby = RubyCopies::of(run);
    if share(run, |it: &Writer| ruby.shows_need(run, it)) >= SHARE {
        let saves = at_most(run, |it: &Writer| ruby.are_of_age_or_gaps(run, it));
        all.push(ruby::advice_on_collector(run, saves));
    }
    let is = |store: Store| move |writer: &Writer| writer.store == Some(store);
    let matters = |store: Store| share(run, is(store)) >= SHARE;
    all.extend(ruby::on_first_use(run, matters, |store| {
        at_most(run, is(store))
    }));
    if share(run, perl::counts_references) >= SHARE {
        let saves = at_most(run, perl::counts_references);
        all.push(perl::advice_on_counts(saves));
    }
    if share(run, perl::converts) >= SHARE {
        let saves = at_most(run, perl::converts);
        all.push(perl::advice_on_conversions(saves));
    }
    if share(run, php::is_collector) >= SHARE {
        all.push(php::advice_on_collector(at_most(run, php::is_collector)));
    }
    let by_r = |writer: &Writer| r::notes_in_vectors(run, writer);
    let saves = at_most(run, by_r);
    if share(run, by_r) >= SHARE && r::is_data(run, saves) {
        all.push(r::advice_on_vectors(saves));
    }
    all
}

/// Workers that follow each other, where copies are work rather than memory.
fn on_short_lives(run: &Run) -> Option<Advice> {
    let growth = growth_of_tree(run)?;
    let workers = run.workforce().workers.len() as u64;
    let is_work = growth.kind == VerdictKind::ComesAndGoes
        && growth.copied_bytes > growth.touched_bytes
        && workers > 1;
    let again = growth.copied_bytes.saturating_sub(growth.peak_held_bytes);
    is_work.then(|| {
        let because = format!(
            "{} copied {} one after the other, each what it used. That takes time rather than memory: workers \
             that live longer copy it once.",
            plural(workers, "worker"),
            size(growth.copied_bytes)
        );
        Advice::helping("workers that live longer: each new one copies again", because, again)
    })
}

/// Data elsewhere: which, if it is known what moving it saves.
fn on_reference_counts(run: &Run, at_most: u64) -> Advice {
    let is_array = objects_in_arrays(run);
    let places = if is_array {
        "arrays of numbers, mapped files or shared memory"
    } else {
        "arrays, mapped files or shared memory"
    };
    let reasons = if is_array {
        format!("{REFCOUNTS} {OBJECT_ARRAYS}")
    } else {
        REFCOUNTS.to_owned()
    };
    let Some(promise) = Promise::of(run) else {
        return Advice::helping(&format!("data in {places}"), reasons, at_most);
    };
    let because = format!("{reasons} {}", promise.details);
    let variables = promise.variables.as_deref().unwrap_or("data");
    let what = format!("{variables} in {places}");
    Advice::helping(&what, because.trim_end(), promise.bytes)
}

/// Whether much of what was copied are objects in arrays or columns of pandas.
fn objects_in_arrays(run: &Run) -> bool {
    let is_of_objects = |holder: &&Holder| {
        let name = holder.type_name.as_deref();
        name.is_some_and(|name| name.ends_with("[object]"))
    };
    let holders = run.who_holds.holders.iter().filter(is_of_objects);
    let pages: u64 = holders.map(|holder| holder.copied_pages).sum();
    pages as f64 >= SHARE * run.copied().total().max(1) as f64
}

/// Keeping the collector from writing: not worth it where reading would copy most of the same pages.
fn on_headers(run: &Run, at_most: u64) -> Advice {
    let what = "gc.freeze() in the master, before it forks";
    let Some((saved, headers)) = saved_by_freeze(run) else {
        return Advice::helping(what, HEADERS, at_most);
    };
    // Of those whose holders were not looked for, the same part.
    let saved = u128::from(at_most) * u128::from(saved) / u128::from(headers);
    let saved = u64::try_from(saved).unwrap_or(at_most);
    if saved as f64 >= run.bytes(run.copied().total()) as f64 * SHARE {
        return Advice::helping(what, HEADERS, saved);
    }
    Advice {
        helps: false,
        would_change: ": reading copies the same pages; it saves",
        command: None,
        ..Advice::helping("gc.freeze()", READ_ANYWAY, saved)
    }
}

/// Copies that there would not be without the collector's headers, and those by them, as far as walks know; none if
/// that is less than half.
fn saved_by_freeze(run: &Run) -> Option<(u64, u64)> {
    let walks = run.who_holds.heap_walks.iter();
    let found: Vec<FreezeSaving> = walks.filter_map(|walk| walk.freeze).collect();
    let headers: u64 = found.iter().map(|it| it.header_pages).sum();
    let saved: u64 = found.iter().map(|it| it.saved_pages).sum();
    let by_collector = pages_of_writers(run, |writer| writer.kind == WriteKind::Gc);
    (headers > 0 && headers.saturating_mul(2) >= by_collector)
        .then_some((saved.min(headers), headers))
}

fn pages_of_writers(run: &Run, fits: impl Fn(&Writer) -> bool) -> u64 {
    pages(run.who_wrote.writers.iter().filter(|writer| fits(writer)))
}

/// Copies of these writers, and all without a record of the write, bytes.
fn at_most(run: &Run, fits: impl Fn(&Writer) -> bool) -> u64 {
    let known = KnownPages::of(run);
    run.bytes(pages_of_writers(run, fits) + known.all - known.recorded)
}

fn share(run: &Run, fits: impl Fn(&Writer) -> bool) -> f64 {
    let all = pages(&run.who_wrote.writers);
    pages_of_writers(run, fits) as f64 / all.max(1) as f64
}

/// Copies of workers whose interpreter is shutting down, after their last Python function has
/// returned. Only known if the interpreter's functions have names and its Python lines are known.
fn freed_at_exit(run: &Run) -> Option<Advice> {
    let has_ended = run.descendants().any(|process| process.exited_ns.is_some());
    let has_lines = |writer: &&Writer| writer.python_stack.is_some();
    let interpreters: HashSet<&str> = run
        .who_wrote
        .writers
        .iter()
        .filter(has_lines)
        .filter_map(|writer| writer.module.as_deref())
        .collect();
    let frees = |writer: &Writer| {
        let module = writer.module.as_deref();
        writer.python_stack.is_none()
            && module.is_some_and(|module| interpreters.contains(module))
            && writer.function.as_deref().is_some_and(frees_objects)
    };
    let share = share(run, frees);
    (has_ended && share >= SHARE).then(|| {
        let because = format!(
            "{} of the copies were made by freeing objects outside of any Python function: an \
             interpreter that shuts down frees all that it can. Workers that are replaced less often, \
             or end with os._exit(), make fewer of these copies.",
            percent(share)
        );
        let what = "replacing workers less often, or os._exit()";
        Advice::helping(what, because, at_most(run, frees))
    })
}

/// Whether a function of `CPython`, by its name, frees objects or searches for objects to free.
fn frees_objects(function: &str) -> bool {
    let name = function.to_lowercase();
    // As older recordings have it, with the name of another function.
    !name.contains(" near ")
        && ["dealloc", "free", "gc_del", "gc_collect", "_clear"]
            .iter()
            .any(|part| name.contains(part))
}

/// Pages that masters copied.
fn by_masters(run: &Run) -> u64 {
    let masters = run
        .memory
        .processes
        .iter()
        .filter(|process| process.role == Role::Master);
    masters.map(|master| master.copied.total()).sum()
}

/// The share of the copies that masters made.
pub(super) fn share_of_masters(run: &Run) -> f64 {
    by_masters(run) as f64 / run.copied().total().max(1) as f64
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
