//! Names of regions.

use std::collections::BTreeSet;

use super::processes::program_of;
use crate::{
    foreign::printable,
    run::{Kind, Mapping, Region, Role, Run, WriteKind},
};

/// The same, where it holds objects of Python.
const PYTHON: &str = "[Python objects]";
/// From this share of its copies on, a region holds nothing else, as far as is known.
const NEARLY_ALL: f64 = 0.9;

/// `[heap]`, `[anon] 0x7f2b00000000`, with the owner if there are several.
pub(crate) fn region_name(run: &Run, region: &Region) -> String {
    let masters = run
        .memory
        .processes
        .iter()
        .filter(|process| process.role == Role::Master);
    let pids: BTreeSet<u32> = masters.map(|master| master.pid).collect();
    let is_the_masters = run
        .process(region.process_id)
        .is_some_and(|process| pids.contains(&process.pid));
    if is_the_masters && pids.len() == 1 {
        placed_name(run, region)
    } else {
        owned_name(run, region)
    }
}

/// Anonymous mappings are distinguished by their address, except those named after a file.
fn placed_name(run: &Run, region: &Region) -> String {
    let mut name = printable(&region.mapping.name);
    if name == Mapping::UNNAMED && holds_python(run, region) {
        PYTHON.clone_into(&mut name);
    }
    if region.mapping.kind == Kind::Anon && !name.starts_with("[bss of ") {
        format!("{name} {:#x}", region.mapping.start)
    } else {
        name
    }
}

/// `[heap] of python3 (4242)`.
pub(crate) fn owned_name(run: &Run, region: &Region) -> String {
    let name = placed_name(run, region);
    match run.process(region.process_id) {
        Some(process) => format!("{name} of {} ({})", program_of(run, process), process.pid),
        None => name,
    }
}

/// Whether nearly all copies of a region are by writes to reference counts and headers of the collector.
fn holds_python(run: &Run, region: &Region) -> bool {
    let writers = run.who_wrote.writers.iter();
    let (mut all, mut pythons) = (0, 0);
    for writer in writers.filter(|it| it.region_id == Some(region.id)) {
        all += writer.copied_pages;
        if matches!(writer.kind, WriteKind::Refcount | WriteKind::Gc) {
            pythons += writer.copied_pages;
        }
    }
    all > 0 && pythons as f64 >= all as f64 * NEARLY_ALL
}
