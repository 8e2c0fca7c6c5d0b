//! The report for people: what it is and what to do about it, then who wrote, what holds it, where, which
//! processes, how it was measured, and what was lost. Each file writes one section.

mod card;
mod extent;
mod growers;
mod grown;
mod holders;
mod lost;
mod machine;
mod native_stacks;
mod processes;
mod regions;
mod rows;
mod strips;
mod summary;
mod targets;
mod view;
mod writers;

pub(super) use card::rows_without_layout;

use std::io::{self, Write};

pub use extent::Extent;
pub use grown::grown_as_text;

use crate::{
    run::Run,
    terminal::{Style, paragraph},
    verdict::{Card, Glance},
};

/// Writes only the verdict of a run, and where it may be more.
pub fn run_in_a_sentence(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let verdict = Glance::of(run).headline;
    let open = if run.head.unfinished {
        " (the recording is not finished)"
    } else {
        ""
    };
    paragraph(&format!("{verdict}{open}"), style, out)
}

/// The card of a run of which more is still to be found.
#[must_use]
pub fn card_so_far(run: &Run, style: Style) -> String {
    let card = Card {
        // It needs all of the evidence.
        advice: Vec::new(),
        next: None,
        ..Card::of(run)
    };
    let mut text = Vec::new();
    // Memory takes all that is written.
    let _ = card::write_card(&card, Extent::Full, style, &mut text);
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

/// Writes a run as text.
pub fn run_as_text(
    run: &Run,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let card = Card::of(run);
    card::write_card(&card, extent, style, out)?;
    if extent.is_full() {
        summary::write_answer(run, &card, style, out)?;
        grown::write_grown(run, style, out)?;
    }
    targets::write_targets(run, extent, style, out)?;
    // Tables of few copies would hide that nothing is to be seen in them.
    let has_tables = extent.is_full() || card.copies.as_ref().is_none_or(|it| !it.are_few);
    if run.copied().total() > 0 && has_tables {
        writers::write_writers(run, extent, style, out)?;
        holders::write_holders(run, extent, style, out)?;
        regions::write_regions(run, extent, style, out)?;
        if extent.is_full() {
            strips::write_strips(run, style, out)?;
        }
    }
    let has_processes = run.copied().total() > 0 && (has_tables || card.new_memory.is_some());
    if has_processes && !extent.is_full() {
        processes::write_groups(run, card.new_memory.is_some(), style, out)?;
    }
    if extent.is_full() {
        processes::write_processes(run, style, out)?;
        growers::write_growers(run, style, out)?;
        machine::write_machine(run, style, out)?;
    }
    summary::write_method(run, extent, style, out)?;
    lost::write_lost(run, extent, style, out)
}
