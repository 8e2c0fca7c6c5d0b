//! Whether two groups of runs differ: an exact rank test, and the interval that belongs to it.
//!
//! The test is that of Wilcoxon, Mann and Whitney, with the exact null distribution instead of an
//! approximation, ties included. It requires only that the runs are independent and, if nothing
//! differs, interchangeable. It assumes no shape of the noise, which three to five runs could not
//! show. The interval is that of Hodges and Lehmann: order statistics of all differences (or
//! ratios) between a run of one side and a run of the other. Nothing in it is random.

/// Most runs per side: keeps the counting exact and quick.
pub const MOST_RUNS: usize = 20;

/// A difference that chance makes more often than this does not count as one.
pub(super) const ALPHA: f64 = 0.05;

/// Counts in floating point are exact here; this allows for rounding in divisions.
const ROUNDING: f64 = 1e-12;

/// The values of one side.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

/// How often chance alone produces such values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// Values of NEW as low as these, or lower.
    pub less: f64,
    /// Values of NEW as high as these, or higher.
    pub more: f64,
}

impl Chance {
    /// Values as far off in either direction.
    #[must_use]
    pub fn either(self) -> f64 {
        (2.0 * self.less.min(self.more)).min(1.0)
    }
}

/// Where the change lies, with a confidence of `level`.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Confidence, as a fraction: at least 0.95, or the highest that so few runs allow.
    pub level: f64,
    /// NEW minus BASE, from and to.
    pub difference: (f64, f64),
    /// NEW / BASE - 1, from and to; none if a run of BASE is 0.
    pub relative: Option<(f64, f64)>,
}

/// What several runs per side can show.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvidence {
    /// How often chance alone does this.
    pub chance: Chance,
    /// Where the change lies.
    pub interval: Interval,
}

/// What can be said about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// One run per side: it may be noise.
    NoiseUnknown,
    /// Chance alone does it in more than 5 % of comparisons.
    NoneSeen,
    /// All runs of one side are beyond all of the other, but there are too few of them to tell.
    ApartButFew,
    /// A difference beyond chance.
    Seen,
}

/// A figure of both sides, and its change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// In BASE.
    pub base: Spread,
    /// In NEW.
    pub new: Spread,
    /// None with one run per side.
    pub evidence: Option<RunEvidence>,
    /// What can be said about it.
    pub finding: Finding,
}

impl Change {
    /// The change between the values of BASE's runs and of NEW's runs; neither list is empty.
    #[must_use]
    pub fn between(base: &[f64], new: &[f64]) -> Self {
        let evidence = (base.len() > 1 || new.len() > 1).then(|| RunEvidence {
            chance: chance_of_ranks(base, new),
            interval: confidence_interval(base, new),
        });
        let (base_spread, new_spread) = (spread_of_values(base), spread_of_values(new));
        let apart = base_spread.most < new_spread.least || new_spread.most < base_spread.least;
        let finding = match &evidence {
            None => Finding::NoiseUnknown,
            Some(evidence) if evidence.chance.either() <= ALPHA + ROUNDING => Finding::Seen,
            Some(_) if apart && 2.0 * rarest_chance(base.len(), new.len()) > ALPHA + ROUNDING => {
                Finding::ApartButFew
            }
            Some(_) => Finding::NoneSeen,
        };
        Self {
            base: base_spread,
            new: new_spread,
            evidence,
            finding,
        }
    }

    /// NEW minus BASE.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.new.median - self.base.median
    }

    /// NEW / BASE - 1; none if BASE is 0.
    #[must_use]
    pub fn relative(&self) -> Option<f64> {
        (self.base.median > 0.0).then(|| self.new.median / self.base.median - 1.0)
    }

    /// Whether NEW is larger by more than chance causes in 5 % of comparisons. With one run per
    /// side the difference is taken as measured.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.difference() > 0.0
            && self
                .evidence
                .as_ref()
                .is_none_or(|evidence| evidence.chance.more <= ALPHA + ROUNDING)
    }
}

/// Whether this many runs can show any growth as more than chance.
#[must_use]
pub fn can_tell_growth(base: usize, new: usize) -> bool {
    rarest_chance(base, new) <= ALPHA + ROUNDING
}

/// How often chance puts all runs of one side below all runs of the other.
#[must_use]
pub(super) fn rarest_chance(base: usize, new: usize) -> f64 {
    (1..=new).fold(1.0, |chance, k| chance * k as f64 / (base + k) as f64)
}

fn spread_of_values(values: &[f64]) -> Spread {
    let sorted = sort_values(values.iter().copied());
    let middle = sorted.len() / 2;
    let median = if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    };
    Spread {
        median,
        least: sorted[0],
        most: sorted[sorted.len() - 1],
    }
}

fn sort_values(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The rank sum of NEW, compared with all ways to deal the same ranks to the two sides.
fn chance_of_ranks(base: &[f64], new: &[f64]) -> Chance {
    let all = sort_values(base.iter().chain(new).copied());
    // Twice the rank, which is a whole number even for ties.
    let rank = |value: f64| {
        let below = all.partition_point(|&other| other < value);
        let up_to = all.partition_point(|&other| other <= value);
        below + up_to + 1
    };
    let ranks: Vec<usize> = all.iter().map(|&value| rank(value)).collect();
    let seen: usize = new.iter().map(|&value| rank(value)).sum();
    let ways = ways_by_sum(&ranks, new.len());
    let total: f64 = ways.iter().sum();
    Chance {
        less: ways.iter().take(seen + 1).sum::<f64>() / total,
        more: ways.iter().skip(seen).sum::<f64>() / total,
    }
}

/// The number of ways in which `take` of the ranks add up to each sum.
fn ways_by_sum(ranks: &[usize], take: usize) -> Vec<f64> {
    let most: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; take + 1];
    ways[0][0] = 1.0;
    for (dealt, &rank) in ranks.iter().enumerate() {
        for taken in (1..=take.min(dealt + 1)).rev() {
            let (fewer, more) = ways.split_at_mut(taken);
            let from = &fewer[taken - 1];
            for (sum, way) in more[0].iter_mut().enumerate().skip(rank) {
                *way += from[sum - rank];
            }
        }
    }
    ways.swap_remove(take)
}

fn confidence_interval(base: &[f64], new: &[f64]) -> Interval {
    let (left_out, beyond) = cut(base.len(), new.len());
    let ends = |values: Vec<f64>| (values[left_out], values[values.len() - 1 - left_out]);
    let pairs = || base.iter().flat_map(|&b| new.iter().map(move |&n| (b, n)));
    let difference = ends(sort_values(pairs().map(|(b, n)| n - b)));
    let relative = base
        .iter()
        .all(|&b| b > 0.0)
        .then(|| ends(sort_values(pairs().map(|(b, n)| n / b - 1.0))));
    Interval {
        level: 1.0 - 2.0 * beyond,
        difference,
        relative,
    }
}

/// How many of the sorted pairs to leave out at each end for 95 %, and how often the truth lies
/// beyond one end. None are left out if even the widest interval has less.
fn cut(base: usize, new: usize) -> (usize, f64) {
    let ranks: Vec<usize> = (1..=base + new).collect();
    let ways = ways_by_sum(&ranks, new);
    let total: f64 = ways.iter().sum();
    let smallest = new * (new + 1) / 2;
    let (mut left_out, mut beyond, mut sum) = (0, ways[smallest] / total, 0.0);
    for (count, way) in ways[smallest..].iter().enumerate() {
        sum += way / total;
        if sum > ALPHA / 2.0 + ROUNDING {
            break;
        }
        (left_out, beyond) = (count, sum);
    }
    (left_out, beyond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::synthetic::Noise;

    /// One run in five copies half more, as if a worker had restarted.
    fn uneven(noise: &mut Noise, number: usize) -> Vec<f64> {
        let mut runs = noise.around(number, 1e9, 0.02);
        for run in &mut runs {
            *run *= if noise.uniform() < 0.2 { 1.5 } else { 1.0 };
        }
        runs
    }

    const TRIALS: usize = 4_000;

    fn share(of: impl FnMut() -> bool) -> f64 {
        let mut of = of;
        (0..TRIALS).filter(|_| of()).count() as f64 / TRIALS as f64
    }

    /// The exact test's level is at most 5 %; 4,000 trials of that vary by 0.35 % (one sigma), and
    /// the attained levels (2.9 % at 4, 3.2 % at 5, 4.1 % at 6 a side) leave at least two of those.
    #[test]
    fn without_a_difference_at_most_one_comparison_in_twenty_sees_one() {
        let mut noise = Noise(1);
        for (base, new) in [(2, 2), (3, 3), (3, 5), (4, 4), (5, 5), (6, 6), (8, 5)] {
            for is_even in [true, false] {
                let mut runs = |number| {
                    if is_even {
                        noise.around(number, 1e9, 0.05)
                    } else {
                        uneven(&mut noise, number)
                    }
                };
                let alarms =
                    share(|| Change::between(&runs(base), &runs(new)).finding == Finding::Seen);
                assert!(alarms <= ALPHA, "{base} and {new} runs: {alarms}");
                let can = 2.0 * rarest_chance(base, new) <= ALPHA;
                assert_eq!(alarms > 0.0, can, "{base} and {new} runs: {alarms}");
            }
        }
    }

    /// One-sided, three runs per side have a level of exactly 5 %; the limit adds four sigma of the
    /// trials.
    #[test]
    fn without_a_difference_growth_is_seen_at_most_once_in_twenty() {
        let mut noise = Noise(2);
        for number in [3, 4, 5] {
            let alarms = share(|| {
                let base = noise.around(number, 1e9, 0.05);
                Change::between(&base, &noise.around(number, 1e9, 0.05)).has_grown()
            });
            assert!(alarms <= ALPHA + 0.014, "{number} runs: {alarms}");
        }
    }

    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        let mut noise = Noise(3);
        for number in [3, 4, 5, 7] {
            let mut level = 0.0;
            let held = share(|| {
                let base = noise.around(number, 1e9, 0.05);
                let change = Change::between(&base, &noise.around(number, 0.8e9, 0.05));
                let interval = change.evidence.expect("several runs").interval;
                level = interval.level;
                let (from, to) = interval.relative.expect("copies in all runs");
                from <= -0.2 && -0.2 <= to
            });
            // Four sigma of 4,000 trials at 90 %.
            assert!((held - level).abs() < 0.019, "{number}: {held} for {level}");
        }
    }

    #[test]
    fn the_levels_are_counted_out() {
        // The number of ways to get a rank sum this small, of all ways to deal the ranks.
        for (number, left_out, beyond) in [
            (3, 0, 1.0 / 20.0),
            (4, 0, 1.0 / 70.0),
            (5, 2, 4.0 / 252.0),
            (6, 5, 19.0 / 924.0),
        ] {
            let (cut, chance) = cut(number, number);
            assert_eq!(cut, left_out, "{number} runs");
            assert!((chance - beyond).abs() < 1e-9, "{number} runs: {chance}");
        }
        assert!(can_tell_growth(3, 3) && can_tell_growth(1, 19));
        assert!(!can_tell_growth(2, 2) && !can_tell_growth(1, 18));
    }

    #[test]
    fn ties_are_counted_out_too() {
        // Of the 20 ways to deal 1 1 1 1 1 2, half give NEW the 2.
        let chance = chance_of_ranks(&[1.0, 1.0, 1.0], &[1.0, 1.0, 2.0]);
        assert!((chance.more - 0.5).abs() < 1e-9 && (chance.less - 1.0).abs() < 1e-9);
        let same = Change::between(&[7.0; 5], &[7.0; 5]);
        assert_eq!(same.finding, Finding::NoneSeen);
        assert_eq!(same.relative(), Some(0.0));
        let nothing = Change::between(&[0.0; 5], &[0.0; 5]);
        assert_eq!(
            (nothing.finding, nothing.relative()),
            (Finding::NoneSeen, None)
        );
    }

    #[test]
    fn few_runs_are_told_apart_from_no_difference() {
        let finding = |base: &[f64], new: &[f64]| Change::between(base, new).finding;
        assert_eq!(finding(&[1.0], &[2.0]), Finding::NoiseUnknown);
        assert_eq!(
            finding(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]),
            Finding::ApartButFew
        );
        assert_eq!(
            finding(&[1.0, 2.0, 4.0], &[3.0, 5.0, 6.0]),
            Finding::NoneSeen
        );
        assert_eq!(
            finding(&[1.0, 2.0, 3.0, 3.5], &[4.0, 5.0, 6.0, 7.0]),
            Finding::Seen
        );
    }

    #[test]
    fn the_middle_lies_in_the_interval() {
        let mut noise = Noise(4);
        for number in 2..9 {
            let base = noise.around(number, 1e9, 0.3);
            let change = Change::between(&base, &noise.around(number, 1e9, 0.3));
            let relative = change.relative().expect("copies");
            let (from, to) = change
                .evidence
                .and_then(|it| it.interval.relative)
                .expect("several");
            assert!(from <= relative && relative <= to);
        }
    }
}
