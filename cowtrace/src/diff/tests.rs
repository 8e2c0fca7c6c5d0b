//! Comparisons of runs whose true differences are known.

use super::{
    Comparison, Error, Finding, Measured, Options, compare_runs,
    rows::{AlignedMapping, ChangeRow, Subject},
    synthetic::{Noise, Service, between, frozen, per_request, plain, runs, with},
    words,
};

fn about(comparison: &Comparison) -> Vec<&'static str> {
    comparison
        .warnings
        .iter()
        .map(|warning| warning.about)
        .collect()
}

fn mapping(row: &ChangeRow) -> &AlignedMapping {
    match &row.subject {
        Subject::Mapping(mapping) => mapping,
        other => panic!("{other:?}"),
    }
}

/// Two sides of 5 runs whose copies vary by 3 %, NEW changed by `factor`: how often a difference is
/// seen.
fn seen(factor: f64, trials: u32) -> f64 {
    let mut noise = Noise(5);
    let mut side = |first: u32, factor: f64| {
        let pages = noise.around(5, 20_000.0 * factor, 0.03);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "pages"
        )]
        runs(first, 5, |index, service| {
            service.reference_pages = pages[index as usize] as u64;
            service.gc_pages = 0;
            // Few rows.
            service.range_bytes = 16 << 20;
        })
    };
    let found = (0..trials)
        .map(|_| between(&side(0, 1.0), &side(5, factor)))
        .filter(|comparison| comparison.totals.total.finding == Finding::Seen);
    found.count() as f64 / f64::from(trials)
}

/// Smaller runs would not be quicker to compare; the statistics alone are tried more often.
const TRIALS: u32 = 300;

#[test]
fn without_a_difference_few_comparisons_see_one() {
    let seen = seen(1.0, TRIALS);
    // 5 runs a side have a level of 3.2 %: 5 % leave less than two sigma of 300 trials (1 % each),
    // and the noise is the same each time.
    assert!(seen > 0.0 && seen <= 0.05, "{seen}");
}

#[test]
fn five_runs_a_side_find_ten_percent() {
    for factor in [0.9, 1.1] {
        let seen = seen(factor, TRIALS);
        assert!(seen >= 0.95, "{factor}: {seen}");
    }
}

#[test]
fn addresses_do_not_matter() {
    let comparison = between(&plain(0, 1), &plain(1, 1));
    assert!(comparison.unmatched.is_none());
    assert_eq!(comparison.mappings.len(), 2, "the heap has no copies");
    for row in &comparison.mappings {
        assert!(row.changes.total.difference() == 0.0);
        let spread = mapping(row).spread.as_ref().unwrap();
        assert!(spread.moved.unwrap() < 1e-9 && spread.moved_within.is_none());
    }
}

#[test]
fn a_mapping_that_has_its_name_by_its_contents_matches_itself_without_a_name() {
    let jemalloc = |first| runs(first, 1, |_, it| it.comments_are = "[jemalloc]");
    let name_of_comments = |comparison: &Comparison| {
        assert!(comparison.unmatched.is_none());
        assert_eq!(comparison.mappings.len(), 2);
        let is_same = |row: &ChangeRow| row.changes.total.difference() == 0.0;
        assert!(comparison.mappings.iter().all(is_same));
        let names = comparison.mappings.iter().map(|row| &row.subject);
        let mut names = names.map(words::subject_in_words);
        names.find(|name| name.contains("64 MiB") || name.starts_with("[jemalloc]"))
    };
    for (base, new, name) in [
        (plain(0, 1), jemalloc(1), "[jemalloc] (in some runs [anon])"),
        (jemalloc(0), plain(1, 1), "[jemalloc] (in some runs [anon])"),
        (jemalloc(0), jemalloc(1), "[jemalloc]"),
        (plain(0, 1), plain(1, 1), "[anon] 1/2, 64 MiB"),
    ] {
        assert_eq!(
            name_of_comments(&between(&base, &new)).as_deref(),
            Some(name)
        );
    }
}

#[test]
fn rows_of_mappings_add_up_to_the_totals() {
    let mut new = frozen(5, 1);
    new[0].reference_pages = 13_000;
    let comparison = between(&plain(0, 1), &new);
    let sum: f64 = comparison
        .mappings
        .iter()
        .chain(&comparison.unmatched)
        .chain(&comparison.others)
        .map(|row| row.changes.total.new.median)
        .sum();
    assert!((sum - comparison.totals.total.new.median).abs() < 1.0);
    assert!((sum - 13_000.0 * 4.0 * 4096.0).abs() < 1.0);
}

#[test]
fn copies_that_lie_elsewhere_are_told() {
    let base = plain(0, 2);
    let new = runs(5, 2, |index, service| {
        service.reference_pages += u64::from(index) * 7;
        // The second half of 1,024 ranges.
        service.first_range = 512;
    });
    let comparison = between(&base, &new);
    let of_64_mib = |row: &&ChangeRow| mapping(row).size_base == Some(64.0 * 1_048_576.0);
    let row = comparison.mappings.iter().find(of_64_mib).unwrap();
    let spread = mapping(row).spread.as_ref().unwrap();
    // 500 ranges from 0 on and 500 from 512 on have none in common.
    assert!(spread.moved.unwrap() > 0.99, "{spread:?}");
    assert!(spread.moved_within.unwrap() < 1e-9);
    let touched = 500.0 / 1_024.0;
    assert!((spread.touched_base.unwrap() - touched).abs() < 1e-3);
    assert!((spread.touched_new.unwrap() - touched).abs() < 1e-3);
}

#[test]
fn a_difference_that_rounding_hides_is_shown_and_what_is_equal_is_not() {
    let of = |pages: u64| {
        runs(u32::try_from(pages).unwrap(), 1, |_, service| {
            (service.reference_pages, service.gc_pages) = (pages, 0);
        })
    };
    // 4 workers of 4 KiB pages: 25.2 MiB each way, by 16 KiB.
    let comparison = between(&of(1_612), &of(1_613));
    assert_eq!(
        comparison.summary(),
        "NEW copies 0.1 % more: 25.20 MiB instead of 25.19 MiB, \
         6.301 MiB instead of 6.297 MiB a worker."
    );
    let same = between(
        &of(1_612),
        &runs(9, 1, |_, it| (it.reference_pages, it.gc_pages) = (1_612, 0)),
    );
    assert_eq!(same.summary(), "NEW copies as much as BASE: 25.2 MiB.");
    // The same per worker, with twice the workers.
    let twice = runs(9, 1, |_, service| {
        (service.reference_pages, service.gc_pages, service.workers) = (1_612, 0, 8);
    });
    let summary = between(&of(1_612), &twice).summary();
    assert!(!summary.contains("a worker"), "{summary}");
}

#[test]
fn sides_that_vary_alike_are_no_difference_between_them() {
    let lasting = |first: u32, seconds: [u64; 2]| {
        runs(first, 2, move |index, service| {
            service.duration_s = seconds[index as usize];
        })
    };
    let texts = |base: [u64; 2], new: [u64; 2]| {
        let comparison = between(&lasting(0, base), &lasting(5, new));
        let texts = comparison.warnings.iter().map(|it| it.text.clone());
        texts.collect::<Vec<String>>()
    };
    assert!(texts([60, 90], [90, 60]).is_empty());
    assert_eq!(
        texts([60, 90], [60, 91]),
        ["duration: 60.0 s to 90.0 s in BASE, 60.0 s to 91.0 s in NEW"]
    );
    // Differences this large must be reported, whichever side they are on.
    assert_eq!(
        texts([10, 90], [10, 90]),
        ["duration: 10.0 s to 90.0 s on both sides"]
    );
    let by = |first: u32, backends: [&'static str; 2]| {
        runs(first, 2, move |index, service| {
            service.backend = backends[index as usize];
        })
    };
    let comparison = between(
        &by(0, ["kprobe", "tracepoint"]),
        &by(5, ["tracepoint", "kprobe"]),
    );
    assert_eq!(
        comparison.warnings[0].text,
        "backend: kprobe, tracepoint on both sides"
    );
}

#[test]
fn twice_the_workers_copy_as_much_each() {
    let new = runs(5, 1, |_, service| service.workers = 8);
    let comparison = between(&plain(0, 1), &new);
    assert_eq!(comparison.totals.total.relative(), Some(1.0));
    let per_worker = comparison.totals.per_worker.as_ref().unwrap();
    assert_eq!(per_worker.relative(), Some(0.0));
    assert_eq!(about(&comparison), ["workers"]);
    assert!(
        comparison.warnings[0]
            .text
            .contains("4 in BASE, 8 in NEW; look at")
    );
}

#[test]
fn twice_the_work_costs_as_much_a_unit() {
    let labelled = |first: u32, requests, pages| {
        runs(first, 1, move |_, service| {
            service.requests = Some(requests);
            service.reference_pages = pages;
            service.gc_pages = pages;
        })
    };
    let comparison =
        per_request(&labelled(0, "10000", 5_000), &labelled(1, "2e4", 10_000)).unwrap();
    assert_eq!(comparison.totals.main().relative(), Some(0.0));
    assert_eq!(comparison.totals.total.relative(), Some(1.0));
    let per_request = 8.0 * 5_000.0 * 4096.0 / 10_000.0;
    assert!((comparison.totals.main().new.median - per_request).abs() < 1e-9);
}

#[test]
fn a_label_that_is_missing_or_no_number_is_one_clear_error() {
    let labelled = |id: u32, requests| runs(id, 1, move |_, it| it.requests = requests);
    let error = |base, new| {
        let comparison = per_request(&labelled(0, base), &labelled(1, new));
        comparison
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(
        error(Some("1"), None),
        "1.cow has no label requests; give it one with `cowtrace label 1.cow requests=NUMBER`"
    );
    for bad in ["many", "", "0", "-5", "nan", "inf", "1,000"] {
        let told = format!("0.cow has the label requests={bad}, which is no number above 0");
        assert_eq!(error(Some(bad), Some("1")), told);
    }
}

#[test]
fn a_run_given_twice_is_refused() {
    let error = with(&plain(0, 2), &plain(1, 1), Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1.cow and 1.cow are the same run; give each run once"
    );
    assert_eq!(
        with(&plain(0, 21), &plain(30, 1), Options::default()).unwrap_err(),
        Error::Number(21)
    );
}

#[test]
fn unlike_runs_are_compared_with_a_warning_that_names_the_difference() {
    assert!(between(&plain(0, 3), &plain(5, 3)).warnings.is_empty());
    let warned = |change: fn(&mut Service)| {
        let new = runs(5, 1, |_, service| change(service));
        let comparison = between(&plain(0, 1), &new);
        let texts: Vec<String> = comparison
            .warnings
            .iter()
            .map(|warning| warning.text.clone())
            .collect();
        texts.join("\n")
    };
    assert_eq!(
        warned(|it| it.backend = "tracepoint"),
        "backend: trampoline in BASE, tracepoint in NEW"
    );
    assert_eq!(
        warned(|it| it.range_bytes = 4_096),
        "range size: 64 KiB in BASE, 4 KiB in NEW"
    );
    assert_eq!(
        warned(|it| it.duration_s = 90),
        "duration: 60.0 s in BASE, 90.0 s in NEW"
    );
    assert_eq!(warned(|it| it.duration_s = 63), "", "5 % are no difference");
    assert!(warned(|it| it.skipped = 3).contains("5.cow (NEW) may be too low: 3 hook runs"));
    assert!(warned(|it| it.has_writers = false).contains("0 % in NEW; writers are not"));
}

#[test]
fn writers_that_one_side_does_not_know_are_not_compared() {
    let new = runs(5, 1, |_, service| service.has_writers = false);
    let comparison = between(&plain(0, 1), &new);
    assert!(comparison.kinds.is_empty() && comparison.lines.is_empty());
    assert!(!comparison.mappings.is_empty());
}

/// A run of a service deployed in a folder with this name.
fn deployed(id: u32, release: &str, more: &[&str]) -> Measured {
    let mut run = Service::new(id).run();
    for frame in &mut run.who_wrote.python_frames {
        frame.file = format!("/srv/shop/releases/{release}/app.py");
    }
    let template = run.memory.regions[0].clone();
    for (number, name) in (10..).zip([release].iter().chain(more)) {
        let mut region = template.clone();
        region.id = number;
        region.mapping.name = format!("/srv/shop/releases/{name}/fast.so");
        region.mapping.kind = crate::run::Kind::File;
        region.copied_pages = 1_000;
        run.memory.regions.push(region);
    }
    Measured::of(&run, format!("{id}.cow"))
}

fn names(rows: &[ChangeRow]) -> Vec<String> {
    rows.iter()
        .map(|row| words::subject_in_words(&row.subject))
        .collect()
}

#[test]
fn what_was_deployed_into_another_folder_is_the_same() {
    let side = |first: u32, release: &str| {
        vec![
            deployed(first, release, &[]),
            deployed(first + 1, release, &[]),
        ]
    };
    let comparison =
        compare_runs(side(0, "20240101"), side(5, "20240201"), Options::default()).unwrap();
    assert_eq!(
        names(&comparison.lines),
        [
            "20240101→20240201/app.py:24 in Handler.get",
            "20240101→20240201/app.py:44 in serve"
        ]
    );
    for row in comparison.lines.iter().chain(&comparison.mappings) {
        assert_eq!(row.changes.total.relative(), Some(0.0), "{row:?}");
    }
    let mappings = names(&comparison.mappings);
    let library = "/srv/shop/releases/20240101→20240201/fast.so";
    assert!(mappings.iter().any(|name| name == library), "{mappings:?}");
}

#[test]
fn what_is_there_in_both_folders_on_one_side_is_not_the_same() {
    let comparison = compare_runs(
        vec![deployed(0, "1", &["2"])],
        vec![deployed(5, "3", &[])],
        Options::default(),
    )
    .unwrap();
    let mappings = names(&comparison.mappings);
    for name in [
        "/srv/shop/releases/1/fast.so, only in BASE",
        "/srv/shop/releases/2/fast.so, only in BASE",
        "/srv/shop/releases/3/fast.so, only in NEW",
    ] {
        assert!(mappings.iter().any(|it| it == name), "{mappings:?}");
    }
}

#[test]
fn other_memory_as_a_kind_and_as_what_was_written_are_told_apart() {
    let other = |id: u32, pages: u64| {
        let mut run = Service::new(id).run();
        for writer in &mut run.who_wrote.writers {
            (writer.kind, writer.type_name) = (crate::run::WriteKind::Other, None);
            writer.copied_pages = pages;
        }
        Measured::of(&run, format!("{id}.cow"))
    };
    let comparison =
        compare_runs(vec![other(0, 100)], vec![other(1, 900)], Options::default()).unwrap();
    assert_eq!(names(&comparison.kinds), ["all other memory"]);
    assert_eq!(names(&comparison.written), ["other memory of unknown use"]);
}
