//! The rounds: each runs every variant once, in rotating order, on one workload.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{
    variant::{Subject, Variant},
    workload::Workload,
};
use crate::say;

/// Samples of a variant in a round. The fastest counts, because other work on the machine can only
/// add time.
pub(crate) const SAMPLES: u32 = 15;
/// Samples before those, which warm up the caches.
const WARM_UPS: u32 = 1;

/// What to measure.
pub(crate) struct Bench {
    /// The paths of cowtrace and the workload.
    pub(crate) binaries: PathBuf,
    /// Inherited pages that a child writes in a sample.
    pub(crate) pages: u32,
}

/// A figure of each variant, by round.
type Figures = [Vec<f64>; Variant::ALL.len()];

/// What was measured.
#[derive(Default)]
pub(crate) struct Rounds {
    /// Nanoseconds per copied page.
    costs: Figures,
    /// Shares of the copies that the variants saw that may miss some.
    seen: Figures,
}

impl Rounds {
    /// In the order of the rounds: the same index is the same round for every variant.
    pub(crate) fn of(&self, variant: Variant) -> &[f64] {
        &self.costs[variant as usize]
    }

    /// The smallest share of the copies that it saw in a round; `None` of a variant that saw all of them.
    pub(crate) fn least_seen(&self, variant: Variant) -> Option<f64> {
        let shares = self.seen[variant as usize].iter().copied();
        shares.min_by(f64::total_cmp)
    }
}

impl Bench {
    /// Measures, after a round that is not counted.
    pub(crate) fn run(&self, rounds: u32) -> Result<Rounds> {
        let mut workloads = Subject::ALL
            .into_iter()
            .map(|subject| match subject {
                Subject::Native => Workload::start(&self.binaries, "bench", self.pages),
                Subject::Python => Workload::start_python(self.pages),
            })
            .collect::<Result<Vec<_>>>()?;
        let mut measured = Rounds::default();
        for round in 0..=rounds {
            for variant in order(round) {
                let (cost, seen) = self
                    .visit(variant, &mut workloads[variant.subject() as usize])
                    .with_context(|| format!("cannot measure: {}", variant.title()))?;
                if round > 0 {
                    measured.costs[variant as usize].push(cost);
                    measured.seen[variant as usize].extend(seen);
                }
            }
            say(&format!("round {round} of {rounds} done"));
        }
        Ok(measured)
    }

    /// The nanoseconds of a page, and the share of the copies that was seen, if some may be missed.
    fn visit(&self, variant: Variant, workload: &mut Workload) -> Result<(f64, Option<f64>)> {
        let attached = variant.attach(&self.binaries, workload.pid())?;
        for _ in 0..WARM_UPS {
            workload.sample(variant.calls())?;
        }
        let mut fastest = f64::INFINITY;
        for _ in 0..SAMPLES {
            fastest = fastest.min(workload.sample(variant.calls())?);
        }
        let copies = u64::from(self.pages) * u64::from(WARM_UPS + SAMPLES);
        Ok((fastest, attached.detach(copies)?))
    }
}

/// Each round begins with another variant, and every other round goes backwards, so that no variant
/// always follows the same one.
fn order(round: u32) -> impl Iterator<Item = Variant> {
    let count = Variant::ALL.len();
    let first = round as usize % count;
    (0..count).map(move |place| {
        let step = if round.is_multiple_of(2) {
            place
        } else {
            count - place
        };
        Variant::ALL[(first + step) % count]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_variant_and_another_first() {
        for round in 0..6 {
            let variants: Vec<Variant> = order(round).collect();
            assert_eq!(variants[0], Variant::ALL[round as usize]);
            assert!(
                Variant::ALL
                    .iter()
                    .all(|variant| variants.contains(variant))
            );
        }
    }

    #[test]
    fn a_variant_follows_others_in_every_other_round() {
        let before_empty = |round| {
            let variants: Vec<Variant> = order(round).collect();
            let place = variants.iter().position(|&it| it == Variant::Empty);
            variants[place.unwrap() - 1]
        };
        assert_eq!(before_empty(0), Variant::Untraced);
        assert_eq!(before_empty(3), Variant::Counting);
        assert_eq!(Variant::PythonTypes.base(), Variant::PythonUntraced);
    }

    #[test]
    fn a_subject_is_found_by_its_place() {
        for (place, subject) in Subject::ALL.into_iter().enumerate() {
            assert_eq!(subject as usize, place);
        }
    }

    #[test]
    fn a_variant_is_found_by_its_place() {
        for (place, variant) in Variant::ALL.into_iter().enumerate() {
            assert_eq!(variant as usize, place);
        }
    }
}
