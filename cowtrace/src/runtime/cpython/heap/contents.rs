//! Counts all objects of a process: by type, by variable, and those that nothing holds.

use std::{path::Path, time::Instant};

use super::{
    find::{Limits, LivingInterpreter, TABLES_A_CHUNK, memory_of, prepare_walk},
    holders::{NamedVariable, heavy, told_under},
    kinds::HEAP_TYPE,
    later::{LargeContainer, Settled},
    memory::ReadMemory,
    objects::HeapObjects,
    paths::{MAX_NODES, ROOT},
    same,
    tally::Tally,
    walk::Walk,
};
use crate::run::{
    HeapContents, HeapLimit, HeapSum, HeapUnknown, TypeContents, UnheldObjects, UnreadContainer,
    VariableContents,
};

/// Variables with less than one part in this many of the bytes count with those that contain them.
const LEAST_PART: u64 = 1000;
/// Most variables that are listed.
const MAX_VARIABLES: usize = 256;
/// Entries that could not be read are few if they are less than 1/N of the objects read, with this N.
const LEAST_UNREAD: u64 = 100;
/// Most containers that are listed of those that could not be read.
const MAX_UNREAD: usize = 8;
/// Bytes of tables per chunk of the process's memory: those of every walk, and which objects are in
/// the collector's lists.
const TABLES_TO_COUNT: usize = TABLES_A_CHUNK + 512;
/// Bytes of tables for the sums of nodes.
const SUMS: usize = MAX_NODES * size_of::<HeapSum>();

/// Counts the objects of a process. Its name, and how much of it is in swap, are left to the caller.
pub(crate) fn count_objects(
    proc_root: &Path,
    pid: u32,
    interpreter: &LivingInterpreter,
    limits: &Limits,
    read: Box<ReadMemory<'_>>,
) -> Result<HeapContents, &'static str> {
    let began = Instant::now();
    let memory = memory_of(proc_root, pid, limits, (SUMS, TABLES_TO_COUNT), read)?;
    let mut walk = prepare_walk(memory, interpreter, Vec::new(), limits)?;
    let found = count_in(&mut walk, interpreter.runtime);
    let duration_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok(HeapContents {
        pid,
        duration_ns,
        ..found
    })
}

/// Walks, and adds up.
pub(super) fn count_in(walk: &mut Walk<'_>, runtime: u64) -> HeapContents {
    walk.tally = Some(Tally::default());
    walk.large.are_kept = true;
    walk.run();
    walk.settle();
    let unread = unread_containers(walk);
    let unheld = if limits_met(walk).is_empty() && unread.is_empty() {
        walk.count_unheld(runtime)
    } else {
        Err(HeapUnknown::Partial)
    };
    let mut limits = limits_met(walk);
    if !unread.is_empty() {
        limits.push(HeapLimit::Changing);
    }
    let tally = walk.tally.take().unwrap_or_default();
    let mut all = tally.held();
    all.add(tally.interpreter);
    all.add(tally.unheld);
    let (variables, smaller_variables) = variables_of(walk, &tally);
    let unheld = unheld.map(|is_partial| UnheldObjects {
        sum: tally.unheld,
        types: types_of(walk, &tally, true),
        is_partial,
    });
    let version = walk.objects.offsets.version;
    let collects = walk.objects.collects(runtime);
    HeapContents {
        pid: 0,
        comm: String::new(),
        started_ticks: 0,
        at_ns: 0,
        python: (version >> 8, version & 0xff),
        all,
        types: types_of(walk, &tally, false),
        variables,
        smaller_variables,
        interpreter_alone: tally.interpreter,
        unheld,
        collects,
        limits,
        unread,
        swapped_bytes: 0,
        bytes_read: walk.objects.memory.bytes_read,
        duration_ns: 0,
    }
}

/// The bounds that a walk has met.
fn limits_met(walk: &Walk<'_>) -> Vec<HeapLimit> {
    let deadline = &walk.deadline;
    let met = [
        (deadline.is_out_of_time, HeapLimit::Time),
        (
            deadline.is_over && !deadline.is_out_of_time,
            HeapLimit::BytesRead,
        ),
        (walk.objects.memory.regions.is_partial, HeapLimit::Memory),
        (walk.objects.kinds.is_partial, HeapLimit::Types),
        (walk.stack.is_partial, HeapLimit::Depth),
    ];
    let met = met.into_iter().filter(|(is_met, _)| *is_met);
    met.map(|(_, limit)| limit).collect()
}

/// The containers that were moved or freed each time, if their entries are no few of all objects.
fn unread_containers(walk: &mut Walk<'_>) -> Vec<UnreadContainer> {
    let all = walk.large.all.iter();
    let mut lost: Vec<LargeContainer> = all
        .filter(|it| matches!(it.settled, Settled::Moved | Settled::Gone))
        .copied()
        .collect();
    let entries: u64 = lost.iter().map(|it| it.entries).sum();
    if entries == 0 || entries < walk.visited / LEAST_UNREAD {
        return Vec::new();
    }
    lost.sort_by_key(|it| std::cmp::Reverse(it.entries));
    lost.truncate(MAX_UNREAD);
    let unread = lost.into_iter().map(|it| UnreadContainer {
        path: walk
            .tree
            .path(it.node, &mut walk.objects)
            .unwrap_or_default(),
        type_name: walk.objects.type_name(it.number),
        entries: it.entries,
        is_gone: it.settled == Settled::Gone,
    });
    unread.collect()
}

/// The types with most bytes first; of all objects, or of those that nothing holds.
fn types_of(walk: &mut Walk<'_>, tally: &Tally, unheld: bool) -> Vec<TypeContents> {
    let mut found = Vec::new();
    for (number, of_type) in tally.by_type.iter().enumerate() {
        let (sum, largest_bytes) = if unheld {
            (of_type.unheld, of_type.largest_unheld)
        } else {
            (of_type.all, of_type.largest)
        };
        if sum != HeapSum::default() {
            found.push(TypeContents {
                name: walk.objects.name_with_module(number as u32),
                sum,
                largest_bytes,
            });
        }
    }
    found.sort_by(|one, other| {
        let by_bytes = other.sum.bytes.cmp(&one.sum.bytes);
        by_bytes.then_with(|| one.name.cmp(&other.name))
    });
    found
}

/// The largest variables, and the sum of the others.
fn variables_of(walk: &mut Walk<'_>, tally: &Tally) -> (Vec<VariableContents>, HeapSum) {
    let held = tally.held();
    let nodes = &walk.tree.nodes;
    let mut bytes: Vec<u64> = tally.by_node.iter().map(|sum| sum.bytes).collect();
    bytes.resize(nodes.len(), 0);
    let mut leading = heavy(nodes, &mut bytes, (held.bytes / LEAST_PART).max(1));
    leading.truncate(MAX_VARIABLES);
    let told = told_under(nodes, leading.iter().map(|(node, _)| *node));
    let mut sums = vec![HeapSum::default(); nodes.len()];
    for (node, sum) in tally.by_node.iter().enumerate() {
        let told = told.get(node).copied().filter(|told| *told != ROOT);
        if let Some(told) = told.and_then(|told| sums.get_mut(told as usize)) {
            told.add(*sum);
        }
    }
    let (mut variables, mut others) = (Vec::new(), held);
    for (node, _) in leading {
        let address = walk.tree.nodes[node as usize].object;
        let Some(named) = NamedVariable::of(walk, node, &[]) else {
            continue;
        };
        let sum = sums[node as usize];
        others = others.without(sum);
        variables.push(VariableContents {
            path: named.path,
            type_name: named.type_name,
            entries: walk.large.entries_of(address).or(named.entries),
            sum,
            aliases: named.aliases,
        });
    }
    variables.sort_by_key(|variable| std::cmp::Reverse(variable.sum.bytes));
    (variables, others)
}

impl HeapObjects<'_> {
    /// The name of a type, with the module of a class; that of a type in C has it already.
    pub(super) fn name_with_module(&mut self, number: u32) -> String {
        let Some(name) = self.type_name(number) else {
            return "?".into();
        };
        let address = self.kinds.get(number).address;
        if name.contains('.') || self.member(address, same::FLAGS) & HEAP_TYPE == 0 {
            return name;
        }
        let dict = self.member(address, same::TYPE_DICT);
        let module = self.entry_of(dict, "__module__");
        match module.and_then(|module| self.text(module)) {
            Some((module, true)) if module != "builtins" => format!("{module}.{name}"),
            _ => name,
        }
    }
}
