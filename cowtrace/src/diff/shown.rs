//! The exact output of comparisons, for people and for scripts.

use super::{
    compare::compare_runs,
    comparison::{Comparison, Options},
    html::comparison_as_html,
    json::comparison_as_json,
    measure::Measured,
    synthetic::{Service, between, frozen, per_request, plain, runs},
    text::comparison_as_text,
};
use crate::terminal::Style;
use unicode_width::UnicodeWidthStr as _;

fn rendered(comparison: &Comparison, width: usize) -> String {
    let mut out = Vec::new();
    let style = Style {
        width,
        color: false,
    };
    comparison_as_text(comparison, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn an_ordinary_comparison_is_told_in_ten_lines() {
    let told = rendered(&between(&plain(0, 1), &frozen(9, 1)), 80);
    let answer = told.split("\nIN DETAIL").next().unwrap_or_default();
    assert!(answer.lines().count() <= 10, "{told}");
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let comparisons = [
        between(&plain(0, 1), &frozen(9, 1)),
        between(&plain(0, 5), &frozen(9, 5)),
        between(&plain(0, 1), &plain(9, 1)),
        between(&plain(0, 1), &plain(9, 1)),
    ];
    for comparison in &comparisons {
        for width in 40..=120 {
            for line in rendered(comparison, width).lines() {
                assert!(line.width() <= width, "{width} columns: {line}");
            }
        }
    }
}

#[test]
fn one_run_a_side_as_text() {
    insta::assert_snapshot!(rendered(&between(&plain(0, 1), &frozen(9, 1)), 80));
}

#[test]
fn several_runs_a_side_as_text() {
    insta::assert_snapshot!(rendered(&between(&plain(0, 5), &frozen(9, 5)), 80));
}

#[test]
fn few_runs_a_side_as_text() {
    insta::assert_snapshot!(rendered(&between(&plain(0, 3), &frozen(9, 3)), 80));
}

#[test]
fn no_difference_as_text() {
    let new = runs(9, 5, |index, it| {
        it.reference_pages = 20_030 - u64::from(index) * 12;
    });
    insta::assert_snapshot!(rendered(&between(&plain(0, 5), &new), 80));
    insta::assert_snapshot!(rendered(&between(&plain(0, 1), &plain(9, 1)), 80));
}

#[test]
fn unlike_runs_by_unit_of_work_as_text() {
    let base = runs(0, 1, |_, service| service.requests = Some("20000"));
    let new = runs(9, 1, |_, service| {
        service.requests = Some("50000");
        service.duration_s = 150;
        service.workers = 6;
        service.backend = "tracepoint";
        service.reference_pages = 30_000;
        service.line = 31;
        service.skipped = 2;
    });
    let comparison = per_request(&base, &new).unwrap();
    insta::assert_snapshot!(rendered(&comparison, 80));
    let wide = rendered(&comparison, 120);
    assert!(wide.contains("views.py:24→31 in Handler.get"), "{wide}");
}

#[test]
fn nothing_copied_as_text() {
    let nothing = |first| runs(first, 1, |_, it| (it.reference_pages, it.gc_pages) = (0, 0));
    insta::assert_snapshot!(rendered(&between(&nothing(0), &nothing(9)), 80));
    insta::assert_snapshot!(rendered(&between(&nothing(0), &plain(9, 1)), 80));
}

#[test]
fn json_by_the_contract() {
    let mut out = Vec::new();
    comparison_as_json(&between(&plain(0, 5), &frozen(9, 5)), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["schema"], "cowtrace.diff/1");
    insta::assert_snapshot!(text);
}

#[test]
fn html_as_one_page() {
    let mut out = Vec::new();
    comparison_as_html(&between(&plain(0, 5), &frozen(9, 5)), &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    for outside in ["http:", "https:", "<script", "src=", "href="] {
        assert!(!page.contains(outside), "{outside}");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn figures_that_begin_like_markup_stay_text() {
    let many = |first| runs(first, 1, |_, it| it.requests = Some("1e15"));
    let comparison = per_request(&many(0), &many(9)).unwrap();
    let mut page = Vec::new();
    comparison_as_html(&comparison, &mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("&lt;0.01 B") && !page.contains("<0.01"));
}

#[test]
fn hostile_names_stay_text() {
    let evil = "<script>alert(1)</script>\u{1b}[2J\u{202e}\"'&";
    let hostile = |id: u32, number: u64| {
        let mut service = Service::new(id);
        service.gc_pages = number;
        let mut run = service.run();
        for region in &mut run.memory.regions {
            region.mapping.name = evil.into();
        }
        for writer in &mut run.who_wrote.writers {
            writer.type_name = Some(evil.into());
            writer.function = Some(evil.into());
        }
        for frame in &mut run.who_wrote.python_frames {
            (frame.function, frame.file) = (evil.into(), evil.into());
        }
        run.head.backend = format!("{evil}{id}");
        run.head.host.kernel = format!("{evil}{id}");
        Measured::of(&run, evil.into())
    };
    let sides = (vec![hostile(0, 10)], vec![hostile(1, 9_000)]);
    let comparison = compare_runs(sides.0, sides.1, Options::default()).unwrap();
    let mut page = Vec::new();
    comparison_as_html(&comparison, &mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    assert!(!page.contains(['\u{1b}', '\u{202e}']), "printable");
    let text = rendered(&comparison, 80);
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}
