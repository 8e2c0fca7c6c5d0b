//! What the figures of a run mean, as JSON: verdict, balances, advice.

use serde::Serialize;

use crate::{
    run::{BalanceIs, Process, Run},
    verdict::{
        Advice, GrowthOfLives, GrowthShape, Outlook, Room, TreeGrowth, advice_by_cause,
        growth_of_tree, summary, unshared_before, verdict_in_words,
    },
};

#[derive(Serialize)]
pub(super) struct VerdictOut {
    kind: Option<&'static str>,
    kind_of_processes: Option<&'static str>,
    headline: Option<String>,
    summary: String,
    copied_bytes: u64,
    ceiling_bytes: Option<u64>,
    how_far: Option<HowFarOut>,
    #[serde(flatten)]
    growth: Option<GrowthOut>,
}

/// How far copies have come, and whether the rest fits.
#[derive(Serialize)]
struct HowFarOut {
    unshared_bytes: u64,
    ceiling_bytes: u64,
    by_reading_at_most_bytes: Option<u64>,
    remaining_bytes: u64,
    workers: usize,
    room_bytes: Option<u64>,
    room_is: Option<&'static str>,
    exceeds_by_bytes: Option<u64>,
    with_workers: Option<u64>,
    with_workers_at_most_bytes: Option<u64>,
    each_worker_at_most_bytes: Option<u64>,
}

impl From<Outlook> for HowFarOut {
    fn from(outlook: Outlook) -> Self {
        let (room, more) = (outlook.room, outlook.more_workers);
        let over = |it: Room| outlook.remaining_bytes.saturating_sub(it.bytes);
        Self {
            unshared_bytes: outlook.unshared_bytes,
            ceiling_bytes: outlook.ceiling_bytes,
            by_reading_at_most_bytes: outlook.by_reading_bytes,
            remaining_bytes: outlook.remaining_bytes,
            workers: outlook.workers,
            room_bytes: room.map(|it| it.bytes),
            room_is: room.map(|it| it.is.name()),
            exceeds_by_bytes: room.map(over),
            with_workers: more.map(|it| it.workers),
            with_workers_at_most_bytes: more.map(|it| it.all_bytes),
            each_worker_at_most_bytes: more.map(|it| it.each_bytes),
        }
    }
}

/// A process's memory beside that of the process that it inherited from, as last read.
#[derive(Serialize)]
pub(super) struct BalanceOut {
    process_id: u32,
    at_ns: u64,
    is: BalanceIs,
    shared_pages: u64,
    unshared_before_pages: Option<u64>,
    unshared_before_is: &'static str,
    unshared_pages: u64,
    new_pages: u64,
    returned_pages: u64,
    swapped_pages: u64,
    error_pages: u64,
}

/// What memory grew by, if the trace looked at that.
#[derive(Serialize)]
struct GrowthOut {
    from_ns: u64,
    to_ns: u64,
    parts: Vec<PartOut>,
    growth_bytes: u64,
    held_bytes: u64,
    peak_held_bytes: u64,
    new_bytes: u64,
    touched_bytes: u64,
    returned_bytes: u64,
    rate_bytes_per_s: u64,
    flat_ns: Option<u64>,
    given_back_by_ended_bytes: u64,
    loaded_before_fork_bytes: Option<u64>,
    until_replaced: Option<UntilReplacedOut>,
}

/// What workers grow by until they are replaced.
#[derive(Serialize)]
struct UntilReplacedOut {
    replaced: u64,
    life_ns: u64,
    new_bytes: u64,
    copied_bytes: u64,
    new_bytes_by_fifths: Vec<u64>,
    living: u64,
    is_flat: bool,
}

impl From<GrowthOfLives> for UntilReplacedOut {
    fn from(lives: GrowthOfLives) -> Self {
        Self {
            replaced: lives.replaced,
            life_ns: lives.life_ns,
            new_bytes: lives.bytes,
            copied_bytes: lives.copied_bytes,
            new_bytes_by_fifths: lives.by_age.into(),
            living: lives.living,
            is_flat: lives.is_flat,
        }
    }
}

#[derive(Serialize)]
struct PartOut {
    what: &'static str,
    bytes: u64,
    share: f64,
}

#[derive(Serialize)]
pub(super) struct AdviceOut {
    what: String,
    because: String,
    helps: bool,
    saves_at_most_bytes: Option<u64>,
    command: Option<&'static str>,
}

impl From<Advice> for AdviceOut {
    fn from(advice: Advice) -> Self {
        Self {
            what: advice.what,
            because: advice.because,
            helps: advice.helps,
            saves_at_most_bytes: advice.saves_at_most_bytes,
            command: advice.command,
        }
    }
}

/// What to do, cause by cause.
pub(super) fn advice_out(run: &Run) -> Vec<AdviceOut> {
    let advice = advice_by_cause(run).into_iter();
    advice.map(AdviceOut::from).collect()
}

/// What processes share with those that they inherited from.
pub(super) fn balances_out(run: &Run) -> Vec<BalanceOut> {
    let processes = run.memory.processes.iter();
    processes.filter_map(|it| balance_out(run, it)).collect()
}

/// The verdict.
pub(super) fn verdict_out(run: &Run) -> VerdictOut {
    let growth = growth_of_tree(run);
    VerdictOut {
        kind: growth.map(|growth| growth.kind.name()),
        kind_of_processes: growth.map(|growth| growth.kind_of_processes.name()),
        how_far: Outlook::of(run, growth.as_ref()).map(HowFarOut::from),
        headline: growth.as_ref().map(|growth| verdict_in_words(run, growth)),
        summary: summary(run),
        copied_bytes: run.bytes(run.copied().total()),
        ceiling_bytes: run.ceiling_bytes(),
        growth: growth.as_ref().map(growth_out),
    }
}

fn balance_out(run: &Run, process: &Process) -> Option<BalanceOut> {
    let last = run.growth.balances_of(process.id).last()?;
    let before = unshared_before(run, process);
    Some(BalanceOut {
        process_id: process.id,
        at_ns: last.at_ns,
        is: last.pages.is,
        shared_pages: last.pages.shared_pages,
        unshared_before_pages: before.map(|(pages, _)| pages),
        unshared_before_is: before.map_or("unknown", |(_, is)| is),
        unshared_pages: process.copied.total() - process.copied.zero,
        new_pages: last.pages.new_pages,
        returned_pages: last.pages.gone_pages,
        swapped_pages: last.pages.swapped_pages,
        error_pages: last.pages.error_pages,
    })
}

fn growth_out(growth: &TreeGrowth) -> GrowthOut {
    let all = growth.growth_bytes();
    let part = |(what, bytes): (&'static str, u64)| PartOut {
        what,
        bytes,
        share: bytes as f64 / all.max(1) as f64,
    };
    GrowthOut {
        from_ns: growth.from_ns,
        to_ns: growth.to_ns(),
        parts: growth.parts().map(part).into(),
        growth_bytes: all,
        held_bytes: growth.held_bytes,
        peak_held_bytes: growth.peak_held_bytes,
        new_bytes: growth.new_bytes,
        touched_bytes: growth.touched_bytes,
        returned_bytes: growth.returned_bytes,
        rate_bytes_per_s: growth.copied_rate + growth.new_rate,
        flat_ns: match growth.shape {
            GrowthShape::Stopped(ns) => Some(ns),
            _ => None,
        },
        given_back_by_ended_bytes: growth.ended_bytes,
        loaded_before_fork_bytes: growth.loaded_bytes,
        until_replaced: growth.lives.map(UntilReplacedOut::from),
    }
}
