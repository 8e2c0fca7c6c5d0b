//! How variables were looked up, and which limits make the result incomplete.

use super::{
    free_memory::{free_pages_of_walk, note_on_free_memory},
    holders::has_types,
    writers::is_pythons,
};
use crate::{
    run::{HeapWalk, Holder, Run, WhoHolds},
    words::{plural, printable, seconds},
};

/// If less than this share of the copies is held, the reader wants to know why.
const LOW: f64 = 0.75;

/// Why variables were not looked up although they should have been; none if they were, or there are
/// none.
pub(crate) fn why_not_looked_for(run: &Run) -> Option<&'static str> {
    let is_missing = run.head.unfinished
        && run.who_holds.heap_walks.is_empty()
        && run.who_wrote.writers.iter().any(is_pythons);
    is_missing.then_some(
        "Which variables hold what was copied is looked up at the end of a trace, and this one was \
         cut off, or goes on.",
    )
}

/// Notes on all walks, one sentence each.
pub(crate) fn notes_on_walks(run: &Run) -> Vec<String> {
    let notes = run.who_holds.heap_walks.iter().flat_map(|walk| {
        let pid = run
            .process(walk.process_id)
            .map_or(0, |process| process.pid);
        [
            failed(walk, pid),
            cut_short(walk, pid),
            elsewhere(run, walk, pid),
            changed(walk, pid),
            early(walk, pid),
            low(walk, pid),
            by_page(walk),
        ]
    });
    let notes = notes.flatten().chain(without_types(run));
    notes.chain(note_on_free_memory(run)).collect()
}

/// Variables that stand there without the types of what was copied in them, where that is for the time of
/// the walk.
fn without_types(run: &Run) -> Option<String> {
    let WhoHolds {
        holders,
        heap_walks,
    } = &run.who_holds;
    let lacks_time = |process_id: u32| {
        let mut walks = heap_walks.iter();
        walks.any(|it| it.process_id == process_id && (it.is_partial || it.at_ns.is_some()))
    };
    let are_missing = |it: &&Holder| !has_types(it) && lacks_time(it.process_id);
    let number = holders.iter().filter(are_missing).count();
    (number > 0).then(|| {
        format!(
            "For {number} of {}, the types of most copied objects are not known: the objects were \
             copied after the lookup, or time ran out.",
            plural(holders.len() as u64, "variable")
        )
    })
}

fn failed(walk: &HeapWalk, pid: u32) -> Option<String> {
    let why = walk.failure.as_ref()?;
    Some(format!(
        "The variables of process {pid} are not known: {}.",
        printable(why)
    ))
}

fn cut_short(walk: &HeapWalk, pid: u32) -> Option<String> {
    if walk.is_partial {
        return Some(format!(
            "Process {pid} was looked through only in part ({}): shares are lower bounds.",
            plural(walk.objects, "object")
        ));
    }
    let has_no_others = !walk.is_compared && walk.failure.is_none();
    has_no_others.then(|| {
        "Time ran out before variables were compared: others may hold the same objects.".into()
    })
}

fn elsewhere(run: &Run, walk: &HeapWalk, pid: u32) -> Option<String> {
    let read = walk.read_process_id.and_then(|id| run.process(id))?;
    let is_gone = run
        .process(walk.process_id)
        .is_none_or(|process| process.exited_ns.is_some());
    let why = if is_gone {
        "is gone"
    } else {
        "has changed much of its memory"
    };
    (read.id != walk.process_id).then(|| {
        format!(
            "Process {pid} {why}: read from process {}, which may have changed since.",
            read.pid
        )
    })
}

fn changed(walk: &HeapWalk, pid: u32) -> Option<String> {
    walk.has_changed.then(|| {
        format!(
            "Process {pid} has replaced much of its memory since it forked: what is there now may \
             be other objects than were copied."
        )
    })
}

fn early(walk: &HeapWalk, pid: u32) -> Option<String> {
    let at_ns = walk.at_ns?;
    Some(format!(
        "Process {pid} could not be read completely at the end: its variables are as of {} into the \
         trace. Copies made later are attributed by what was at their addresses then.",
        seconds(at_ns)
    ))
}

fn low(walk: &HeapWalk, pid: u32) -> Option<String> {
    let known = walk.held_pages.saturating_add(free_pages_of_walk(walk));
    let is_low = (known as f64) < LOW * walk.asked_pages as f64;
    let is_whole = walk.failure.is_none() && !walk.is_partial && !walk.has_changed;
    (is_low && is_whole).then(|| {
        format!(
            "Memory found under no variable of process {pid} was freed before the lookup, or only \
             native code holds it."
        )
    })
}

fn by_page(walk: &HeapWalk) -> Option<String> {
    let pages = walk.by_page;
    (pages > 0).then(|| {
        let is = if pages == 1 { "is" } else { "are" };
        format!(
            "{} {is} counted for the variable of another object in the same page.",
            plural(pages, "page")
        )
    })
}
