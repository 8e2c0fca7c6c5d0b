//! Where the copies are, in the memory of what is selected.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;

use super::line::Line;
use crate::{
    live::{look::Look, rows::About, state::State},
    run::{Region, Row, Run},
    verdict::copied_by_slice,
    words::{region_name, shorten, size},
};

/// Draws it into the last of these lines, and what it is into the one before, if there is one.
pub(super) fn draw_strip(state: &State, look: Look, lines: &[Line], buffer: &mut Buffer) {
    let Some((last, title)) = lines.split_last() else {
        return;
    };
    let width = last.width.into();
    let run = state.run();
    let Some((name, region, process)) = region_of_selection(state) else {
        let text = "where: nothing was copied from a mapping yet";
        last.draw(text, Look::faint(), buffer);
        return;
    };
    let is_wanted = |row: &&Row| process.is_none_or(|id| row.process_id == id);
    let rows = run.memory.rows.iter().filter(is_wanted);
    let copiers = if process.is_some() {
        1
    } else {
        region.inheritors
    };
    let parts = copied_by_slice(run, region, rows, copiers, width);
    if let Some(line) = title.first() {
        let whole = size(region.mapping.size_bytes());
        let subject = process
            .and_then(|id| run.process(id))
            .map_or_else(String::new, |it| format!("{} copied ", it.pid));
        let text = format!("where {subject}in {name} ({whole}, low to high addresses)");
        let text = look.plain(&shorten(&text, width));
        line.draw(&text, Look::faint(), buffer);
    }
    last.draw(&look.strip(&parts), look.drawn(), buffer);
}

/// The region that is selected, or in which most of what is selected was copied; with the process, if only its
/// copies count.
fn region_of_selection(state: &State) -> Option<(String, &Region, Option<u32>)> {
    let run = state.run();
    let region = |id: u32| run.region(id);
    let (region, process) = match state.selected().map(|row| &row.about) {
        Some(About::Region(id)) => (region(*id), None),
        Some(About::Process(id)) => (
            most_copied_by(run, *id)
                .and_then(region)
                .or_else(|| most_copied(run)),
            most_copied_by(run, *id).map(|_| *id),
        ),
        Some(About::Name(_)) | None => (most_copied(run), None),
    };
    let region = region?;
    Some((region_name(run, region), region, process))
}

fn most_copied(run: &Run) -> Option<&Region> {
    let regions = run.memory.regions.iter();
    regions
        .filter(|region| region.copied_pages > 0)
        .max_by_key(|region| region.copied_pages)
}

/// The region that a process copied most of.
fn most_copied_by(run: &Run, process: u32) -> Option<u32> {
    let rows = &run.memory.rows;
    let first = rows.partition_point(|row| row.process_id < process);
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for row in rows[first..]
        .iter()
        .take_while(|row| row.process_id == process)
    {
        if let Some(region) = row.region_id {
            *sums.entry(region).or_default() += row.copied.total();
        }
    }
    let most = sums.into_iter().max_by_key(|(_, pages)| *pages)?;
    (most.1 > 0).then_some(most.0)
}
