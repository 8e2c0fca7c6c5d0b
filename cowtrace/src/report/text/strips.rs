//! Strips: where in the large regions the copies are, one character per slice of addresses.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions in a line of characters, computed from counts"
)]

use std::io::{self, Write};

use crate::{
    run::{Region, Run},
    terminal::{Style, section},
    verdict::copied_by_slice,
    words::{region_name, shorten, size},
};

const MOST_STRIPS: usize = 3;
/// Regions with a smaller share of all copies get no strip.
const STRIP_SHARE: f64 = 0.02;

const SHADES: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes the section; nothing if all regions are small.
pub(super) fn write_strips(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let total = run.copied().total() as f64;
    let large = |region: &&Region| {
        region.copied_pages as f64 >= total * STRIP_SHARE
            && region.mapping.size_bytes() > run.memory.range_bytes
    };
    let regions: Vec<&Region> = run.regions_by_copies().into_iter().filter(large).collect();
    if regions.is_empty() {
        return Ok(());
    }
    section(
        "WHERE IN THEM (low to high addresses; full block: a copy for every inheritor)",
        style,
        out,
    )?;
    let width = style.width - 2;
    for region in regions.into_iter().take(MOST_STRIPS) {
        let cell = region.mapping.size_bytes() / width as u64;
        let legend = format!(", {} a character", size(cell));
        let name = shorten(
            &region_name(run, region),
            width.saturating_sub(legend.len()),
        );
        let strip = strip(run, region, width);
        writeln!(out, "  {name}{legend}\n  {strip}")?;
    }
    Ok(())
}

/// The strip of a region in `width` characters. Full height means that each process that inherited
/// the region copied every page of the slice.
fn strip(run: &Run, region: &Region, width: usize) -> String {
    let parts = copied_by_slice(
        run,
        region,
        run.memory.rows.iter(),
        region.inheritors,
        width,
    );
    parts.into_iter().map(shade).collect()
}

fn shade(fraction: f64) -> char {
    if fraction <= 0.0 {
        return SHADES[0];
    }
    let last = SHADES.len() - 1;
    SHADES[((fraction * last as f64).round() as usize).clamp(1, last)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Kind, Mapping, Row, Sources};

    fn row(start: u64, pages: u64) -> Row {
        Row {
            process_id: 1,
            region_id: Some(0),
            start: Some(start),
            mapping: None,
            copied: Sources {
                anon: pages,
                ..Sources::default()
            },
            reused_faults: 0,
        }
    }

    #[test]
    fn the_strip_is_dark_where_copies_fall() {
        let region = Region {
            id: 0,
            process_id: 0,
            mapping: Mapping {
                start: 0x10_0000,
                end: 0x20_0000,
                name: "[heap]".into(),
                kind: Kind::Heap,
                perms: "rw-p".into(),
                offset: 0,
                resident_pages: 256,
                anonymous_pages: 256,
                huge_page_bytes: 0,
                mergeable: false,
            },
            inheritors: 1,
            inherited_pages: 256,
            copied_pages: 48,
            unshared_pages: 48,
        };
        let mut run = Run::default();
        run.head.host.page_bytes = 4096;
        run.memory.range_bytes = 0x1_0000;
        run.memory.rows = vec![row(0x10_0000, 16), row(0x18_0000, 8)];
        assert_eq!(strip(&run, &region, 16), "█·······▄·······");
        assert_eq!(strip(&run, &region, 4), "▂·▁·");
    }
}
