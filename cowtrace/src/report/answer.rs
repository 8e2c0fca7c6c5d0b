//! The answer in one sentence, and the names that mappings go by.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::words::{count, percent, plural, printable, seconds, size};
use crate::run::{Kind, Region, Role, Run};

/// From this share on, who did the rest is not worth a word.
const NEARLY_ALL: f64 = 0.99;

/// The answer in one sentence.
pub(super) fn summary(run: &Run) -> String {
    let copied = run.copied().total();
    if copied == 0 {
        let workers = plural(run.workers().count(), "worker");
        return format!(
            "No page was copied on write in {} ({workers} seen)",
            seconds(run.duration_ns)
        );
    }
    let mut text = format!(
        "{} copied on write by {} in {}: {} pages",
        size(run.bytes(copied)),
        copiers(run, copied),
        seconds(run.duration_ns),
        count(copied),
    );
    if let Some((pages, name)) = main_source(run, copied) {
        let _ = write!(
            text,
            ", {} of them from {name}",
            percent(pages as f64 / copied as f64)
        );
    }
    text
}

fn copiers(run: &Run, copied: u64) -> String {
    let copiers = run
        .workers()
        .filter(|worker| worker.copied.total() > 0)
        .count();
    let by_workers: u64 = run.workers().map(|worker| worker.copied.total()).sum();
    let share = by_workers as f64 / copied as f64;
    match copiers {
        0 => "the master".into(),
        _ if share >= NEARLY_ALL => plural(copiers, "worker"),
        _ if share <= 1.0 - NEARLY_ALL => "the master".into(),
        _ => format!("{} and the master", plural(copiers, "worker")),
    }
}

/// Where most copies come from: one mapping if it has half of them, else all memory of the process
/// that has most.
fn main_source(run: &Run, copied: u64) -> Option<(u64, String)> {
    let top = *run.regions_by_copies().first()?;
    if top.copied_pages * 2 >= copied {
        return Some((top.copied_pages, owned_name(run, top)));
    }
    let mut owners: BTreeMap<u32, u64> = BTreeMap::new();
    for region in &run.regions {
        *owners.entry(region.process_id).or_default() += region.copied_pages;
    }
    let (owner, pages) = owners.into_iter().max_by_key(|(_, pages)| *pages)?;
    let process = run.process(owner)?;
    let owner = format!("memory of {} ({})", printable(&process.comm), process.pid);
    Some((pages, owner))
}

/// `[heap]`, `[anon] 0x7f2b00000000`, with the owner where there are several.
pub(super) fn region_name(run: &Run, region: &Region) -> String {
    let masters = run
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

/// Anonymous mappings are told apart by their address, but for those that are named after a file.
fn placed_name(region: &Region) -> String {
    let name = printable(&region.mapping.name);
    if region.mapping.kind == Kind::Anon && !name.starts_with("[bss of ") {
        format!("{name} {:#x}", region.mapping.start)
    } else {
        name
    }
}

/// `[heap] of python3 (4242)`.
fn owned_name(run: &Run, region: &Region) -> String {
    let name = placed_name(region);
    match run.process(region.process_id) {
        Some(process) => format!("{name} of {} ({})", printable(&process.comm), process.pid),
        None => name,
    }
}
