//! No line of a report is wider than the terminal: all stored runs, short and whole, at usual and narrow widths.

use cowtrace::{
    report::{self, Extent},
    run::Run,
    terminal::Style,
};
use unicode_width::UnicodeWidthStr as _;

use super::golden_reports::{COLLECTING, QUIET, SAVING, SERVICE, STACKS, growing, grown, run};

/// The narrowest, which every narrower terminal gets; phones and splits; the usual one; and a wide one.
const WIDTHS: [usize; 4] = [40, 60, 80, 120];

/// Each stored run as it is and with a verdict, and what grows.
fn all_runs() -> Vec<(String, Run)> {
    let stored = [
        ("service", SERVICE),
        ("saving", SAVING),
        ("collecting", COLLECTING),
        ("stacks", STACKS),
        ("quiet", QUIET),
    ];
    let mut all = Vec::new();
    for (name, text) in stored {
        all.push((name.to_owned(), run(text)));
        for (how, new) in [("grows", 1), ("grows by much", 1000), ("does not grow", 0)] {
            all.push((
                format!("{name}, {how}"),
                growing(text, 60, |second| second * new),
            ));
        }
        let stops = |second: u64| second.min(20) * 5;
        all.push((format!("{name}, stops"), growing(text, 60, stops)));
    }
    for (cycles, cache) in [(90, 0), (25, 60), (0, 0)] {
        all.push((
            format!("{cycles} % cycles, {cache} % cache"),
            grown(cycles, cache),
        ));
    }
    all
}

#[track_caller]
fn fits(name: &str, width: usize, out: Vec<u8>) {
    let text = String::from_utf8(out).expect("text");
    let wide: Vec<&str> = text.lines().filter(|line| line.width() > width).collect();
    assert!(wide.is_empty(), "{name}: over {width} columns: {wide:#?}");
}

#[test]
fn no_line_of_a_report_is_wider_than_the_terminal() {
    for (name, run) in all_runs() {
        for width in WIDTHS {
            let style = Style {
                width,
                color: false,
            };
            for extent in [
                Extent::Full,
                Extent::Short(None),
                Extent::Short(Some("cowtrace report")),
            ] {
                let mut out = Vec::new();
                report::run_as_text(&run, extent, style, &mut out).expect("memory");
                fits(&format!("{name}, {extent:?}"), width, out);
            }
            let mut out = Vec::new();
            report::grown_as_text("run.cow", &run, style, &mut out).expect("memory");
            fits(&format!("what grows in {name}"), width, out);
        }
    }
}
