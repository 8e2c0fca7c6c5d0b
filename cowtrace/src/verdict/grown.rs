//! What grows: which objects live on new memory, what holds them, and what that means. A curve alone shows a
//! leak and a cache that fills alike; what lies on the pages does not.

mod apart;

use std::collections::HashMap;

use super::advice_item::Advice;
use crate::{
    run::{GrownHeap, GrownVariable, Run},
    words::{percent, plural, printable},
};
use apart::loaded_by_each;

/// Parts with a smaller share of the new memory are not named.
const PART_SHARE: f64 = 0.1;
const MOST_VARIABLES: usize = 3;
/// Pages without objects are named from this share on. A heap of objects alone is full to 70 % and more.
const EMPTY_SHARE: f64 = 0.5;
/// With a smaller share of living objects, there are none to speak of: the memory is native.
const FEW_SHARE: f64 = 0.01;
/// What nothing holds are cycles if at least this share of it is known to hold only each other, where that
/// was looked at. Cycles that lie on older pages in part are not.
const CYCLIC_SHARE: f64 = 0.5;
/// Else if it is this share of all objects: objects that native code holds were never so many.
const UNHELD_SHARE: f64 = 0.9;
const MOST_TYPES: usize = 3;
/// Types with a smaller share are not named.
const TYPE_SHARE: f64 = 0.05;

const COLLECT: &str = "Objects that refer to each other in a circle are freed by the garbage collector \
    alone, and it is off. gc.enable() in the workers, gc.collect() from time to time, or breaking the \
    circles frees them.";

/// What lives on the new memory of the processes that were read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WhatGrows {
    /// New memory of these processes, bytes.
    pub(crate) bytes: u64,
    /// How many were read.
    pub(crate) processes: u64,
    /// Of these, those whose garbage collector is off, and those for which that is known.
    pub(crate) collectors_off: u64,
    pub(crate) collectors_known: u64,
    /// Whether a limit ended the reading in some.
    pub(crate) is_partial: bool,
    /// The parts that are worth a name, most bytes first.
    pub(crate) parts: Vec<GrownPart>,
}

/// A part of the new memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GrownPart {
    pub(crate) is: WhatPartIs,
    pub(crate) bytes: u64,
    /// Of the new memory.
    pub(crate) share: f64,
}

/// What a part of the new memory is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WhatPartIs {
    /// What a variable holds.
    Variable {
        /// Escaped.
        path: String,
        type_name: Option<String>,
        /// The most that it has in any of the processes.
        entries: Option<u64>,
    },
    /// Objects that no variable holds.
    Unheld {
        objects: u64,
        /// Whether they are reference cycles, with what only those hold.
        are_cycles: bool,
        /// Types, escaped, with their share of these objects; those that can be part of a cycle first.
        types: Vec<(String, f64)>,
    },
    /// No objects at all: memory of native code.
    Native,
    /// Pages with few objects: the allocator keeps them, or they are native code's.
    NearlyEmpty,
}

impl WhatGrows {
    /// `None` if no process was read.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let grown = &run.growth.grown;
        let read: Vec<&GrownHeap> = grown.heaps.iter().filter(|it| is_read(it)).collect();
        let sum = |of: fn(&GrownHeap) -> u64| read.iter().map(|it| of(it)).sum::<u64>();
        let bytes = run.bytes(sum(|heap| heap.new_pages));
        if bytes == 0 {
            return None;
        }
        let (held, unheld) = (sum(|heap| heap.held_bytes), sum(|heap| heap.unheld_bytes));
        let part = |is: WhatPartIs, bytes_of_part: u64| GrownPart {
            is,
            bytes: bytes_of_part,
            share: bytes_of_part as f64 / bytes as f64,
        };
        let mut parts: Vec<GrownPart> = variables_by_growth(&grown.variables)
            .into_iter()
            .map(|(is, bytes)| part(is, bytes))
            .filter(|part| part.share >= PART_SHARE)
            .take(MOST_VARIABLES)
            .collect();
        parts.extend(unheld_part(run, &read).map(|is| part(is, unheld)));
        parts.retain(|part| part.share >= PART_SHARE);
        let living = held.saturating_add(unheld);
        let empty = part(
            if (living as f64) < bytes as f64 * FEW_SHARE {
                WhatPartIs::Native
            } else {
                WhatPartIs::NearlyEmpty
            },
            bytes.saturating_sub(living),
        );
        if empty.share >= EMPTY_SHARE {
            parts.push(empty);
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        let off = |heap: &&&GrownHeap| heap.collects == Some(false);
        Some(Self {
            bytes,
            processes: read.len() as u64,
            collectors_off: read.iter().filter(off).count() as u64,
            collectors_known: read.iter().filter(|it| it.collects.is_some()).count() as u64,
            is_partial: read.iter().any(|it| it.is_partial),
            parts,
        })
    }

    /// Whether all collectors are off.
    pub(crate) const fn is_collector_off(&self) -> bool {
        self.collectors_off > 0 && self.collectors_off == self.collectors_known
    }

    /// `off in 2 of 3 processes`, where some collector is known.
    pub(crate) fn collectors_in_words(&self) -> String {
        match (self.collectors_off, self.collectors_known) {
            (0, _) => "on".into(),
            (off, known) => format!("off in {off} of {}", plural(known, "process")),
        }
    }

    /// What would help against it, if that is known. `new_bytes` is the new memory of all processes: that of
    /// those which were not read may be the same.
    pub(crate) fn advice(&self, new_bytes: u64) -> Option<Advice> {
        let is_cycle = |part: &&GrownPart| {
            matches!(
                part.is,
                WhatPartIs::Unheld {
                    are_cycles: true,
                    ..
                }
            )
        };
        let cycles = self.parts.iter().find(is_cycle)?;
        self.is_collector_off().then(|| {
            let what = "gc.enable() or gc.collect(), or breaking the cycles";
            let others = new_bytes.saturating_sub(self.bytes);
            Advice::helping(what, COLLECT, cycles.bytes.saturating_add(others))
        })
    }
}

fn is_read(heap: &GrownHeap) -> bool {
    heap.failure.is_none() && heap.read_pages > 0
}

/// What variables hold, those of the same name in several processes as one, most bytes first.
fn variables_by_growth(all: &[GrownVariable]) -> Vec<(WhatPartIs, u64)> {
    type PathAndType<'a> = (&'a str, Option<&'a str>);
    type BytesAndEntries = (u64, Option<u64>);
    let mut sums: HashMap<PathAndType<'_>, BytesAndEntries> = HashMap::new();
    for variable in all {
        let key = (variable.path.as_str(), variable.type_name.as_deref());
        let (bytes, entries) = sums.entry(key).or_default();
        *bytes = bytes.saturating_add(variable.bytes);
        *entries = (*entries).max(variable.entries);
    }
    let mut found: Vec<(PathAndType<'_>, BytesAndEntries)> = sums.into_iter().collect();
    found.sort_by_key(|(key, (bytes, _))| (std::cmp::Reverse(*bytes), *key));
    let named = |((path, type_name), (bytes, entries)): (PathAndType<'_>, BytesAndEntries)| {
        let is = WhatPartIs::Variable {
            path: printable(path),
            type_name: type_name.map(printable),
            entries,
        };
        (is, bytes)
    };
    found.into_iter().map(named).collect()
}

/// What no variable holds; none if that is nothing, or was not looked at to the end.
fn unheld_part(run: &Run, read: &[&GrownHeap]) -> Option<WhatPartIs> {
    if read.iter().any(|heap| heap.is_partial) {
        return None;
    }
    let sum = |of: fn(&GrownHeap) -> u64| read.iter().map(|it| of(it)).sum::<u64>();
    let objects = sum(|heap| heap.unheld_objects);
    if objects == 0 {
        return None;
    }
    let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
    let cyclic = read.iter().try_fold(0, |sum, heap| {
        let cyclic = heap.cyclic_objects?;
        Some(sum + cyclic)
    });
    let are_cycles = match cyclic {
        Some(cyclic) => share(cyclic, objects) >= CYCLIC_SHARE,
        None => share(objects, sum(|heap| heap.objects)) >= UNHELD_SHARE,
    };
    let mut types: HashMap<&str, (bool, u64)> = HashMap::new();
    for of_type in &run.growth.grown.types {
        let (is_container, of_these) = types.entry(&of_type.name).or_default();
        *is_container |= of_type.is_container;
        *of_these += of_type.unheld_objects;
    }
    let mut types: Vec<(&str, bool, u64)> = types
        .into_iter()
        .map(|(name, (is_container, objects))| (name, is_container, objects))
        .filter(|(_, _, of_these)| share(*of_these, objects) >= TYPE_SHARE)
        .collect();
    types.sort_by_key(|(name, is_container, objects)| {
        (!is_container, std::cmp::Reverse(*objects), *name)
    });
    types.truncate(MOST_TYPES);
    Some(WhatPartIs::Unheld {
        objects,
        are_cycles,
        types: types
            .into_iter()
            .map(|(name, _, of_these)| (printable(name), share(of_these, objects)))
            .collect(),
    })
}

/// How it was read, in sentences.
pub(crate) fn notes_on_grown(run: &Run, found: &WhatGrows) -> Vec<String> {
    let heaps = || run.growth.grown.heaps.iter();
    let mut notes = vec![
        "Objects that live on pages which the processes did not have before, read from outside at the end \
         of the trace. A type's bytes include its tables; a variable's include tables of older objects."
            .to_owned(),
    ];
    let (pages, read) = heaps().filter(|it| is_read(it)).fold((0, 0), |sums, heap| {
        (sums.0 + heap.new_pages, sums.1 + heap.read_pages)
    });
    if read < pages {
        notes.push(format!(
            "{} of {} were read, and the figures are in proportion.",
            percent(read as f64 / pages as f64),
            plural(pages, "page"),
        ));
    }
    if found.is_partial {
        notes.push(
            "Not everything could be read: what seems to be held by nothing may be held.".into(),
        );
    }
    if found.collectors_known > 0 {
        notes.push(format!(
            "The garbage collector is {}.",
            found.collectors_in_words()
        ));
    }
    let read: Vec<u32> = heaps()
        .filter(|it| is_read(it))
        .map(|it| it.process_id)
        .collect();
    notes.extend(loaded_by_each(run, &read));
    notes.extend(failures_of_grown(run));
    notes
}

/// Why nothing is known of some processes, in sentences.
pub(crate) fn failures_of_grown(run: &Run) -> Vec<String> {
    let failed = run.growth.grown.heaps.iter();
    let failed = failed.filter_map(|heap| Some((heap, heap.failure.as_ref()?)));
    failed
        .map(|(heap, why)| {
            let pid = run.process(heap.process_id).map_or(0, |it| it.pid);
            format!("Process {pid} could not be read: {}.", printable(why))
        })
        .collect()
}

#[cfg(test)]
mod tests;
