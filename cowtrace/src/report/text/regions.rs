//! Which mappings the copies come from.

use std::io::{self, Write};

use super::strips::bar;
use crate::{
    run::{Region, Run},
    terminal::{Grid, Style, section},
    verdict::pages_in_own_memory,
    words::{count, cut, percent, plural, region_name, shorten, size},
};

const MOST_REGIONS: usize = 10;
const MOST_OWN: usize = 4;

/// Writes the section.
pub(super) fn regions(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let regions = run.regions_by_copies();
    let header = ["copied", "of", "unshared", "", "mapping"];
    let mut table = Grid::new(&header, &[0, 1, 2]).dispensable(&[3, 1, 2]);
    for region in regions.iter().take(MOST_REGIONS) {
        let fraction = region.unshared_fraction();
        let resident = size(run.bytes(region.mapping.resident_pages));
        let figures = [
            size(run.bytes(region.copied_pages)),
            if region.inheritors == 0 {
                resident
            } else {
                format!("{resident} x {}", count(region.inheritors))
            },
            fraction.map(percent).unwrap_or_default(),
            bar(fraction.unwrap_or(0.0), 8),
        ];
        let name = region_name(run, region);
        table.add(figures, move |room| shorten(&name, room));
    }
    for (name, pages) in rest(run, &regions) {
        let [a, b, c] = [const { String::new() }; 3];
        table.add([size(run.bytes(pages)), a, b, c], move |room| {
            cut(&name, room)
        });
    }
    let explained = if table.shows(1, style) {
        " (present memory x processes that inherited it)"
    } else {
        ""
    };
    section(
        &format!("WHERE THE COPIES COME FROM{explained}"),
        style,
        out,
    )?;
    writeln!(out, "{}", table.lines(style))
}

/// What stands in no region of the table: smaller regions together, then memory of the processes
/// themselves by name.
fn rest(run: &Run, regions: &[&Region]) -> Vec<(String, u64)> {
    let mut rest = Vec::new();
    let others = regions.get(MOST_REGIONS..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|region| region.copied_pages).sum();
        rest.push((plural(others.len() as u64, "more mapping"), pages));
    }
    let mut own = pages_in_own_memory(run);
    let tail: u64 = own.iter().skip(MOST_OWN).map(|(_, pages)| pages).sum();
    own.truncate(MOST_OWN);
    rest.extend(own);
    if tail > 0 {
        rest.push(("own memory: other mappings".into(), tail));
    }
    rest
}
