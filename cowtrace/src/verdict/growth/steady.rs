//! Steady growth: after a warm-up, however large that was, the same comes in every tenth of the time. A cache that
//! fills slows down, since fewer and fewer requests are new to it.

use super::shape::Series;

/// Parts that the time is cut into.
const PARTS: usize = 10;
/// Those before this one may be warm-up.
const WARM: usize = 3;
/// The last half of the rest must bring at least this share of what the first half brought. Growth by the square
/// root of the time brings 0.77, by its power of 0.6 0.81, a cache that is nearly full 0.55; samples a second
/// apart move it by a tenth in half a minute.
const SLOWS: f64 = 0.85;
/// And each tenth this share of the mean.
const EACH: f64 = 0.5;

/// Whether pages grew steadily to the end, by `floor` at least after the warm-up. The least of each part counts.
pub(super) fn is_steady(series: &Series, floor: u64) -> bool {
    let Some(least) = least_of_parts(series) else {
        return false;
    };
    let rate = |from: usize, to: usize| {
        let ((begun, before), (end, after)) = (least[from], least[to]);
        (after as f64 - before as f64) / (end.saturating_sub(begun).max(1) as f64)
    };
    let (begun, middle, end) = (WARM, usize::midpoint(WARM, PARTS - 1), PARTS - 1);
    let mean = rate(begun, end);
    let grown = least[end].1.saturating_sub(least[begun].1);
    let goes_on = |part: usize| rate(part, part + 1) >= mean * EACH;
    mean > 0.0
        && grown >= floor
        && rate(middle, end) >= rate(begun, middle) * SLOWS
        && (begun..end).all(goes_on)
}

/// The sample with the fewest pages of each part of the time; `None` if a part has none.
fn least_of_parts(series: &Series) -> Option<[(u64, u64); PARTS]> {
    let (first, end) = (series.first()?.0, series.last()?.0);
    let span = u128::from((end - first).max(1));
    let mut least = [None::<(u64, u64)>; PARTS];
    for (at, pages) in series {
        let part = u128::from(at - first) * PARTS as u128 / span;
        let part = usize::try_from(part).unwrap_or(PARTS).min(PARTS - 1);
        let so_far = least[part].get_or_insert((*at, *pages));
        if *pages < so_far.1 {
            *so_far = (*at, *pages);
        }
    }
    let mut all = [(0, 0); PARTS];
    for (one, found) in all.iter_mut().zip(least) {
        *one = found?;
    }
    Some(all)
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts of small numbers"
)]
mod tests {
    use super::*;

    /// Pages each second for 40 s, by the fraction of the time.
    fn series(pages: impl Fn(f64) -> f64) -> Series {
        let at = |second: u64| (second * 1_000_000_000, pages(second as f64 / 40.0) as u64);
        (0..=40).map(at).collect()
    }

    fn steady(pages: impl Fn(f64) -> f64) -> bool {
        is_steady(&series(pages), 1_000)
    }

    #[test]
    fn the_same_in_each_tenth_is_steady_after_a_warm_up_of_any_size() {
        assert!(steady(|part| part * 20_000.0));
        for warm in [5_000.0, 100_000.0, 1_000_000.0] {
            assert!(steady(|part| warm * (part * 8.0).min(1.0) + part * 20_000.0));
        }
        // With bursts on top that are given back.
        let burst = |part: f64| f64::from((part * 40.0) as u32 % 3) * 9_000.0;
        assert!(steady(|part| part * 20_000.0 + burst(part)));
    }

    #[test]
    fn what_slows_down_is_not_steady() {
        for power in [0.3, 0.4, 0.5, 0.6] {
            assert!(!steady(|part| 90_000.0 * part.powf(power)), "{power}");
        }
        for speed in [1.5, 2.0, 3.0, 5.0] {
            assert!(
                !steady(|part| 90_000.0 * (1.0 - (-speed * part).exp())),
                "{speed}"
            );
        }
        assert!(!steady(|part| 90_000.0 * (1.0 + 10.0 * part).ln()));
        // Full after three quarters of the time.
        assert!(!steady(|part| 90_000.0 * part.min(0.75)));
    }

    #[test]
    fn little_and_jumps_and_noise_are_not_steady() {
        assert!(!steady(|part| 500_000.0 + part * 1_000.0));
        assert!(!steady(|part| if part > 0.6 { 90_000.0 } else { 50_000.0 }));
        let noise = |part: f64| f64::from((part * 40.0) as u32 * 7_919 % 13) * 2_000.0;
        assert!(!steady(|part| 500_000.0 + noise(part)));
        assert!(!is_steady(&Series::new(), 0));
        assert!(!is_steady(&vec![(0, 1)], 0));
    }
}
