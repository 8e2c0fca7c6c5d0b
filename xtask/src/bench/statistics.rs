//! Medians and quartiles. Other work on the machine makes some rounds slower and none faster, so
//! means would follow the noise.

/// The median of a set of figures, and the spread of its middle half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) low_quartile: f64,
    pub(crate) high_quartile: f64,
}

impl Summary {
    /// `None` if there are no figures.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self {
            median: quantile(&sorted, 0.5)?,
            low_quartile: quantile(&sorted, 0.25)?,
            high_quartile: quantile(&sorted, 0.75)?,
        })
    }
}

/// The middle figure, or halfway between the two middle ones.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    Summary::of(figures.iter().copied()).map(|summary| summary.median)
}

/// Differences between figures of the same round, so that slow rounds cancel out.
pub(crate) fn differences<'a>(
    figures: &'a [f64],
    base: &'a [f64],
) -> impl Iterator<Item = f64> + 'a {
    figures.iter().zip(base).map(|(figure, base)| figure - base)
}

/// Interpolated between the two nearest figures, as R's type 7 and `NumPy` do.
fn quantile(sorted: &[f64], fraction: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = fraction * last as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of an index is an index"
    )]
    let below = place as usize;
    let above = (below + 1).min(last);
    let share = place - below as f64;
    Some(sorted[below] + (sorted[above] - sorted[below]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_middle_half_lies_between_the_quartiles() {
        let summary = Summary::of([5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            summary,
            Summary {
                median: 3.0,
                low_quartile: 2.0,
                high_quartile: 4.0
            }
        );
    }

    #[test]
    fn one_slow_round_does_not_move_a_paired_median() {
        let base = [2000.0, 9000.0, 2100.0];
        let traced = [2400.0, 9401.0, 2500.0];
        let differences: Vec<f64> = differences(&traced, &base).collect();
        assert_eq!(median(&differences), Some(400.0));
    }
}
