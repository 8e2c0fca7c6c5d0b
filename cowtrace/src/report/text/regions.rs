//! Which mappings the copies come from.

use std::io::{self, Write};

use super::{
    extent::Extent,
    view::{View, name_in},
};
use crate::{
    report::columns::{MAPPINGS, MappingRow},
    run::{Region, Run},
    terminal::{Style, section},
    verdict::pages_in_own_memory,
    words::{cut, plural},
};

const MOST_REGIONS: usize = 10;
const MOST_OWN: usize = 4;
/// Regions in the short report.
const SHORT_REGIONS: usize = 3;
/// Regions with a smaller share of the copies have no row of their own there.
const SHORT_SHARE: f64 = 0.01;

/// Writes the section.
pub(super) fn write_regions(
    run: &Run,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let view = View::of(&MAPPINGS);
    let mut table = view.grid().dispensable(&[3, 1, 2]);
    let regions = run.regions_by_copies();
    let most = extent.most_rows(MOST_REGIONS, short_rows(run, &regions));
    for region in regions.iter().take(most) {
        let row = MappingRow::of(run, region);
        table.add(view.figures(&row), move |room| name_in(&row.name, room));
    }
    let rest = if extent.is_full() {
        rest_of_regions(run, &regions)
    } else {
        others_together(run, &regions[most.min(regions.len())..])
    };
    for (name, pages) in rest {
        let row = MappingRow::named(run, name, pages);
        table.add(view.figures(&row), move |room| {
            let lines = name_in(&row.name, room);
            if lines.contains('\n') {
                lines
            } else {
                cut(&row.name, room)
            }
        });
    }
    let explained = if table.shows(1, style) {
        " (present memory x processes that inherited it)"
    } else {
        ""
    };
    let title = format!("WHERE THE COPIES COME FROM{explained}");
    section(&title, style, out)?;
    writeln!(out, "{}", table.lines(style))
}

/// Rows of the short table: few, and none for next to nothing.
fn short_rows(run: &Run, regions: &[&Region]) -> usize {
    let all = run.copied().total() as f64;
    let is_large = |region: &&&Region| region.copied_pages as f64 >= all * SHORT_SHARE;
    let large = regions.iter().take_while(is_large).count();
    large.clamp(1, SHORT_REGIONS)
}

/// All copies outside the short table's regions, in one row.
fn others_together(run: &Run, others: &[&Region]) -> Vec<(String, u64)> {
    let own = pages_in_own_memory(run);
    let number = others.len() + own.len();
    let of_regions = others.iter().map(|region| region.copied_pages);
    let pages = of_regions
        .chain(own.into_iter().map(|(_, pages)| pages))
        .sum();
    let name = format!("({})", plural(number as u64, "other"));
    Vec::from_iter((number > 0).then_some((name, pages)))
}

/// Copies outside the table's regions: smaller regions together, then the processes' own memory by
/// name.
fn rest_of_regions(run: &Run, regions: &[&Region]) -> Vec<(String, u64)> {
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
