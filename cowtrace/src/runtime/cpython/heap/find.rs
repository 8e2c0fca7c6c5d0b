//! Finds what holds addresses: the whole walk, from its start to its answer, and its limits.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{
    copied::Copied,
    deadline::Deadline,
    holders::VariableSums,
    kinds::Kinds,
    landmarks,
    memory::{Memory, ReadMemory},
    objects::HeapObjects,
    occupancy::{self, Occupancy},
    offsets::Offsets,
    regions::{self, CHUNK, Regions},
    saving::{Savings, savings_of},
    survey::Survey,
    variable::Variable,
    walk::Walk,
};
use crate::{
    run::{FreeMemory, FreezeSaving, ReadingReach},
    stop::Stop,
};

/// The limits of a walk.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for the search.
    pub time: Duration,
    /// Memory of the walk, bytes, for a process with up to 1.5 GiB of its own; for larger processes
    /// it is a sixteenth of their memory.
    pub memory_bytes: usize,
    /// How many landmarks are looked up beside the copied addresses, for a [`Survey`]; with 0, no
    /// survey is made.
    pub landmarks: usize,
    /// Ends it before that time.
    pub stop: Stop,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            memory_bytes: 96 << 20,
            landmarks: 0,
            stop: Stop::default(),
        }
    }
}

/// How many times the process's memory may be read, at least 4 GiB: the cache is smaller than the
/// memory, and the elements of a set are spread all over it.
const MAX_ROUNDS: u64 = 16;
const LEAST_BYTES: u64 = 4 << 30;
/// Cache, bytes; the larger one is for processes above [`LARGE`].
const CACHE: usize = 16 << 20;
const LARGE_CACHE: usize = 32 << 20;
const LARGE: u64 = 1 << 30;
/// Bytes of tables per chunk of the process's memory: marks, the first copy, landmark and sampled page
/// of each page, and the chunk's place.
pub(super) const TABLES_A_CHUNK: usize = 672 + 128;
/// Bytes of tables per copied address.
const TABLES_AN_ADDRESS: usize = 33;
/// Bytes of the sampled pages.
const SAMPLED_PAGES: usize = 2 * occupancy::MAX_PAGES * occupancy::BYTES_A_PAGE;

/// The result of a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Most pages first.
    pub variables: Vec<Variable>,
    /// Copied pages that were looked up.
    pub asked_pages: u64,
    /// Of these, pages under any variable.
    pub held_pages: u64,
    /// Of these, pages that were free memory.
    pub free: Vec<FreeMemory>,
    /// Objects visited.
    pub objects: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Duration, ns.
    pub duration_ns: u64,
    /// Whether it ended early, because of time, memory or depth, or some of what it had found was
    /// gone before it could be named.
    pub is_partial: bool,
    /// Whether there was time to compare the leading variables.
    pub is_compared: bool,
    /// What keeping the collector from writing would save; none if that is not known.
    pub freeze: Option<FreezeSaving>,
    /// How far reading alone can take copies; none if that is not known.
    pub reading: Option<ReadingReach>,
    /// What lies where, for later copies.
    pub survey: Survey,
}

/// A process's interpreter.
#[derive(Clone, Debug)]
pub(crate) struct LivingInterpreter {
    pub(crate) type_type: u64,
    pub(crate) runtime: u64,
    /// Possible layouts: the first that fits is used.
    pub(crate) offsets: Vec<Offsets>,
}

/// Addresses in order, and the pages copied for each.
pub(crate) struct AddressCopies {
    pub(crate) addresses: Vec<u64>,
    pub(crate) pages: Vec<u32>,
}

/// Finds what holds these addresses.
pub(crate) fn find_holders(
    proc_root: &Path,
    pid: u32,
    interpreter: &LivingInterpreter,
    copies: AddressCopies,
    limits: &Limits,
    read: Box<ReadMemory<'_>>,
) -> Result<Found, &'static str> {
    let began = Instant::now();
    let addresses = copies.addresses.len() + limits.landmarks;
    let tables = addresses * TABLES_AN_ADDRESS + SAMPLED_PAGES;
    let tables = (tables, TABLES_A_CHUNK);
    let memory = memory_of(proc_root, pid, limits, tables, read)?;
    let mut walk = prepare_walk(memory, interpreter, copies.addresses, limits)?;
    let mut found = finish_walk(&mut walk, &copies.pages);
    found.duration_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok(found)
}

/// The memory of a process, as much as the limits allow for tables: of all of it, and of each chunk,
/// in bytes.
pub(super) fn memory_of<'a>(
    proc_root: &Path,
    pid: u32,
    limits: &Limits,
    tables: (usize, usize),
    read: Box<ReadMemory<'a>>,
) -> Result<Memory<'a>, &'static str> {
    let resident = crate::memory::resident_pages(proc_root, pid).saturating_mul(regions::PAGE);
    let budget = limits.memory_bytes.max((resident / 16) as usize);
    let cache = if resident > LARGE { LARGE_CACHE } else { CACHE };
    let max_chunks = budget.saturating_sub(cache + tables.0) / tables.1;
    let regions = Regions::read(proc_root, pid, max_chunks).ok_or("its memory cannot be read")?;
    Ok(Memory::new(regions, cache, read).of_process(proc_root, pid))
}

/// A walk from the roots of an interpreter whose version fits.
pub(super) fn prepare_walk<'a>(
    memory: Memory<'a>,
    interpreter: &LivingInterpreter,
    addresses: Vec<u64>,
    limits: &Limits,
) -> Result<Walk<'a>, &'static str> {
    let bytes = (memory.regions.chunks() as u64 * CHUNK * MAX_ROUNDS).max(LEAST_BYTES);
    let mut memory = Some(memory);
    for offsets in &interpreter.offsets {
        let Some(taken) = memory.take() else { break };
        let mut objects = HeapObjects {
            memory: taken,
            kinds: Kinds::new(interpreter.type_type, offsets),
            offsets: *offsets,
            together: Vec::new(),
        };
        let Some(interpreters) = objects.interpreters(interpreter.runtime) else {
            memory = Some(objects.memory);
            continue;
        };
        let landmarks = landmarks::spread_landmarks(&objects.memory.regions, limits.landmarks);
        // A survey is for copies that are made later, on pages that are not known yet.
        let occupancy = match limits.landmarks {
            0 => Occupancy::new(&addresses, &mut objects.memory),
            _ => Occupancy::default(),
        };
        let lists = [addresses, landmarks].map(|list| Copied::new(list, &objects.memory));
        let mut walk = Walk::new(
            objects,
            lists,
            Deadline::new(limits.time, bytes).or_at(limits.stop.clone()),
        );
        walk.occupancy = occupancy;
        walk.begin(&interpreters);
        return Ok(walk);
    }
    Err("its modules are not where this version of CPython keeps them")
}

/// Walks, and returns the result.
pub(super) fn finish_walk(walk: &mut Walk<'_>, pages: &[u32]) -> Found {
    walk.run();
    let free = walk.find_free();
    let is_partial = walk.deadline.is_over
        || walk.objects.memory.regions.is_partial
        || walk.objects.kinds.is_partial
        || walk.stack.is_partial;
    let sums = VariableSums::of(walk, pages);
    let compared = sums.compared(walk);
    let is_compared = walk.compare(&compared);
    let held = sums.held;
    let savings = if is_partial {
        Savings::default()
    } else {
        savings_of(walk, &sums, pages)
    };
    let of_copies = walk.free_memory(&free, pages);
    let reading = walk.occupancy.reading_reach().filter(|_| !is_partial);
    let survey = Survey::of(walk, &sums, &compared, free);
    let (variables, gone) = sums.name(walk, pages, &compared, savings.by_node);
    Found {
        variables,
        asked_pages: pages.iter().map(|pages| u64::from(*pages)).sum(),
        held_pages: held - gone,
        free: of_copies,
        objects: walk.visited,
        bytes_read: walk.objects.memory.bytes_read,
        duration_ns: 0,
        is_partial: is_partial || gone > 0,
        is_compared,
        freeze: savings.freeze,
        reading,
        survey,
    }
}
