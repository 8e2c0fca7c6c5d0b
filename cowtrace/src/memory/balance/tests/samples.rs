//! Balances from samples, and their errors.

use super::*;
use crate::memory::balance::sample::{Units, sampled_units};
use crate::run::BalanceIs;
use proptest::prelude::*;
use std::collections::HashSet;

/// A hash that spreads numbers.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (number ^ number >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11
}

/// Whether a worker copied a page: everything, nothing, or some of it, by stretches of 2 MiB, as reference
/// counts of lists and tables are written.
fn is_copied(page: u64) -> bool {
    mixed(page) % 1000 < mixed(page / 512 + 1_000_000) % 1400
}

fn budget(units: u64, seed: u64) -> BalanceBudget {
    BalanceBudget {
        pages_each: 100_000,
        units,
        seed,
        ..BalanceBudget::default()
    }
}

/// 1.6 GiB. 200 samples, always the same ones.
#[test]
fn samples_are_as_near_to_the_truth_as_they_say() {
    const PAGES: u64 = 400_000;
    let entry = |page: u64, from: u64| PRESENT | FIRST | (from + page);
    let donor: Vec<u64> = (0..PAGES).map(|page| entry(page, 0)).collect();
    let own = (0..PAGES).map(|page| entry(page, if is_copied(page) { PAGES } else { 0 }));
    let proc = Pagemaps::new("sample", &[donor, own.collect()]);
    let truth = (0..PAGES).filter(|page| is_copied(*page)).count() as u64;
    let (mut within, mut errors) = (0, Vec::new());
    for seed in 0..200 {
        let found = proc.balance(&[2], PAGES, budget(LEAST_UNITS, seed));
        let own = found.inheritors[0];
        assert_eq!(own.is, BalanceIs::Sampled);
        assert_eq!(own.shared_pages + own.unshared_pages, PAGES);
        assert_eq!((own.new_pages, own.gone_pages), (0, 0));
        let error = own.unshared_pages.abs_diff(truth);
        within += u64::from(error <= own.error_pages);
        errors.push(error);
        assert_eq!(found.extra_pages, Some(own.unshared_pages));
        assert!(own.error_pages < PAGES / 20, "{}", own.error_pages);
    }
    errors.sort_unstable();
    // 190 of 200 are promised.
    assert!(within >= 190, "{within} of 200");
    let usual = 100.0 * errors[189] as f64 / truth as f64;
    assert!(usual <= 4.0, "{usual:.1} % of {truth}");
}

#[test]
fn more_units_are_nearer_and_all_are_exact() {
    const PAGES: u64 = 160_000;
    let donor: Vec<u64> = (0..PAGES).map(|page| PRESENT | FIRST | page).collect();
    let own = (0..PAGES).map(|page| {
        if is_copied(page) {
            0
        } else {
            PRESENT | FIRST | page
        }
    });
    let proc = Pagemaps::new("units", &[donor, own.collect()]);
    let error = |units: u64| proc.balance(&[2], PAGES, budget(units, 1)).inheritors[0].error_pages;
    // No fewer than the least.
    assert_eq!(error(1), error(LEAST_UNITS));
    assert!(error(4 * LEAST_UNITS) < error(LEAST_UNITS) * 2 / 3);
    let all = proc.balance(&[2], PAGES, budget(u64::MAX, 1)).inheritors[0];
    assert_eq!((all.is, all.error_pages), (BalanceIs::Exact, 0));
    let truth = (0..PAGES).filter(|page| is_copied(*page)).count() as u64;
    assert_eq!(all.gone_pages, truth);
}

/// Few pages may be in no unit of a sample: the error says how many that may be.
#[test]
fn what_no_unit_has_is_within_the_error() {
    const PAGES: u64 = 400_000;
    let donor: Vec<u64> = (0..PAGES).map(|page| PRESENT | FIRST | page).collect();
    let mut own = donor.clone();
    own[7_000..7_300].fill(0);
    let proc = Pagemaps::new("rare", &[donor, own]);
    for seed in 0..20 {
        let own = proc
            .balance(&[2], PAGES, budget(LEAST_UNITS, seed))
            .inheritors[0];
        let error = own.gone_pages.abs_diff(300);
        assert!(error <= own.error_pages, "{own:?}");
    }
}

proptest! {
    #[test]
    fn units_are_drawn_one_from_each_stretch(
        sizes in proptest::collection::vec((1u64..99, 1u64..300), 1..9), most in 1u64..50, seed in any::<u64>(),
    ) {
        let (mut at, mut spans) = (0, Vec::new());
        for (gap, pages) in sizes {
            spans.push((at + gap) * PAGE..(at + gap + pages) * PAGE);
            at += gap + pages;
        }
        let Units { all, drawn } = sampled_units(&spans, PAGE, most, seed);
        prop_assert_eq!(drawn.len() as u64, most.min(all));
        prop_assert_eq!(drawn.iter().map(|it| it.1).sum::<u64>(), all);
        prop_assert!(drawn.windows(2).all(|pair| pair[0].0.end <= pair[1].0.start));
        for (unit, _) in &drawn {
            let span = spans.iter().find(|span| span.contains(&unit.start)).unwrap();
            prop_assert!((unit.start - span.start).is_multiple_of(64 << 10));
            prop_assert!(unit.end == span.end || unit.end - unit.start == 64 << 10);
        }
        let whole = sampled_units(&spans, PAGE, u64::MAX, seed).drawn;
        let pages: u64 = whole.iter().map(|it| (it.0.end - it.0.start) / PAGE).sum();
        prop_assert_eq!(pages, spans.iter().map(|it| (it.end - it.start) / PAGE).sum::<u64>());
    }

    /// As by sets of frames.
    #[test]
    fn frames_of_a_family_are_counted_once(
        pages in proptest::collection::vec(proptest::array::uniform4(0u64..4), 1..40),
    ) {
        let map = |of: usize| -> Vec<u64> {
            pages.iter().map(|it| it[of]).map(|frame| if frame == 0 { 0 } else { PRESENT | FIRST | frame }).collect()
        };
        let proc = Pagemaps::new("sets", &[map(0), map(1), map(2), map(3)]);
        let found = proc.balance(&[2, 3, 4], pages.len() as u64, BalanceBudget::default());
        let all = |page: &[u64; 4]| page.iter().copied().filter(|it| *it != 0).collect::<HashSet<_>>();
        let distinct: usize = pages.iter().map(|page| all(page).len()).sum();
        let inherited = pages.iter().filter(|page| page[0] != 0);
        let extra: usize = inherited.map(|page| all(page).len() - 1).sum();
        prop_assert_eq!(found.distinct_pages, Some(distinct as u64));
        prop_assert_eq!(found.extra_pages, Some(extra as u64));
        for (at, own) in found.inheritors.iter().enumerate() {
            let count = |is: fn(u64, u64) -> bool| pages.iter().filter(|it| is(it[0], it[at + 1])).count() as u64;
            prop_assert_eq!(own.shared_pages, count(|donor, own| own != 0 && own == donor));
            prop_assert_eq!(own.unshared_pages, count(|donor, own| own != 0 && donor != 0 && own != donor));
            prop_assert_eq!(own.new_pages, count(|donor, own| own != 0 && donor == 0));
            prop_assert_eq!(own.gone_pages, count(|donor, own| own == 0 && donor != 0));
        }
    }
}
