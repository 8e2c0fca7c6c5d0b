//! The memory of the tree over time, and what each worker still shares.

use std::cmp::Reverse;

use serde::Serialize;

use super::timeline::{Band, PageTimeline, points};
use crate::{
    run::{Balance, BalanceIs, Process, Run},
    verdict::{TreeMemory, memory_over_time, unshared_before},
    words::{plural, size, what_runs},
};

/// Most workers with a bar.
const MOST_BARS: usize = 64;

/// What bars are made of.
pub(super) const PARTS: [&str; 4] = [
    "still shared",
    "unshared before the trace, at most",
    "copied in the trace",
    "new",
];

/// A bar for each worker.
#[derive(Serialize)]
pub(super) struct Balances {
    parts: [&'static str; PARTS.len()],
    bars: Vec<BalanceBar>,
    /// What was left out or is not exact; empty if nothing.
    note: String,
}

/// The memory of a worker.
#[derive(Serialize)]
struct BalanceBar {
    name: String,
    /// Pages, in the order of the parts.
    pages: [u64; PARTS.len()],
    note: String,
}

/// Bands of what is in memory, and a line of what is not any more.
pub(super) fn memory_of_tree(run: &Run) -> Option<PageTimeline> {
    let memory = memory_over_time(run);
    let samples = points(&memory);
    if samples.is_empty() {
        return None;
    }
    let band = |name: &str, pages: fn(&TreeMemory) -> u64| Band {
        name: name.into(),
        pages: samples.iter().map(|sample| pages(sample)).collect(),
    };
    let mut bands = vec![
        band(PARTS[0], |it| it.shared),
        band(PARTS[1], |it| it.unshared_before),
        band(PARTS[2], |it| it.copied),
        band(PARTS[3], |it| it.new),
    ];
    bands.retain(|band| band.pages.iter().any(|pages| *pages > 0));
    let line = band("given back so far", |it| it.given_back);
    Some(PageTimeline {
        at_ns: samples.iter().map(|sample| sample.at_ns).collect(),
        bands,
        line: line.pages.iter().any(|pages| *pages > 0).then_some(line),
        has_others: false,
        note: "Anonymous memory of the processes that live, each page once. Given back: new memory that is \
               no longer there."
            .into(),
    })
}

/// The last balance of each worker, most unshared memory first; `None` if none was read.
pub(super) fn balances_of_run(run: &Run) -> Option<Balances> {
    let processes = run.memory.processes.iter();
    let mut bars: Vec<BalanceBar> = processes
        .filter_map(|process| {
            let balances = run.growth.balances_of(process.id);
            Some(bar_of_process(run, process, balances.last()?))
        })
        .collect();
    if bars.is_empty() {
        return None;
    }
    bars.sort_by_key(|bar| Reverse(bar.pages[1..].iter().sum::<u64>()));
    let more = bars.len().saturating_sub(MOST_BARS);
    bars.truncate(MOST_BARS);
    let note = match more {
        0 => String::new(),
        1 => "1 more process is left out: -f json has all.".into(),
        more => format!(
            "{} are left out: -f json has all.",
            plural(more as u64, "more process")
        ),
    };
    Some(Balances {
        parts: PARTS,
        bars,
        note,
    })
}

fn bar_of_process(run: &Run, process: &Process, balance: &Balance) -> BalanceBar {
    let pages = &balance.pages;
    let before = unshared_before(run, process).map_or(0, |(pages, _)| pages);
    let before = before.min(pages.unshared_pages);
    let mut notes = Vec::new();
    if process.exited_ns.is_some() {
        notes.push("before it ended".to_owned());
    }
    match pages.is {
        BalanceIs::Sampled => notes.push(format!(
            "sampled, ±{} in 19 of 20 samples",
            size(run.bytes(pages.error_pages))
        )),
        BalanceIs::Coarse => notes.push("page frames could not be read: roughly".into()),
        BalanceIs::Exact | BalanceIs::Unknown => {}
    }
    if pages.gone_pages > 0 {
        let gone = size(run.bytes(pages.gone_pages));
        notes.push(format!("{gone} of what it inherited given back"));
    }
    if pages.swapped_pages > 0 {
        notes.push(format!("{} in swap", size(run.bytes(pages.swapped_pages))));
    }
    BalanceBar {
        name: format!("{} {}", process.pid, what_runs(run, process)),
        pages: [
            pages.shared_pages,
            before,
            pages.unshared_pages - before,
            pages.new_pages,
        ],
        note: notes.join("; "),
    }
}
