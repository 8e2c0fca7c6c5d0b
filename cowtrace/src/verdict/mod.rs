//! What the figures of a run mean: findings for any output. Takes a run, returns figures and
//! sentences, and prints nothing.

mod advice;
mod advice_item;
mod anew;
mod answer;
mod before;
mod card;
mod causes;
mod endings;
mod free_memory;
mod growers;
mod grown;
mod growth;
mod holders;
mod kinship;
mod machine;
mod native;
mod own_memory;
mod perf_maps;
mod perl;
mod php;
mod python;
mod r;
mod remedies;
mod ruby;
mod runtimes;
mod saving;
mod sentences;
mod symbols;
mod targets;
mod walks;
mod where_copied;
mod writers;

pub(crate) use advice_item::Advice;
pub(crate) use answer::{earlier_workers, facts, losses, main_facts, summary, unshared_share};
pub(crate) use before::unshared_before;
#[cfg(test)]
pub(crate) use card::MoreWorkers;
pub(crate) use card::{
    Card, CardCause, CardPart, CardVariable, CopiesOnCard, Glance, LossOnCard, Outlook, Room,
    RoomIs,
};
pub(crate) use causes::CauseIs;
pub(crate) use free_memory::FreePages;
pub(crate) use growers::{SampledTouches, grown_by, place_of_grower};
pub(crate) use grown::{GrownPart, WhatGrows, WhatPartIs, failures_of_grown, notes_on_grown};
pub(crate) use growth::{
    GrowthOfLives, GrowthShape, NewOfProcess, ProcessMemory, ProcessesOverTime, TreeGrowth,
    TreeMemory, VerdictKind, growth_of_tree, memory_over_time, new_by_process, verdict_in_words,
};
pub(crate) use holders::{
    HeldPages, are_of_several_processes, copied_types, equal_holders, held_most, lesser_holders,
    owner_among_alike, part_of,
};
pub(crate) use kinship::kinship_in_words;
pub(crate) use machine::note_on_machine;
pub(crate) use native::note_on_native_stacks;
pub(crate) use own_memory::pages_in_own_memory;
pub(crate) use perf_maps::{notes_on_perf_maps, problem_of_perf_map};
pub(crate) use python::note_on_python_stacks;
pub(crate) use remedies::{advice, advice_by_cause};
pub(crate) use saving::saving_in_words;
pub(crate) use sentences::{who_wrote_most, who_wrote_most_of_regions};
pub(crate) use targets::{TargetSummary, summaries_of_targets};
pub(crate) use walks::{notes_on_walks, why_not_looked_for};
pub(crate) use where_copied::copied_by_slice;
#[cfg(test)]
pub(crate) use writers::CopySample;
pub(crate) use writers::{KnownPages, is_named, is_pythons, pages_by, tells_what_was_written};
