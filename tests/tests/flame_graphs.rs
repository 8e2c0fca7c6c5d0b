//! Folded stacks in another project's flame graph tool: inferno draws every call, with its sum.

use std::collections::BTreeMap;

use cowtrace::{report, run::Run};
use inferno::flamegraph::{self, Options};

const RUNS: [(&str, &str); 4] = [
    ("service", include_str!("runs/service.json")),
    ("saving", include_str!("runs/saving.json")),
    ("collecting", include_str!("runs/collecting.json")),
    ("stacks", include_str!("runs/stacks.json")),
];

/// How often a graph has a call with this name and this many pages.
type Calls = BTreeMap<(String, u64), usize>;

/// The calls that a graph must have: each prefix of a stack, with the pages of all stacks that
/// begin with it.
fn calls_of(folded: &str) -> Calls {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut all = 0;
    for line in folded.lines() {
        let (stack, pages) = line.rsplit_once(' ').expect("a stack and its pages");
        let pages: u64 = pages.parse().expect("a number");
        all += pages;
        let ends = stack.match_indices(';').map(|(at, _)| at);
        for end in ends.chain([stack.len()]) {
            *sums.entry(&stack[..end]).or_default() += pages;
        }
    }
    let mut calls = Calls::from([(("all".to_owned(), all), 1)]);
    for (stack, pages) in sums {
        let name = stack.rsplit(';').next().expect("a call");
        *calls.entry((name.to_owned(), pages)).or_default() += 1;
    }
    calls
}

/// The calls in a graph: `<title>name (1,234 pages, 5.67%)</title>`.
fn calls_in(svg: &str) -> Calls {
    let mut calls = Calls::new();
    let titles = svg.split("<title>").skip(1);
    for title in titles.filter_map(|text| text.split_once("</title>")) {
        let told = title.0.rsplit_once(" (").expect("a name and its pages");
        let (pages, _) = told.1.split_once(" pages").expect("pages");
        let pages = pages.replace(',', "").parse().expect("a number");
        *calls.entry((plain(told.0), pages)).or_default() += 1;
    }
    calls
}

/// Unescapes text from XML.
fn plain(text: &str) -> String {
    let signs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    signs.iter().fold(text.to_owned(), |text, (escaped, sign)| {
        text.replace(escaped, sign)
    })
}

#[test]
fn a_flame_graph_has_every_call_with_its_pages() {
    for (name, stored) in RUNS {
        let run: Run = serde_json::from_str(stored).expect("a stored run");
        let mut folded = Vec::new();
        report::run_as_folded_stacks(&run, &mut folded).expect("memory can be written");
        let mut options = Options::default();
        options.count_name = "pages".into();
        // Includes calls that are too narrow to be seen.
        options.min_width = 0.0;
        let mut svg = Vec::new();
        flamegraph::from_reader(&mut options, folded.as_slice(), &mut svg).expect("a graph");
        let svg = String::from_utf8(svg).expect("text");
        let folded = String::from_utf8(folded).expect("text");
        let expected = calls_of(&folded);
        assert!(
            expected.contains_key(&("all".into(), run.copied().total())),
            "{name}"
        );
        assert_eq!(calls_in(&svg), expected, "{name}: {folded}");
    }
}
