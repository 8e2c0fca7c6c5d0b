//! The answer in one sentence, and the names that mappings go by.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::words::{count, percent, plural, printable, seconds, shorten, size};
use crate::run::{Exit, Kind, Region, Role, Run};

/// From this share on, who did the rest is not worth a word.
const NEARLY_ALL: f64 = 0.99;

/// Workers that made this share of the copies are told apart from the others, if they are few.
const MOST: f64 = 0.95;
/// At most this part of the workers.
const FEW: usize = 2;

/// Masters that failed and are told, at most.
const MOST_ENDINGS: usize = 3;
/// Longer names of programs are cut.
const MAX_NAME: usize = 32;

/// The answer in one sentence.
pub(super) fn summary(run: &Run) -> String {
    if run.unfinished && run.processes.is_empty() {
        return "Nothing was recorded before the trace was cut off".into();
    }
    let copied = run.copied().total();
    if copied == 0 {
        let workers = plural(run.workers().count(), "worker");
        return format!(
            "No page was copied on write in {} ({workers} seen)",
            seconds(run.duration_ns)
        );
    }
    let mut text = format!(
        "{} copied on write{} in {}: {} pages",
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

/// What else belongs to the answer, a sentence each.
pub(super) fn facts(run: &Run) -> Vec<String> {
    let mut facts = Vec::new();
    let ceiling = run.ceiling_bytes();
    if let Some(share) = unshared_share(run) {
        let what = if earlier_workers(run) == 0 {
            "is no longer shared; copying can use no more than that"
        } else {
            "was copied in this trace"
        };
        facts.push(format!(
            "{} of the {} that {} inherited {what}.",
            percent(share),
            size(ceiling),
            plural(run.workers().count(), "worker"),
        ));
    }
    facts.extend(copied_before(run));
    if run.workers().next().is_none() && !run.processes.is_empty() {
        facts.push("No worker was seen: what was traced had no children and forked none.".into());
    }
    facts.extend(endings(run));
    if run.reused_faults() > 0 {
        facts.push(format!(
            "{} more write faults copied nothing and cost no memory.",
            count(run.reused_faults())
        ));
    }
    if run.unfinished {
        facts.push(format!(
            "The trace was cut off, or goes on: this is what it had counted after {}, before \
             functions were named and variables looked for.",
            seconds(run.duration_ns)
        ));
    }
    facts.push(format!(
        "Measured with the {} backend on Linux {} ({}), in ranges of {}.",
        printable(&run.backend),
        shorten(&printable(&run.host.kernel), 24),
        printable(&run.host.arch),
        size(run.range_bytes)
    ));
    if !run.unseen.is_empty() {
        let unseen = printable(&run.unseen.join(", "));
        facts.push(format!("It does not see {unseen}."));
    }
    facts
}

/// How masters ended that failed.
fn endings(run: &Run) -> impl Iterator<Item = String> {
    let failed = run.processes.iter().filter_map(|process| {
        let exit = process.exit.filter(Exit::is_failure)?;
        let name = shorten(&printable(&process.comm), MAX_NAME);
        Some(format!("{name} ({}) {}.", process.pid, exit.in_words()))
    });
    failed.take(MOST_ENDINGS)
}

/// Workers that were there before the trace.
pub(super) fn earlier_workers(run: &Run) -> usize {
    let earlier = run.workers().filter(|worker| worker.started_ns == 0);
    earlier.count()
}

fn copied_before(run: &Run) -> Option<String> {
    let earlier = earlier_workers(run);
    let they = match earlier {
        0 => return None,
        1 => "1 worker was there before: what it".into(),
        _ if earlier == run.workers().count() => "The workers were there before: what they".into(),
        _ => format!("{earlier} workers were there before: what they"),
    };
    Some(format!("{they} had copied by then is not counted."))
}

/// The share of what the workers inherited that is no longer shared; none without copies or if
/// nothing was inherited.
pub(super) fn unshared_share(run: &Run) -> Option<f64> {
    let ceiling = run.ceiling_bytes();
    (ceiling > 0 && run.copied().total() > 0).then(|| {
        let unshared: u64 = run.regions.iter().map(|region| region.unshared_pages).sum();
        (run.bytes(unshared) as f64 / ceiling as f64).min(1.0)
    })
}

/// What was lost, a sentence a cause.
pub(super) fn losses(run: &Run) -> Vec<String> {
    let told = run.loss.happened().filter(|(cause, _)| cause.is_loss);
    told.map(|(cause, number)| {
        let warning = if cause.totals_suffer {
            " (totals may be too low)"
        } else {
            ""
        };
        format!("{} {}{warning}", count(number), cause.meaning)
    })
    .collect()
}

/// ` by 4 workers`, `, 97 % by 2 of 74 workers,`.
fn copiers(run: &Run, copied: u64) -> String {
    let mut pages: Vec<u64> = run.workers().map(|worker| worker.copied.total()).collect();
    pages.retain(|pages| *pages > 0);
    let share = |pages: u64| pages as f64 / copied as f64;
    let by_workers = share(pages.iter().sum());
    if pages.is_empty() || by_workers <= 1.0 - NEARLY_ALL {
        return " by the master".into();
    }
    pages.sort_unstable_by_key(|pages| Reverse(*pages));
    let mut sum = 0;
    let leading = pages.iter().position(|pages| {
        sum += pages;
        share(sum) >= MOST
    });
    let workers = plural(pages.len(), "worker");
    match leading.map(|last| last + 1) {
        Some(few) if few * FEW <= pages.len() => {
            format!(", {} by {few} of {workers},", percent(share(sum)))
        }
        _ if by_workers >= NEARLY_ALL => format!(" by {workers}"),
        _ => format!(" by {workers} and the master"),
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
