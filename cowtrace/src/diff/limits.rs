//! Which comparisons a limit fails, and what is said of that.

use super::{
    Options,
    synthetic::{Service, plain, runs, with},
};

#[test]
fn growth_fails_only_above_the_limit_and_beyond_noise() {
    let fails = |base: &[Service], new: &[Service], limit: f64| {
        let options = Options {
            per: None,
            fail_above: Some(limit),
        };
        with(base, new, options).unwrap().fails()
    };
    let grown = |first: u32, number: u32, percent: u64| {
        runs(first, number, move |index, service| {
            service.reference_pages = service.reference_pages * (100 + percent) / 100;
            service.gc_pages = service.gc_pages * (100 + percent) / 100 + u64::from(index);
        })
    };
    assert!(fails(&plain(0, 1), &grown(9, 1, 7), 0.05));
    assert!(!fails(&plain(0, 1), &grown(9, 1, 7), 0.08));
    assert!(fails(&plain(0, 3), &grown(9, 3, 7), 0.05));
    assert!(
        !fails(&grown(0, 3, 7), &plain(9, 3), 0.05),
        "less is no growth"
    );
    // 40 % more in two of three runs, less in the third: the medians alone would fail.
    let mut mixed = grown(9, 3, 40);
    mixed[0].reference_pages = 10_000;
    assert!(!fails(&plain(0, 3), &mixed, 0.05));
    // From nothing to something is more than any limit.
    let nothing = runs(0, 1, |_, service| {
        (service.reference_pages, service.gc_pages) = (0, 0);
    });
    assert!(fails(&nothing, &plain(9, 1), 10.0));
}

#[test]
fn what_a_limit_makes_of_few_runs_is_said() {
    let judged = |base: &[Service], new: &[Service], fail_above: Option<f64>| {
        let per = None;
        with(base, new, Options { per, fail_above }).unwrap()
    };
    let grown = |first: u32, number: u32, offset: u64| {
        runs(first, number, move |index, service| {
            service.reference_pages += offset + u64::from(index) * 100;
        })
    };
    let says = "For --fail-above this counts as growth: chance alone puts NEW this high in ";
    let three = judged(&grown(0, 3, 0), &grown(9, 3, 3_000), Some(0.05));
    let told = three.confidence();
    assert!(three.fails() && told.contains("record 4 or more"), "{told}");
    assert!(
        told.ends_with(&format!("{says}5 % of comparisons.")),
        "{told}"
    );
    // Four and four with one pair in each other's place: chance does it in 2 of 70 comparisons.
    let base = grown(0, 4, 0);
    let mut new = grown(9, 4, 3_000);
    new[0].reference_pages = base[3].reference_pages - 50;
    let four = judged(&base, &new, Some(0.05));
    let told = four.confidence();
    assert!(four.fails() && four.summary().starts_with("No difference seen"));
    assert!(
        told.ends_with(&format!("{says}3 % of comparisons.")),
        "{told}"
    );
    for quiet in [
        judged(&grown(0, 3, 0), &grown(9, 3, 3_000), None),
        judged(&grown(0, 3, 3_000), &grown(9, 3, 0), Some(0.05)),
        judged(&grown(0, 5, 0), &grown(9, 5, 3_000), Some(0.05)),
        judged(&grown(0, 1, 0), &grown(9, 1, 3_000), Some(0.05)),
    ] {
        let told = quiet.confidence();
        assert!(!told.contains("--fail-above"), "{told}");
    }
}
