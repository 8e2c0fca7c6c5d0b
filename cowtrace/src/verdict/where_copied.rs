//! Where in a region the copies are, slice by slice.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a list of slices, computed from addresses"
)]

use crate::run::{Region, Row, Run};

/// How much of each of `slices` parts of a region was copied, by rows of processes: 1 where each of `copiers` copied
/// every page.
pub(crate) fn copied_by_slice<'a>(
    run: &Run,
    region: &Region,
    rows: impl Iterator<Item = &'a Row>,
    copiers: u64,
    slices: usize,
) -> Vec<f64> {
    let mut copied = vec![0.0_f64; slices];
    let slice = region.mapping.size_bytes().max(1) as f64 / slices as f64;
    for row in rows.filter(|row| row.region_id == Some(region.id)) {
        let Some(start) = row.start else { continue };
        // The part of the range inside the region, spread over the slices it touches.
        let from = start.max(region.mapping.start) - region.mapping.start;
        let to = (start + run.memory.range_bytes)
            .min(region.mapping.end)
            .saturating_sub(region.mapping.start);
        let pages = row.copied.total() as f64;
        spread_over(&mut copied, pages, from as f64 / slice, to as f64 / slice);
    }
    let full = (slice / run.head.host.page_bytes.max(1) as f64 * copiers.max(1) as f64).max(1.0);
    copied.into_iter().map(|pages| pages / full).collect()
}

fn spread_over(slices: &mut [f64], pages: f64, from: f64, to: f64) {
    let length = to - from;
    if length <= 0.0 {
        return;
    }
    let first = from.floor() as usize;
    let last = (to.ceil() as usize).min(slices.len());
    for (index, slice) in slices.iter_mut().enumerate().take(last).skip(first) {
        let overlap = to.min(index as f64 + 1.0) - from.max(index as f64);
        *slice += pages * overlap.max(0.0) / length;
    }
}
