//! The verdict in one line.

use super::{
    super::before::unshared_before_in_all,
    shape::GrowthShape,
    tree::{FLOOR_BYTES, TreeGrowth, VerdictKind},
};
use crate::{
    run::Run,
    words::{percent, plural, seconds, size},
};

/// Share of what workers inherited from which on its having been unshared before the trace says why nothing
/// was copied in it.
const MUCH_BEFORE: f64 = 0.15;

/// The verdict in one line: in capitals what it is, then its figures.
pub(crate) fn verdict_in_words(run: &Run, growth: &TreeGrowth) -> String {
    let time = seconds(growth.duration_ns);
    let share = percent(growth.copied_share());
    let all = size(growth.growth_bytes());
    let (copied, new) = (size(growth.held_bytes), size(growth.new_bytes));
    match growth.kind {
        VerdictKind::CopyOnWrite => {
            format!("COPY-ON-WRITE, NOT A LEAK: {share} of the {all} that memory grew by in {time}")
        }
        VerdictKind::Growing => format!(
            "NEW MEMORY KEEPS GROWING: {new} in {time}, {}/s at the end",
            size(growth.new_rate)
        ),
        VerdictKind::Both => {
            format!("NEW MEMORY KEEPS GROWING: {new} in {time}, and {copied} copied on write")
        }
        VerdictKind::WarmedUp => {
            let since = match growth.shape {
                GrowthShape::Stopped(ns) => seconds(ns),
                _ => time.clone(),
            };
            format!("NEW MEMORY THAT STOPPED GROWING {since} AGO: {new} in {time}, {copied} copied")
        }
        VerdictKind::ComesAndGoes => comes_and_goes(run, growth, &time),
        VerdictKind::TooEarly => too_early(growth, &time),
        VerdictKind::NothingGrew => attached_late(run).unwrap_or_else(|| {
            format!("NOTHING GREW IN {time}: {copied} copied on write, {new} of new memory")
        }),
    }
}

fn comes_and_goes(run: &Run, growth: &TreeGrowth, time: &str) -> String {
    if growth.copied_bytes > growth.touched_bytes {
        let workers = plural(run.workforce().workers.len() as u64, "worker");
        let copied = size(growth.copied_bytes);
        // Processes that lived for less than a tick were never seen with what they had copied.
        let held = match growth.peak_held_bytes {
            0 => "which have exited".into(),
            peak => format!("at most {} at a time", size(peak)),
        };
        return format!("COPY-ON-WRITE WORK, LITTLE MEMORY: {copied} copied by {workers}, {held}");
    }
    format!(
        "MEMORY COMES AND GOES: {} touched and {} given back in {time}",
        size(growth.touched_bytes),
        size(growth.returned_bytes)
    )
}

/// Where nothing grew since the workers had copied before the trace what they copy.
fn attached_late(run: &Run) -> Option<String> {
    let (before, inherited) = unshared_before_in_all(run)?;
    let is_much = before as f64 >= inherited as f64 * MUCH_BEFORE;
    let is_worth_it = run.bytes(before) >= FLOOR_BYTES;
    (is_much && is_worth_it).then(|| {
        format!(
            "NOTHING WAS COPIED IN THIS TRACE: {} of {} were unshared before it",
            size(run.bytes(before)),
            size(run.bytes(inherited))
        )
    })
}

/// What it looks like so far.
fn too_early(growth: &TreeGrowth, time: &str) -> String {
    let (all, share) = (size(growth.growth_bytes()), growth.copied_share());
    if share >= 0.5 {
        let share = percent(share);
        format!("SO FAR COPY-ON-WRITE: {share} of {all} in {time}; too early to say if it goes on")
    } else {
        let share = percent(1.0 - share);
        format!("SO FAR NEW MEMORY: {share} of {all} in {time}; too early to say if it goes on")
    }
}
