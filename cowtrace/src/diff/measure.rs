//! A run reduced to what a comparison needs, so that memory holds only one whole run at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    lines::{self, Place},
    regions::{Class, Part, Piece},
    shape::Shape,
};
use crate::{
    run::{Exit, Process, Role, Run, WriteKind, Writer},
    verdict::is_named,
    words::{count, function, printable},
};

/// The figures of one run.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The run's name: its file.
    pub name: String,
    /// The run's unique id.
    pub id: String,
    /// Wall clock at the start, RFC 3339.
    pub started_at: String,
    /// Duration of the trace, ns.
    pub duration_ns: u64,
    /// Whether its trace was cut off.
    pub unfinished: bool,
    /// The backend that saw the faults.
    pub backend: String,
    /// Kernel release and architecture.
    pub kernel: String,
    /// Bytes in a page.
    pub page_bytes: u64,
    /// Bytes in a range.
    pub range_bytes: u64,
    /// The user's labels.
    pub labels: BTreeMap<String, String>,
    /// Names of the masters' programs.
    pub masters: BTreeSet<String>,
    /// The first master that failed, and how, in words.
    pub failure: Option<String>,
    /// Workers that inherited memory, or copied some.
    pub workers: u64,
    /// Bytes that the workers inherited, the most that they can copy.
    pub ceiling: Option<f64>,
    /// Bytes copied by all processes.
    pub copied: f64,
    /// Of these, bytes with a known writer.
    pub known: f64,
    /// Losses that may make the totals too low, in words.
    pub totals_lost: Vec<String>,
    /// Whether Python lines are known for any copy.
    pub has_lines: bool,
    /// Bytes by the kind of write.
    pub kinds: BTreeMap<WriteKind, f64>,
    /// Bytes by what was written.
    pub written: BTreeMap<Written, f64>,
    /// Bytes by the function that wrote.
    pub functions: BTreeMap<String, f64>,
    /// Bytes by the Python line that wrote.
    pub lines: BTreeMap<Place, f64>,
    /// Full paths of the lines' files, by the part that a [`Place`] keeps.
    pub files: BTreeMap<String, BTreeSet<String>>,
    /// The masters' mappings by class, in order of their addresses.
    pub mappings: BTreeMap<Class, Vec<Piece>>,
    /// Bytes in memory without a position: of workers that forked, or mapped after the fork.
    pub others: BTreeMap<Part, f64>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    /// What kind of write it was.
    pub kind: WriteKind,
    /// Name of the object's type.
    pub type_name: Option<String>,
    /// In words. From outside: may contain any character.
    pub name: String,
}

impl Measured {
    /// Reduces a run; `name` is its name in messages.
    #[must_use]
    pub fn of(run: &Run, name: String) -> Self {
        let masters = || of_role(run, Role::Master);
        let workforce = run.workforce();
        let known = |writer: &&Writer| is_named(writer);
        let (mappings, others) = places_of_run(run);
        Self {
            name,
            id: run.head.id.clone(),
            started_at: run.head.started_at.clone(),
            unfinished: run.head.unfinished,
            duration_ns: run.head.duration_ns,
            backend: run.head.backend.clone(),
            kernel: format!("{} {}", run.head.host.kernel, run.head.host.arch),
            page_bytes: run.head.host.page_bytes,
            range_bytes: run.memory.range_bytes,
            labels: run.head.labels.clone(),
            masters: masters().map(|master| master.comm.clone()).collect(),
            failure: masters().find_map(failure_of_master),
            workers: workforce.workers.len() as u64,
            ceiling: workforce
                .inherited_pages()
                .map(|pages| bytes_of_pages(run, pages)),
            copied: bytes_of_pages(run, run.copied().total()),
            known: sum_of_writers(run, run.who_wrote.writers.iter().filter(known)),
            totals_lost: totals_lost(run),
            has_lines: !run.who_wrote.python_stacks.is_empty(),
            kinds: sums_by_key(run, |writer| Some(writer.kind)),
            written: sums_by_key(run, |writer| Some(written(run, writer))),
            functions: sums_by_key(run, |writer| Some(function(run, writer))),
            lines: sums_by_key(run, |writer| Place::of(run, writer)),
            files: lines::files_of_run(run),
            mappings,
            others,
        }
    }

    /// Whether writers are known.
    #[must_use]
    pub fn has_writers(&self) -> bool {
        !self.kinds.is_empty()
    }
}

fn of_role(run: &Run, role: Role) -> impl Iterator<Item = &Process> {
    run.memory
        .processes
        .iter()
        .filter(move |process| process.role == role)
}

fn failure_of_master(master: &Process) -> Option<String> {
    let exit = master.exit.filter(Exit::is_failure)?;
    let name = printable(&master.comm);
    Some(format!("{name} ({}) {}", master.pid, exit.in_words()))
}

fn bytes_of_pages(run: &Run, pages: u64) -> f64 {
    pages as f64 * run.head.host.page_bytes as f64
}

fn sum_of_writers<'a>(run: &Run, writers: impl Iterator<Item = &'a Writer>) -> f64 {
    writers
        .map(|writer| bytes_of_pages(run, writer.copied_pages))
        .sum()
}

fn sums_by_key<K: Ord>(run: &Run, key: impl Fn(&Writer) -> Option<K>) -> BTreeMap<K, f64> {
    let mut sums = BTreeMap::new();
    for writer in &run.who_wrote.writers {
        if let Some(key) = key(writer) {
            *sums.entry(key).or_default() += bytes_of_pages(run, writer.copied_pages);
        }
    }
    sums
}

fn written(run: &Run, writer: &Writer) -> Written {
    Written {
        kind: writer.kind,
        type_name: writer.type_name.clone(),
        name: crate::words::written(run, writer),
    }
}

fn totals_lost(run: &Run) -> Vec<String> {
    run.loss
        .happened()
        .filter(|(cause, _)| cause.totals_suffer)
        .map(|(cause, number)| format!("{} {}", count(number), cause.words(number)))
        .collect()
}

/// Where the copies lie: in memory with a position, and in memory without.
fn places_of_run(run: &Run) -> (BTreeMap<Class, Vec<Piece>>, BTreeMap<Part, f64>) {
    let masters: HashMap<u32, usize> = number_owners(run);
    let mut pieces: BTreeMap<Class, Vec<Piece>> = BTreeMap::new();
    let mut others: BTreeMap<Part, f64> = BTreeMap::new();
    let mut shapes = Shape::of_regions(run);
    for region in &run.memory.regions {
        let copied = bytes_of_pages(run, region.copied_pages);
        let class = Class::of(region, masters.get(&region.process_id).copied());
        if class.master.is_none() {
            *others.entry(Part::OfWorkers(class)).or_default() += copied;
            continue;
        }
        pieces.entry(class).or_default().push(Piece {
            start: region.mapping.start,
            size: region.mapping.size_bytes(),
            copied,
            unshared: run.memory.unshared_fraction(region),
            shape: shapes.remove(&region.id),
            contents: None,
        });
    }
    for pieces in pieces.values_mut() {
        pieces.sort_by_key(|piece| piece.start);
    }
    for row in run.memory.rows.iter().filter(|row| row.region_id.is_none()) {
        let part = match row.start {
            Some(_) => Part::Own(row.mapping.clone()),
            None => Part::OutsideHistogram,
        };
        *others.entry(part).or_default() += bytes_of_pages(run, row.copied.total());
    }
    others.retain(|_, copied| *copied > 0.0);
    (pieces, others)
}

/// The masters from which memory was inherited, numbered in the order in which they were found.
fn number_owners(run: &Run) -> HashMap<u32, usize> {
    let inherited: BTreeSet<u32> = run
        .memory
        .regions
        .iter()
        .filter(|region| region.inheritors > 0 || region.copied_pages > 0)
        .map(|region| region.process_id)
        .collect();
    of_role(run, Role::Master)
        .filter(|master| inherited.contains(&master.id))
        .enumerate()
        .map(|(number, master)| (master.id, number))
        .collect()
}
