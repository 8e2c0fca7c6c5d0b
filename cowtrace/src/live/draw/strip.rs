//! Where the copies are, in the memory of what is selected.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;

use super::line::Line;
use crate::{
    live::{
        look::Look,
        rows::{About, region_of_name},
        state::State,
    },
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
    let Some(shown) = region_of_selection(state) else {
        let text = "where: nothing was copied from a mapping yet";
        last.draw(text, Look::faint(), buffer);
        return;
    };
    let (region, process) = (shown.region, shown.process);
    let is_wanted = |row: &&Row| process.is_none_or(|id| row.process_id == id);
    let rows = run.memory.rows.iter().filter(is_wanted);
    let copiers = if process.is_some() {
        1
    } else {
        region.inheritors
    };
    let parts = copied_by_slice(run, region, rows, copiers, width);
    if let Some(line) = title.first() {
        let text = look.plain(&shorten(&shown.title(run), width));
        line.draw(&text, Look::faint(), buffer);
    }
    last.draw(&look.strip(&parts), look.drawn(), buffer);
}

/// The region whose copies are shown.
struct Shown<'a> {
    region: &'a Region,
    /// If only its copies count.
    process: Option<u32>,
    /// Whether the selected writer, line or variable has most of its copies there.
    is_of_name: bool,
}

impl Shown<'_> {
    fn title(&self, run: &Run) -> String {
        let name = region_name(run, self.region);
        let whole = size(self.region.mapping.size_bytes());
        if self.is_of_name {
            return format!(
                "where: most of it in {name} ({whole}; all copies there, low to high addresses)"
            );
        }
        let subject = self
            .process
            .and_then(|id| run.process(id))
            .map_or_else(String::new, |it| format!("{} copied ", it.pid));
        format!("where {subject}in {name} ({whole}, low to high addresses)")
    }
}

/// The region that is selected, or in which most of what is selected was copied.
fn region_of_selection(state: &State) -> Option<Shown<'_>> {
    let run = state.run();
    let shown = |region, process, is_of_name| Shown {
        region,
        process,
        is_of_name,
    };
    let chosen = state.selected().and_then(|row| match &row.about {
        About::Region(id) => Some(shown(run.region(*id)?, None, false)),
        About::Process(id) => {
            let region = run.region(most_copied_by(run, *id)?)?;
            Some(shown(region, Some(*id), false))
        }
        About::Name(name) => {
            let region = run.region(region_of_name(state.table, run, name)?)?;
            Some(shown(region, None, true))
        }
    });
    chosen.or_else(|| Some(shown(most_copied(run)?, None, false)))
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
