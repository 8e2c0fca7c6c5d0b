//! Samples of memory: units of 64 KiB, one drawn from each of as many stretches of equal size, so that
//! memory that is alike over long stretches is sampled evenly. What is estimated from them, and how well.

use std::ops::Range;

/// Bytes of a unit: larger ones have more pages that are alike, so that the same number of pages says
/// less.
const UNIT: u64 = 64 << 10;
/// Half the width of an interval that has 19 of 20, in standard errors.
const HALF_WIDTH: f64 = 1.96;
/// What no unit of a sample had is, in 19 of 20 cases, in less than three times a sample's step.
const UNSEEN: f64 = 3.0;

/// Units of memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::memory) struct Units {
    /// How many there are.
    pub(in crate::memory) all: u64,
    /// Addresses of those that were drawn, in order, and how many each stands for.
    pub(in crate::memory) drawn: Vec<(Range<u64>, u64)>,
}

/// Bytes of a unit on a machine with such pages.
pub(in crate::memory) fn unit_bytes(page_bytes: u64) -> u64 {
    UNIT.max(page_bytes)
}

/// Draws units from spans that are given by address: the same ones for the same seed.
pub(in crate::memory) fn sampled_units(
    spans: &[Range<u64>],
    page_bytes: u64,
    most: u64,
    seed: u64,
) -> Units {
    let unit = unit_bytes(page_bytes);
    let units_of = |span: &Range<u64>| (span.end - span.start).div_ceil(unit);
    let all: u64 = spans.iter().map(units_of).sum();
    let count = most.min(all);
    let bound = |index: u64| {
        let place = u128::from(index) * u128::from(all) / u128::from(count.max(1));
        u64::try_from(place).unwrap_or(all)
    };
    let mut random = SplitMix(seed);
    let (mut spans, mut before) = (spans.iter().peekable(), 0);
    let mut drawn = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for index in 0..count {
        let (from, to) = (bound(index), bound(index + 1));
        let place = from + random.below(to - from);
        while let Some(span) = spans.next_if(|span| before + units_of(span) <= place) {
            before += units_of(span);
        }
        let Some(span) = spans.peek() else { break };
        let start = span.start + (place - before) * unit;
        drawn.push((start..span.end.min(start.saturating_add(unit)), to - from));
    }
    Units { all, drawn }
}

/// Random numbers, the same for the same seed (Steele and others, "Fast splittable pseudorandom number
/// generators", 2014).
struct SplitMix(u64);

impl SplitMix {
    /// A number below another, which is not 0; the lower half has the advantage of one in 2^64 / `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound.max(1)
    }
}

/// Figures of all units, from some or from every one.
#[derive(Debug)]
pub(super) struct Estimate {
    /// Units that there are; 0 if every page was looked at.
    pub(super) units: u64,
    looked_at: u64,
    figures: Vec<Figure>,
    pages_in_unit: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Figure {
    /// Pages of all units.
    total: u64,
    /// Pages in those that were looked at, and the sum of the squares of each one's.
    sum: f64,
    squares: f64,
}

impl Estimate {
    pub(super) fn new(figures: usize) -> Self {
        Self {
            units: 0,
            looked_at: 0,
            figures: vec![Figure::default(); figures],
            pages_in_unit: 0,
        }
    }

    /// Adds the figures of a unit that stands for so many.
    pub(super) fn add(&mut self, pages: &[u64], stands_for: u64, pages_in_unit: u64) {
        self.looked_at += 1;
        self.pages_in_unit = self.pages_in_unit.max(pages_in_unit);
        for (figure, &pages) in self.figures.iter_mut().zip(pages) {
            let weighted = pages.saturating_mul(stands_for);
            figure.total = figure.total.saturating_add(weighted);
            figure.sum += pages as f64;
            figure.squares += pages as f64 * pages as f64;
        }
    }

    /// Pages of a figure, of all units.
    pub(super) fn total(&self, figure: usize) -> u64 {
        self.figures.get(figure).map_or(0, |it| it.total)
    }

    /// How many figures there are.
    pub(super) fn figure_count(&self) -> usize {
        self.figures.len()
    }

    /// Whether units were left out.
    pub(super) fn is_sample(&self) -> bool {
        self.looked_at < self.units
    }

    /// How far the figures may be from the truth in 19 of 20 samples, in pages: as if they had been drawn
    /// from all at once, which is worse than what was done.
    pub(super) fn error(&self, figures: Range<usize>) -> u64 {
        if !self.is_sample() {
            return 0;
        }
        let (units, seen) = (self.units as f64, self.looked_at as f64);
        let of_figure = |figure: &Figure| {
            let spread = (figure.squares - figure.sum * figure.sum / seen) / (seen - 1.0).max(1.0);
            let left_out = 1.0 - seen / units;
            HALF_WIDTH * units * (left_out * spread.max(0.0) / seen).sqrt()
        };
        let figures = self.figures.get(figures).unwrap_or_default();
        let widest = figures.iter().map(of_figure).fold(0.0, f64::max);
        let unseen = UNSEEN * units / seen * self.pages_in_unit as f64;
        ceiled(widest.max(unseen))
    }
}

/// A figure of pages that is no more than there can be, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is too large or negative becomes the nearest integer"
)]
fn ceiled(pages: f64) -> u64 {
    pages.ceil() as u64
}
