//! New memory over the time of a trace.

use super::{
    shape::{GrowthShape, SOON_NS, Series},
    steady::is_steady,
    window::Window,
};
use crate::run::Sample;

/// Parts that a trace is cut into.
pub(super) const PARTS: usize = 5;
/// It keeps growing if at least this much of it came in the last two parts,
const GROWS_IN_TWO: f64 = 0.35;
/// and this much in the last one.
const GROWS_IN_ONE: f64 = 0.15;
/// It has stopped if no more than this came in the last two parts.
const STOPPED: f64 = 0.05;
/// After a warm-up it keeps growing if it does so steadily, whatever its share; where the time is shorter than
/// this, that is not certain, ns.
const SURE_NS: u64 = 30_000_000_000;
/// Copies have stopped if no more than this came in the last three tenths of the time.
const FLAT: f64 = 0.01;

/// New memory of the processes that live, over time.
pub(super) struct NewMemory(Series);

impl NewMemory {
    /// What living processes have beyond what they had before the trace. Copies do not change it: a copied
    /// page takes the place of another.
    pub(super) fn of(window: &Window<'_>) -> Self {
        Self::of_some(window, |_| true)
    }

    /// Likewise of those processes that fit, by their numbers.
    pub(super) fn of_some(window: &Window<'_>, fits: impl Fn(u32) -> bool) -> Self {
        let new_in = |sample: &Sample| {
            let processes = sample.held_by_process.iter();
            let processes = processes.filter(|(id, _)| fits(**id));
            let new = processes.map(|(id, held)| window.new_pages(*id, *held));
            (sample.at_ns, new.sum())
        };
        Self(window.samples().iter().map(new_in).collect())
    }

    /// Pages over time.
    pub(super) const fn series(&self) -> &Series {
        &self.0
    }

    /// Pages at the end.
    pub(super) fn last(&self) -> u64 {
        self.0.last().map_or(0, |(_, pages)| *pages)
    }

    /// Pages a second in the last two parts.
    pub(super) fn rate(&self) -> u64 {
        rate_of_last_part(&self.0)
    }

    /// How it went on. `touched` pages came in all. The least of each part counts, so that what comes and
    /// goes within a part does not.
    pub(super) fn shape(&self, floor: u64, touched: u64) -> GrowthShape {
        let [_, _, third, fourth, last] = self.least_of_parts().map(|pages| pages as f64);
        if last < floor as f64 {
            let returned = touched.saturating_sub(self.last());
            return match () {
                () if touched < floor => GrowthShape::Nothing,
                () if returned * 2 >= touched => GrowthShape::ComesAndGoes,
                () if self.last() < floor => GrowthShape::Nothing,
                () => GrowthShape::Unclear,
            };
        }
        if keeps_growing(third, fourth, last) {
            return GrowthShape::Growing;
        }
        if is_steady(&self.0, floor) {
            let ends = self.0.first().zip(self.0.last());
            let span = ends.map_or(0, |(first, end)| end.0 - first.0);
            return if span >= SURE_NS {
                GrowthShape::Growing
            } else {
                GrowthShape::Unclear
            };
        }
        if (last - third) / last <= STOPPED {
            return GrowthShape::Stopped(self.flat_for(last));
        }
        GrowthShape::Unclear
    }

    /// The least of each part of the time; a part without a sample has that of the one before.
    fn least_of_parts(&self) -> [u64; PARTS] {
        let mut least = [None::<u64>; PARTS];
        let first = self.0.first().map_or(0, |(at, _)| *at);
        let end = self.0.last().map_or(0, |(at, _)| *at);
        let span = end.saturating_sub(first).max(1);
        for (at, pages) in &self.0 {
            let part = u128::from(at - first) * PARTS as u128 / u128::from(span);
            let part = usize::try_from(part).unwrap_or(PARTS).min(PARTS - 1);
            least[part] = Some(least[part].map_or(*pages, |before| before.min(*pages)));
        }
        let mut before = 0;
        least.map(|pages| {
            before = pages.unwrap_or(before);
            before
        })
    }

    /// How long before the end it had all but a twentieth of what it has, ns.
    fn flat_for(&self, last: f64) -> u64 {
        at_least_since(&self.0, last * (1.0 - STOPPED))
    }
}

/// Whether what there was least of in the last three parts grew to the end.
pub(super) fn keeps_growing(third: f64, fourth: f64, last: f64) -> bool {
    (last - third) / last >= GROWS_IN_TWO && (last - fourth) / last >= GROWS_IN_ONE
}

/// Pages at a time: those of the last sample by then, or else of the first.
pub(super) fn pages_at(series: &Series, at_ns: u64) -> u64 {
    let later = series.partition_point(|(at, _)| *at <= at_ns);
    let sample = series.get(later.saturating_sub(1));
    sample.map_or(0, |(_, pages)| *pages)
}

/// For how long before the end all but a hundredth of the copies had been made, ns; `None` if that is less than
/// the last three tenths of the time, or the whole time is too short.
pub(super) fn flat_copies(held: &Series) -> Option<u64> {
    let (first, last) = held.first().zip(held.last())?;
    let span = last.0 - first.0;
    let flat = at_least_since(held, last.1 as f64 * (1.0 - FLAT));
    (last.1 > 0 && span >= SOON_NS && flat >= span / 10 * 3).then_some(flat)
}

/// How long before the end there were never fewer pages than this, ns.
fn at_least_since(series: &Series, enough: f64) -> u64 {
    let below = series
        .iter()
        .rposition(|(_, pages)| (*pages as f64) < enough);
    let since = series.get(below.map_or(0, |at| at + 1));
    let end = series.last();
    end.zip(since).map_or(0, |(end, since)| end.0 - since.0)
}

/// Pages a second in the last two parts of the time.
pub(super) fn rate_of_last_part(series: &Series) -> u64 {
    let Some(((first, _), (end, last))) = series.first().zip(series.last()) else {
        return 0;
    };
    let from = end - (end - first) / PARTS as u64 * 2;
    let begun = series.iter().rev().find(|(at, _)| *at <= from);
    let Some((at, pages)) = begun.filter(|(at, _)| at < end) else {
        return 0;
    };
    let grown = u128::from(last.saturating_sub(*pages)) * 1_000_000_000;
    u64::try_from(grown / u128::from(end - at)).unwrap_or(u64::MAX)
}
