//! The facts of the first lines of a report, each the answer to a question of its reader: what is it, which
//! variables, which line, why, how far, what helps. What was not looked at has no place there.

mod beside;
mod copies;
mod new;
mod outlook;
mod room;

pub(crate) use beside::CardPart;
pub(crate) use copies::{CardCause, CardVariable, CopiesOnCard};
#[cfg(test)]
pub(crate) use outlook::MoreWorkers;
pub(crate) use outlook::Outlook;
pub(crate) use room::{Room, RoomIs};

use self::{beside::parts_beside, new::who_has_new};
use super::{
    advice::advice_on_copies,
    advice_item::Advice,
    anew::how_to_fork_anew,
    answer,
    endings::killed_for_memory,
    growers::main_grower,
    grown::WhatGrows,
    growth::{GrowthOfLives, TreeGrowth, VerdictKind, growth_of_tree, verdict_in_words},
    remedies::advice_on_growth,
};
use crate::{run::Run, words::size};

/// Memory is used again and again if this many times what there is at the end was given back.
const USED_AGAIN: u64 = 4;
/// From this share of the new memory on, it is as good as all.
const NEARLY_ALL: f64 = 0.9;
/// What masters had loaded before they forked is worth a line from here on, bytes.
const LOADED_BYTES: u64 = 16 << 20;

/// The facts.
pub(crate) struct Card {
    /// The verdict; in recordings of versions that looked at copies alone, what was copied.
    pub(crate) headline: String,
    /// Whether the headline is the verdict.
    pub(crate) is_verdict: bool,
    /// What was copied; `None` if nothing was.
    pub(crate) copies: Option<CopiesOnCard>,
    /// Whether the headline is about new memory, so that copies are an aside.
    pub(crate) copies_are_aside: bool,
    /// What grew beside the memory of processes, if the verdict is about that or it is worth a word.
    pub(crate) beside: Vec<CardPart>,
    /// How far copies have come; `None` where that is not known.
    pub(crate) outlook: Option<Outlook>,
    /// Whether new memory kept growing: no bound of it is known.
    pub(crate) is_unbounded: bool,
    /// What there is for it, and how long that lasts at the rate of the last two fifths of the trace, ns; `None` if
    /// it does not grow, or that is not known.
    pub(crate) lasts: Option<(Room, u64)>,
    /// What workers grow by until they are replaced, and whether the verdict is about that; `None` if they do not.
    pub(crate) lives: Option<(GrowthOfLives, bool)>,
    /// What the masters of a command had loaded when they first forked, bytes; `None` if that is little, or was not
    /// seen.
    pub(crate) loaded_bytes: Option<u64>,
    /// Where new memory was touched first most, if it kept growing: the Python line, or else the function, and
    /// about its share; `None` if that is not known.
    pub(crate) grew_in: Option<(String, f64)>,
    /// The new memory of the processes, if the headline is about that.
    pub(crate) new_memory: Option<NewOnCard>,
    /// New memory beside copies that the headline is about, in words; `None` if it is little.
    pub(crate) new_beside: Option<String>,
    /// What the new memory is, where it keeps growing, or may, or grew until it stopped; `None` if that is not known.
    pub(crate) grown: Option<GrownOnCard>,
    /// What would help against copies, and what would not.
    pub(crate) advice: Vec<Advice>,
    /// How to see what was copied before the trace, if that was much.
    pub(crate) next: Option<String>,
    /// Who was killed for lack of memory; `None` if nobody was.
    pub(crate) killed: Option<String>,
    /// `None` if nothing was lost.
    pub(crate) loss: Option<LossOnCard>,
}

/// That something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LossOnCard {
    /// How many causes there were.
    pub(crate) causes: usize,
    /// Whether totals may be too low, and not only details missing.
    pub(crate) totals_suffer: bool,
}

/// New memory that the headline is about.
pub(crate) struct NewOnCard {
    /// In which processes it is, in words; `None` if that is not known.
    pub(crate) processes: Option<String>,
}

/// What the new memory is.
pub(crate) struct GrownOnCard {
    pub(crate) found: WhatGrows,
    /// Whether that is nearly all new memory: the processes that grew most are read.
    pub(crate) is_nearly_all: bool,
    /// Whether all of it grew before the growth stopped.
    pub(crate) has_stopped: bool,
    /// Whether processes gave back and touched again several times as much: what requests use for a while.
    pub(crate) is_used_again: bool,
    /// New memory that all processes touched, bytes.
    pub(crate) touched_bytes: u64,
    /// What would help against it.
    pub(crate) advice: Option<Advice>,
}

impl GrownOnCard {
    fn of(run: &Run, growth: &TreeGrowth) -> Option<Self> {
        let found = WhatGrows::of(run)?;
        Some(Self {
            is_nearly_all: found.bytes as f64 >= growth.new_bytes as f64 * NEARLY_ALL,
            has_stopped: growth.kind == VerdictKind::WarmedUp,
            is_used_again: growth.returned_bytes >= growth.new_bytes.saturating_mul(USED_AGAIN),
            touched_bytes: growth.touched_bytes,
            advice: advice_on_growth(run, Some(growth)),
            found,
        })
    }
}

/// The first of the facts, for whoever looks often.
pub(crate) struct Glance {
    /// As on the card.
    pub(crate) headline: String,
    /// As on the card.
    pub(crate) outlook: Option<Outlook>,
}

impl Glance {
    /// The facts of a run.
    pub(crate) fn of(run: &Run) -> Self {
        let growth = growth_of_tree(run);
        Self {
            headline: headline(run, growth.as_ref()),
            outlook: Outlook::of(run, growth.as_ref()),
        }
    }
}

/// The verdict, or what was copied where nobody looked for one.
fn headline(run: &Run, growth: Option<&TreeGrowth>) -> String {
    let verdict = growth.map(|growth| verdict_in_words(run, growth));
    verdict.unwrap_or_else(|| format!("{}.", answer::summary(run)))
}

impl Card {
    /// The facts of a run.
    pub(crate) fn of(run: &Run) -> Self {
        let growth = growth_of_tree(run);
        let copies_are_aside = growth.as_ref().is_some_and(is_about_new_memory);
        let is_of_interest = |growth: &&TreeGrowth| {
            let has_stopped = growth.kind == VerdictKind::WarmedUp;
            copies_are_aside && (growth.kind.may_keep_growing() || has_stopped)
        };
        let grown = growth.as_ref().filter(is_of_interest);
        let grown = grown.and_then(|growth| GrownOnCard::of(run, growth));
        let is_growing =
            |growth: &TreeGrowth| matches!(growth.kind, VerdictKind::Growing | VerdictKind::Both);
        let is_unbounded = growth.as_ref().is_some_and(is_growing);
        let is_of_lives = |growth: &TreeGrowth| growth.kind == VerdictKind::GrowsUntilReplaced;
        let has_grower = is_unbounded || growth.as_ref().is_some_and(is_of_lives);
        Self {
            is_verdict: growth.is_some(),
            headline: headline(run, growth.as_ref()),
            copies: CopiesOnCard::of(run, growth.as_ref()),
            beside: parts_beside(run, growth.as_ref()),
            copies_are_aside,
            outlook: Outlook::of(run, growth.as_ref()),
            lasts: growth.as_ref().filter(|_| is_unbounded).and_then(|it| {
                let room = Room::of(run)?;
                Some((room, time_until_full(room.bytes, it.new_rate)?))
            }),
            is_unbounded,
            lives: growth
                .as_ref()
                .and_then(|it| Some((it.lives?, is_of_lives(it)))),
            loaded_bytes: growth
                .and_then(|it| it.loaded_bytes)
                .filter(|bytes| *bytes >= LOADED_BYTES),
            grew_in: has_grower.then(|| main_grower(run)).flatten(),
            new_memory: growth
                .as_ref()
                .filter(|growth| is_of_processes(growth))
                .map(|_| NewOnCard {
                    processes: who_has_new(run),
                }),
            new_beside: growth.as_ref().and_then(|it| new_beside(run, it)),
            grown,
            advice: advice_on_copies(run),
            next: how_to_fork_anew(run),
            killed: killed_for_memory(run),
            loss: loss_on_card(run),
        }
    }
}

/// Whether copies are not what it is about.
fn is_about_new_memory(growth: &TreeGrowth) -> bool {
    match growth.kind {
        VerdictKind::Growing
        | VerdictKind::Both
        | VerdictKind::GrowsUntilReplaced
        | VerdictKind::WarmedUp
        | VerdictKind::KernelMemory
        | VerdictKind::SharedMemory
        | VerdictKind::PageCache
        | VerdictKind::Elsewhere => true,
        VerdictKind::ComesAndGoes => growth.copied_bytes <= growth.touched_bytes,
        VerdictKind::TooEarly => growth.held_bytes < growth.new_bytes,
        VerdictKind::CopyOnWrite | VerdictKind::NothingGrew => false,
    }
}

/// Whether it is about new memory of the processes.
fn is_of_processes(growth: &TreeGrowth) -> bool {
    let is_beside = matches!(
        growth.kind,
        VerdictKind::KernelMemory
            | VerdictKind::SharedMemory
            | VerdictKind::PageCache
            | VerdictKind::Elsewhere
    );
    growth.new_bytes > 0 && is_about_new_memory(growth) && !is_beside
}

/// `134 MiB of new memory in process 4250 (app)`, where copies are what it is about.
fn new_beside(run: &Run, growth: &TreeGrowth) -> Option<String> {
    let is_beside = growth.kind == VerdictKind::CopyOnWrite && growth.has_new_part();
    let bytes = is_beside.then(|| size(growth.new_bytes))?;
    Some(match who_has_new(run) {
        // Of one process it has the figure.
        Some(who) if who.ends_with(&bytes) => format!("new memory {who}"),
        Some(who) => format!("{bytes} of new memory {who}"),
        None => format!("{bytes} of new memory"),
    })
}

/// How long so many bytes last at so many a second, ns.
fn time_until_full(bytes: u64, rate: u64) -> Option<u64> {
    let ns = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    (rate > 0).then(|| u64::try_from(ns).unwrap_or(u64::MAX))
}

fn loss_on_card(run: &Run) -> Option<LossOnCard> {
    let losses = || run.loss.happened().filter(|(cause, _)| cause.is_loss);
    let causes = losses().count();
    (causes > 0).then(|| LossOnCard {
        causes,
        totals_suffer: losses().any(|(cause, _)| cause.totals_suffer),
    })
}

#[cfg(test)]
mod tests;
