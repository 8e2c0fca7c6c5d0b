//! How the copies are spread over a mapping, from its low to its high end.
//!
//! There are two measures. *Touched*: the share of the mapping's ranges in which at least one page
//! was copied. *Moved*: the share of the copies that would have to lie elsewhere for two runs to
//! have the same spread. This is the total variation distance of the two histograms over [`SLICES`]
//! equal slices, each divided by its sum. 0: the same spread, however many copies there are; 1: no
//! slice in common.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions in a fixed number of slices, computed from addresses"
)]

use std::collections::{BTreeSet, HashMap};

use crate::run::{Region, Row, Run};

/// Slices of a mapping: as many as a line of text can show.
pub(super) const SLICES: usize = 64;

/// How the copies of one run are spread over a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Pages by slice.
    pub slices: Vec<f64>,
    /// Ranges with copies, as a share of the mapping's ranges.
    pub touched: f64,
}

/// How the spread differs between the sides.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeSpread {
    /// Share of ranges touched in BASE, averaged over its runs; none if ranges differ in size.
    pub touched_base: Option<f64>,
    /// Share of ranges touched in NEW.
    pub touched_new: Option<f64>,
    /// Share of the copies that lie elsewhere, averaged over all pairs of a BASE run and a NEW run;
    /// none if a side has no copies there.
    pub moved: Option<f64>,
    /// The same between runs of one side, which is noise. None with one run per side.
    pub moved_within: Option<f64>,
}

impl Shape {
    /// The shapes of all regions with copies, by region number.
    #[must_use]
    pub fn of_regions(run: &Run) -> HashMap<u32, Self> {
        let mut rows: HashMap<u32, Vec<&Row>> = HashMap::new();
        for row in run.memory.rows.iter().filter(|row| row.copied.total() > 0) {
            if let Some(region) = row.region_id {
                rows.entry(region).or_default().push(row);
            }
        }
        let shape = |region: &Region| {
            let rows = rows.get(&region.id)?;
            Some((region.id, Self::of(region, rows, run.memory.range_bytes)))
        };
        run.memory.regions.iter().filter_map(shape).collect()
    }

    fn of(region: &Region, rows: &[&Row], range_bytes: u64) -> Self {
        let mapping = &region.mapping;
        let range_bytes = range_bytes.max(1);
        let size = mapping.size_bytes().max(1) as f64;
        let mut slices = vec![0.0; SLICES];
        let mut touched = BTreeSet::new();
        for row in rows {
            let Some(start) = row.start else { continue };
            let end = start.saturating_add(range_bytes).min(mapping.end);
            let from = start.max(mapping.start).saturating_sub(mapping.start);
            let to = end.saturating_sub(mapping.start);
            let slice = |offset: u64| offset as f64 / size * SLICES as f64;
            add_to_slices(
                &mut slices,
                row.copied.total() as f64,
                slice(from),
                slice(to),
            );
            touched.insert(start);
        }
        let first = mapping.start / range_bytes;
        let ranges = mapping
            .end
            .div_ceil(range_bytes)
            .saturating_sub(first)
            .max(1);
        Self {
            slices,
            touched: (touched.len() as f64 / ranges as f64).min(1.0),
        }
    }
}

/// Adds pages evenly to the slices from one position to another.
fn add_to_slices(slices: &mut [f64], pages: f64, from: f64, to: f64) {
    let length = to - from;
    if length <= 0.0 {
        return;
    }
    let last = (to.ceil() as usize).min(slices.len());
    for (index, slice) in slices.iter_mut().enumerate().take(last).skip(from as usize) {
        let inside = to.min(index as f64 + 1.0) - from.max(index as f64);
        *slice += pages * inside.max(0.0) / length;
    }
}

impl ShapeSpread {
    /// The change for a mapping, from its spread in each run of both sides; a run without copies
    /// has none.
    #[must_use]
    pub fn between(base: &[Option<&Shape>], new: &[Option<&Shape>], same_ranges: bool) -> Self {
        let touched = |side: &[Option<&Shape>]| {
            let sum: f64 = side.iter().flatten().map(|shape| shape.touched).sum();
            same_ranges.then_some(sum / side.len() as f64)
        };
        let across = base
            .iter()
            .flatten()
            .flat_map(|b| new.iter().flatten().map(move |n| shape_distance(b, n)));
        let within = [base, new].map(pair_distances).into_iter().flatten();
        Self {
            touched_base: touched(base),
            touched_new: touched(new),
            moved: mean_of(across.flatten()),
            moved_within: mean_of(within),
        }
    }
}

/// Distances of all pairs of runs of a side.
fn pair_distances(side: &[Option<&Shape>]) -> Vec<f64> {
    let shapes: Vec<&Shape> = side.iter().copied().flatten().collect();
    let of_others = |(index, shape): (usize, &&Shape)| -> Vec<f64> {
        let others = shapes[index + 1..].iter();
        others
            .filter_map(|other| shape_distance(shape, other))
            .collect()
    };
    shapes.iter().enumerate().flat_map(of_others).collect()
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

/// Total variation distance of the normalised histograms.
fn shape_distance(one: &Shape, other: &Shape) -> Option<f64> {
    let sum = |shape: &Shape| shape.slices.iter().sum::<f64>();
    let (all, others) = (sum(one), sum(other));
    if all <= 0.0 || others <= 0.0 {
        return None;
    }
    let apart = |(a, b): (&f64, &f64)| (a / all - b / others).abs();
    Some((one.slices.iter().zip(&other.slices).map(apart).sum::<f64>() / 2.0).min(1.0))
}
