//! Names of regions.

use std::collections::BTreeSet;

use super::processes::program_of;
use crate::{
    foreign::printable,
    run::{Kind, Region, Role, Run},
};

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
        placed_name(region)
    } else {
        owned_name(run, region)
    }
}

/// Anonymous mappings are distinguished by their address, except those named after a file.
fn placed_name(region: &Region) -> String {
    let name = printable(&region.mapping.name);
    if region.mapping.kind == Kind::Anon && !name.starts_with("[bss of ") {
        format!("{name} {:#x}", region.mapping.start)
    } else {
        name
    }
}

/// `[heap] of python3 (4242)`.
pub(crate) fn owned_name(run: &Run, region: &Region) -> String {
    let name = placed_name(region);
    match run.process(region.process_id) {
        Some(process) => format!("{name} of {} ({})", program_of(run, process), process.pid),
        None => name,
    }
}
