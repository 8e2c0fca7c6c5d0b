//! What lives on pages that a process did not have before: its objects there by type, and the variables that
//! hold them. Freed blocks drop out: their count is 0 or overwritten.

use std::{ops::Range, path::Path, time::Instant};

use super::{
    copied::{Copied, NOWHERE},
    deadline::Deadline,
    find::{Limits, LivingInterpreter, TABLES_A_CHUNK, memory_of, prepare_walk},
    holders::{NamedVariable, heavy, told_under},
    landmarks::mix_number,
    memory::{Marks, ReadMemory},
    objects::{HeapObject, HeapObjects},
    parts::ObjectParts,
    paths::ROOT,
    regions::PAGE,
    walk::Walk,
};
use crate::{
    memory::PresentPages,
    run::{Grown, GrownHeap, GrownType, GrownVariable},
};

/// Most pages that are read; of more pages, this many at random. The search for objects in 16 MiB takes 0.1 s.
const MOST_PAGES: u64 = 8192;
/// Objects that are kept: a page has room for 128 of 32 bytes.
const MOST_OBJECTS: usize = 1 << 20;
/// Bytes of tables an object.
const TABLES_AN_OBJECT: usize = 48;
/// Distance between possible objects, bytes.
const GRAIN: u64 = 16;
/// Places a page whose holder is looked for, to know what variables hold.
const PLACES_A_PAGE: u64 = 8;
/// Variables that hold less than 1/N of what is held count with those that contain them, with this N.
const LEAST_PART: u64 = 200;
/// Most variables and types that are kept.
const MOST_VARIABLES: usize = 32;
const MOST_TYPES: usize = 64;

/// An object on a new page.
#[derive(Clone, Copy, Debug)]
struct LivingObject {
    address: u64,
    number: u32,
    /// With its tables.
    bytes: u64,
}

/// What was found on the pages that were read.
struct ScannedPages {
    /// By address.
    objects: Vec<LivingObject>,
    /// Addresses all over the pages.
    places: Vec<u64>,
    pages: u64,
}

/// Finds what lives on the new pages of a process.
pub(crate) fn find_grown(
    proc_root: &Path,
    pid: u32,
    interpreter: &LivingInterpreter,
    new: &PresentPages,
    limits: Limits,
    read: Box<ReadMemory<'_>>,
) -> Result<Grown, &'static str> {
    let began = Instant::now();
    let tables = (MOST_OBJECTS * TABLES_AN_OBJECT, TABLES_A_CHUNK);
    let limits = Limits {
        memory_bytes: limits.memory_bytes + tables.0,
        ..limits
    };
    let memory = memory_of(proc_root, pid, &limits, tables, read)?;
    let mut walk = prepare_walk(memory, interpreter, Vec::new(), &limits)?;
    let mut found = grown_in(&mut walk, interpreter.runtime, new);
    for heap in &mut found.heaps {
        heap.duration_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    }
    Ok(found)
}

/// Scans, walks, and adds up.
pub(super) fn grown_in(walk: &mut Walk<'_>, runtime: u64, new: &PresentPages) -> Grown {
    let collects = walk.objects.collects(runtime);
    let scanned = walk.objects.scan(new, &mut walk.deadline);
    let addresses = scanned.objects.iter().map(|it| it.address).collect();
    walk.copied = Copied::new(addresses, &walk.objects.memory);
    walk.landmarks = Copied::new(scanned.places.clone(), &walk.objects.memory);
    walk.run();
    let new_pages = new.bytes() / PAGE;
    let scale = Scale {
        pages: new_pages,
        read: scanned.pages,
    };
    let mut heap = GrownHeap {
        new_pages,
        read_pages: scanned.pages,
        collects,
        is_partial: walk.deadline.is_over
            || new.is_partial
            || walk.objects.memory.regions.is_partial
            || walk.objects.kinds.is_partial
            || walk.stack.is_partial,
        ..GrownHeap::default()
    };
    let unheld = walk.still_unheld(&scanned);
    if heap.read_pages == new_pages && !heap.is_partial {
        heap.cyclic_objects = walk.cyclic_among(&scanned, &unheld);
    }
    let types = grown_types(walk, &scanned, &unheld, scale);
    for of_type in &types {
        heap.objects += of_type.objects;
        heap.bytes += of_type.bytes;
        heap.unheld_objects += of_type.unheld_objects;
        heap.unheld_bytes += of_type.unheld_bytes;
    }
    let (variables, held) = grown_variables(walk, scale);
    heap.held_bytes = held;
    let types = types.into_iter().take(MOST_TYPES).collect();
    Grown {
        heaps: vec![heap],
        types,
        variables,
    }
}

/// What holds an object after the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeldNow {
    ByVariables,
    /// By no variable.
    ByNothing,
    /// It has been freed meanwhile, as what belongs to a request.
    Gone,
}

impl Walk<'_> {
    /// What holds each of the objects.
    fn still_unheld(&mut self, scanned: &ScannedPages) -> Vec<HeldNow> {
        self.objects.memory.forget();
        let found: Vec<bool> = self
            .copied
            .found()
            .map(|(node, _)| node != NOWHERE)
            .collect();
        let objects = scanned.objects.iter().zip(found);
        objects
            .map(|(object, is_held)| {
                if is_held {
                    return HeldNow::ByVariables;
                }
                let now = self.objects.at(object.address);
                if now.is_some_and(|now| now.number == object.number) {
                    HeldNow::ByNothing
                } else {
                    HeldNow::Gone
                }
            })
            .collect()
    }

    /// How many of the objects that no variable holds only each other hold; none at a limit.
    fn cyclic_among(&mut self, scanned: &ScannedPages, held: &[HeldNow]) -> Option<u64> {
        let objects = scanned.objects.iter().zip(held);
        let unheld = objects.filter(|(_, held)| **held == HeldNow::ByNothing);
        let addresses = unheld.map(|(object, _)| object.address).collect();
        let are_cyclic = self.hold_each_other(addresses)?;
        Some(
            are_cyclic
                .into_iter()
                .filter(|is_cyclic| *is_cyclic)
                .count() as u64,
        )
    }
}

/// From the pages that were read to all.
#[derive(Clone, Copy, Debug)]
struct Scale {
    pages: u64,
    read: u64,
}

impl Scale {
    fn of(self, figure: u64) -> u64 {
        let all = u128::from(figure) * u128::from(self.pages) / u128::from(self.read.max(1));
        u64::try_from(all).unwrap_or(u64::MAX)
    }
}

/// Objects by type, most bytes first.
fn grown_types(
    walk: &mut Walk<'_>,
    scanned: &ScannedPages,
    held_by: &[HeldNow],
    scale: Scale,
) -> Vec<GrownType> {
    let mut types: Vec<GrownType> = Vec::new();
    for (object, held) in scanned.objects.iter().zip(held_by) {
        if *held == HeldNow::Gone {
            continue;
        }
        let number = object.number as usize;
        if types.len() <= number {
            types.resize(number + 1, GrownType::default());
        }
        let of_type = &mut types[number];
        of_type.objects += 1;
        of_type.bytes += object.bytes;
        if *held == HeldNow::ByNothing {
            of_type.unheld_objects += 1;
            of_type.unheld_bytes += object.bytes;
        }
    }
    let mut found = Vec::new();
    for (number, of_type) in types.into_iter().enumerate() {
        if of_type.objects == 0 {
            continue;
        }
        found.push(GrownType {
            process_id: 0,
            name: walk.objects.name_with_module(number as u32),
            is_container: walk.objects.may_be_in_cycle(number as u32),
            objects: scale.of(of_type.objects),
            bytes: scale.of(of_type.bytes),
            unheld_objects: scale.of(of_type.unheld_objects),
            unheld_bytes: scale.of(of_type.unheld_bytes),
        });
    }
    found.sort_by(|one, other| {
        let by_bytes = other.bytes.cmp(&one.bytes);
        by_bytes.then_with(|| one.name.cmp(&other.name))
    });
    found
}

/// The variables that hold most, and the bytes that all of them hold.
fn grown_variables(walk: &mut Walk<'_>, scale: Scale) -> (Vec<GrownVariable>, u64) {
    let nodes = &walk.tree.nodes;
    let mut places = vec![0; nodes.len()];
    let mut held = 0;
    for (node, _) in walk.landmarks.found() {
        if let Some(sum) = places.get_mut(node as usize) {
            *sum += 1;
            held += 1;
        }
    }
    let mut leading = heavy(nodes, &mut places, (held / LEAST_PART).max(1));
    leading.truncate(MOST_VARIABLES);
    let told = told_under(nodes, leading.iter().map(|(node, _)| *node));
    let mut objects = vec![0u64; nodes.len()];
    for (node, _) in walk.copied.found() {
        let told = told.get(node as usize).filter(|told| **told != ROOT);
        if let Some(sum) = told.and_then(|told| objects.get_mut(*told as usize)) {
            *sum += 1;
        }
    }
    let bytes = |places: u64| scale.of(places * (PAGE / PLACES_A_PAGE));
    let mut variables = Vec::new();
    for (node, places) in leading {
        let Some(named) = NamedVariable::of(walk, node, &[]) else {
            continue;
        };
        variables.push(GrownVariable {
            process_id: 0,
            path: named.path,
            type_name: named.type_name,
            entries: named.entries,
            objects: scale.of(objects[node as usize]),
            bytes: bytes(places),
        });
    }
    variables.sort_by_key(|variable| std::cmp::Reverse(variable.bytes));
    (variables, bytes(held))
}

impl HeapObjects<'_> {
    /// Whether objects of a type can be part of a cycle: the collector has a header for those.
    fn may_be_in_cycle(&self, number: u32) -> bool {
        let of_type = self.kinds.get(number);
        let has_headers = self.offsets.header.collector > 0;
        of_type.before > 0 || !has_headers && !of_type.kind.is_leaf()
    }

    /// Looks for objects on new pages, or on some of them at random.
    fn scan(&mut self, new: &PresentPages, deadline: &mut Deadline) -> ScannedPages {
        let mut found = ScannedPages {
            objects: Vec::new(),
            places: Vec::new(),
            pages: 0,
        };
        let every = (new.bytes() / PAGE).div_ceil(MOST_PAGES).max(1);
        let mut tables = Marks::new(self.memory.regions.chunks());
        let pages = new.ranges().iter();
        let pages = pages.flat_map(|range| range.clone().step_by(PAGE as usize));
        for page in pages.filter(|page| mix_number(*page).is_multiple_of(every)) {
            if found.objects.len() >= MOST_OBJECTS || deadline.step(self.memory.bytes_read) {
                break;
            }
            found.pages += 1;
            found.places.extend(places_in(page));
            self.scan_page(page, new, &mut tables, &mut found.objects);
        }
        found
    }

    fn scan_page(
        &mut self,
        page: u64,
        new: &PresentPages,
        tables: &mut Marks,
        found: &mut Vec<LivingObject>,
    ) {
        let mut at = page;
        while at < page + PAGE {
            let Some(object) = self.guess(at) else {
                at += GRAIN;
                continue;
            };
            let (_, range) = self.extent(&object);
            let own = self.bytes_of_new_tables(&object, new, tables);
            found.push(LivingObject {
                address: at,
                number: object.number,
                bytes: (range.end - range.start).saturating_add(own),
            });
            at = range
                .end
                .div_ceil(GRAIN)
                .saturating_mul(GRAIN)
                .max(at + GRAIN);
        }
    }

    /// Bytes of the tables of an object that are on new pages, each table once.
    fn bytes_of_new_tables(
        &mut self,
        object: &HeapObject,
        new: &PresentPages,
        known: &mut Marks,
    ) -> u64 {
        if self.kind(object).is_leaf() {
            return 0;
        }
        let mut parts = ObjectParts::default();
        self.parts(object, false, &mut parts);
        let mut bytes = 0u64;
        for table in &parts.tables {
            let place = self.memory.place(table.start);
            let is_first = place.is_some_and(|place| table.bytes > 0 && known.set(place));
            if is_first && new.has(table.start) {
                bytes = bytes.saturating_add(table.bytes);
            }
        }
        bytes
    }
}

/// Addresses in a page, not at regular distances, because blocks of one size are regular too.
fn places_in(page: u64) -> impl Iterator<Item = u64> {
    let distance = PAGE / PLACES_A_PAGE;
    let begin: Range<u64> = 0..PLACES_A_PAGE;
    begin.map(move |place| {
        let within = mix_number(page + place) % (distance / GRAIN) * GRAIN;
        page + place * distance + within
    })
}
