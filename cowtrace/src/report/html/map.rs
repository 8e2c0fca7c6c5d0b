//! Where in the large regions the copies are, process by process.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    run::{Region, Row, Run},
    words::{plural, region_name, what_runs},
};

/// Regions that are drawn, most copies first.
const MOST_REGIONS: usize = 12;
/// Regions with a smaller share of all copies are not drawn.
const REGION_SHARE: f64 = 0.01;
/// Processes drawn for a region, most copies first.
const MOST_ROWS: usize = 32;
/// Most stretches of equal cells in all maps together. Beyond it the cells are made larger: a
/// stretch takes about 9 bytes, and the page is to stay below 1 MB.
const MOST_STRETCHES: usize = 50_000;

#[derive(Serialize)]
pub(super) struct Maps {
    regions: Vec<Map>,
    /// What was left out; empty if nothing.
    note: String,
}

#[derive(Serialize)]
struct Map {
    name: String,
    /// First address, and the one after the last, in hexadecimal, because JSON numbers are exact
    /// only up to 2^53.
    start: String,
    end: String,
    /// How far below the first address the first cell begins, bytes.
    offset: u64,
    /// Size of a cell: one range or several.
    cell_bytes: u64,
    cells: u64,
    copied_pages: u64,
    inheritors: u64,
    rows: Vec<MapLine>,
    note: String,
}

#[derive(Serialize)]
struct MapLine {
    name: String,
    /// Pages copied by the process in the region.
    copied_pages: u64,
    /// Stretches of cells with copies: distance in cells from the last stretch, number of cells,
    /// pages of each cell.
    stretches: Vec<u64>,
}

/// Pages by cell by process.
type Cells = BTreeMap<u32, BTreeMap<u64, u64>>;

pub(super) fn maps_of_run(run: &Run) -> Maps {
    let total = run.copied().total() as f64;
    let is_large = |region: &&Region| {
        region.copied_pages as f64 >= total * REGION_SHARE
            && region.mapping.size_bytes() > run.memory.range_bytes
    };
    let regions = run.regions_by_copies();
    let copied = regions.len();
    let drawn: Vec<&Region> = regions
        .into_iter()
        .filter(is_large)
        .take(MOST_REGIONS)
        .collect();
    let note = match copied - drawn.len() {
        0 => String::new(),
        1 => "1 mapping with fewer copies is not drawn.".into(),
        more => format!(
            "{} with fewer copies are not drawn.",
            plural(more as u64, "mapping")
        ),
    };
    let most = MOST_STRETCHES / drawn.len().max(1);
    Maps {
        regions: drawn
            .iter()
            .map(|region| map_of_region(run, region, most))
            .collect(),
        note,
    }
}

fn map_of_region(run: &Run, region: &Region, most_stretches: usize) -> Map {
    let rows: Vec<&Row> = run
        .memory
        .rows
        .iter()
        .filter(|row| row.region_id == Some(region.id) && row.copied.total() > 0)
        .collect();
    let mut cell_bytes = run.memory.range_bytes.max(1);
    loop {
        let (lines, left_out) = lines_of_map(run, &cells_of_region(region, &rows, cell_bytes));
        let stretches: usize = lines.iter().map(|line| line.stretches.len() / 3).sum();
        if stretches <= most_stretches || cell_bytes >= region.mapping.size_bytes() {
            return drawn(run, region, cell_bytes, lines, left_out);
        }
        cell_bytes *= 2;
    }
}

/// Adds up the rows by process and cell.
fn cells_of_region(region: &Region, rows: &[&Row], cell_bytes: u64) -> Cells {
    let base = first_cell(region, cell_bytes);
    let last = cell_count(region, cell_bytes) - 1;
    let mut cells = Cells::new();
    for row in rows {
        let Some(start) = row.start else { continue };
        let cell = (start.saturating_sub(base) / cell_bytes).min(last);
        let of_process = cells.entry(row.process_id).or_default();
        *of_process.entry(cell).or_default() += row.copied.total();
    }
    cells
}

/// Like ranges, cells begin at multiples of their size.
const fn first_cell(region: &Region, cell_bytes: u64) -> u64 {
    region.mapping.start / cell_bytes * cell_bytes
}

fn cell_count(region: &Region, cell_bytes: u64) -> u64 {
    let bytes = region
        .mapping
        .end
        .saturating_sub(first_cell(region, cell_bytes));
    bytes.div_ceil(cell_bytes).max(1)
}

/// The processes with most copies, and the number and pages of the others.
fn lines_of_map(run: &Run, cells: &Cells) -> (Vec<MapLine>, (usize, u64)) {
    let mut sums: Vec<(u64, u32)> = cells
        .iter()
        .map(|(&process, cells)| (cells.values().sum(), process))
        .collect();
    sums.sort_by_key(|&(pages, process)| (std::cmp::Reverse(pages), process));
    let others = sums.get(MOST_ROWS..).unwrap_or_default();
    let left_out = (others.len(), others.iter().map(|(pages, _)| pages).sum());
    sums.truncate(MOST_ROWS);
    // In the same order in every map.
    sums.sort_by_key(|&(_, process)| process);
    let lines = sums
        .into_iter()
        .map(|(copied_pages, process)| MapLine {
            name: process_name(run, process),
            copied_pages,
            stretches: stretches(&cells[&process]),
        })
        .collect();
    (lines, left_out)
}

fn process_name(run: &Run, id: u32) -> String {
    match run.process(id) {
        Some(process) => format!("{} {}", process.pid, what_runs(run, process)),
        None => "unknown".into(),
    }
}

fn stretches(cells: &BTreeMap<u64, u64>) -> Vec<u64> {
    let mut stretches: Vec<u64> = Vec::new();
    let mut next = 0;
    for (&cell, &pages) in cells {
        match stretches.last_chunk_mut::<2>() {
            Some([length, same]) if cell == next && *same == pages => *length += 1,
            _ => stretches.extend([cell - next, 1, pages]),
        }
        next = cell + 1;
    }
    stretches
}

fn drawn(
    run: &Run,
    region: &Region,
    cell_bytes: u64,
    rows: Vec<MapLine>,
    (others, pages): (usize, u64),
) -> Map {
    let mut notes = Vec::new();
    if cell_bytes > run.memory.range_bytes {
        notes.push(format!(
            "{} are drawn as one to keep this page small.",
            plural(cell_bytes / run.memory.range_bytes.max(1), "range")
        ));
    }
    if others > 0 {
        notes.push(format!(
            "{} copied {} here.",
            plural(others as u64, "more process"),
            plural(pages, "page")
        ));
    }
    Map {
        name: region_name(run, region),
        start: format!("{:x}", region.mapping.start),
        end: format!("{:x}", region.mapping.end),
        offset: region.mapping.start - first_cell(region, cell_bytes),
        cell_bytes,
        cells: cell_count(region, cell_bytes),
        copied_pages: region.copied_pages,
        inheritors: region.inheritors,
        rows,
        note: notes.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_neighbours_are_one_stretch() {
        let cells = BTreeMap::from([(2, 16), (3, 16), (4, 5), (9, 5)]);
        assert_eq!(stretches(&cells), [2, 2, 16, 0, 1, 5, 4, 1, 5]);
    }
}
