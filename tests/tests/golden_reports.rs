//! Every renderer on stored runs: the exact output for people and scripts.
//!
//! The stored run is JSON of the model itself; `cargo insta review` accepts changed reports.

use std::{path::Path, process::Command};

use cowtrace::{
    report::{self, Extent},
    run::{Grower, GrownHeap, GrownType, GrownVariable, HeldBefore, Kind, Process, Run, Sample},
    terminal::Style,
};
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

/// A Tornado-like service: a master, three workers of which one has exited, and a hostile mapping
/// name.
pub(crate) const SERVICE: &str = include_str!("runs/service.json");
/// Redis whose master copies while its child saves.
pub(crate) const SAVING: &str = include_str!("runs/saving.json");
/// A Ruby service whose workers run the garbage collector, with a library without symbols.
pub(crate) const COLLECTING: &str = include_str!("runs/collecting.json");
/// A native service with an interpreter inside, whose master copies while a child saves, with
/// native stacks: complete ones, cut ones, some with holes, hostile names.
pub(crate) const STACKS: &str = include_str!("runs/stacks.json");
/// A run in which nothing was copied.
pub(crate) const QUIET: &str = include_str!("runs/quiet.json");

pub(crate) fn run(stored: &str) -> Run {
    serde_json::from_str(stored).expect("a stored run")
}

/// All of the text.
pub(crate) fn text(run: &Run, width: usize, color: bool) -> String {
    text_of(run, Extent::Full, width, color)
}

/// What is printed without options.
pub(crate) fn short_text(run: &Run, width: usize) -> String {
    let text = text_of(run, Extent::Short(Some("cowtrace report")), width, false);
    for line in text.lines() {
        assert!(line.width() <= width, "over {width} columns: {line}");
    }
    assert!(!text.contains('\x1b'), "no control characters");
    if width >= 80 {
        let whole = text.split("\nLOST").next().unwrap_or_default();
        let lines = whole.lines().count();
        assert!(lines <= 50, "{lines} lines besides what was lost: {text}");
        let (card, _) = text.split_once(" -f html > run.html").expect("the card");
        assert!(card.lines().count() <= 12, "{card}");
    }
    text
}

fn text_of(run: &Run, extent: Extent<'_>, width: usize, color: bool) -> String {
    let mut out = Vec::new();
    report::run_as_text(run, extent, Style { width, color }, &mut out)
        .expect("memory can be written");
    String::from_utf8(out).expect("text")
}

/// A run that has a verdict: new memory in its processes at each second, MiB.
pub(crate) fn growing(stored: &str, seconds: u64, new: impl Fn(u64) -> u64) -> Run {
    let mut run = run(stored);
    let (bytes, all) = (run.head.host.page_bytes, run.memory.processes.clone());
    let living = || all.iter().filter(|process| process.exited_ns.is_none());
    let before = (100 << 20) / bytes;
    let held_before = |process: &Process| HeldBefore {
        process_id: process.id,
        pages: before,
    };
    run.growth.held_before = living().map(held_before).collect();
    let sample = |second: u64| Sample {
        at_ns: second * 1_000_000_000,
        copied_pages: run.copied().total() * second / seconds,
        by_process: living()
            .map(|process| (process.id, process.copied.total() * second / seconds))
            .collect(),
        touched_pages: new(second) * (1 << 20) / bytes * living().count() as u64,
        held_by_process: living()
            .map(|process| (process.id, before + new(second) * (1 << 20) / bytes))
            .collect(),
        ..Sample::default()
    };
    run.memory.timeline.samples = (0..=seconds).map(sample).collect();
    run.growth.growers = living().flat_map(growers).collect();
    run.head.duration_ns = seconds * 1_000_000_000;
    run
}

/// Who touched new memory of a process: two Python lines, and the kernel.
fn growers(process: &Process) -> [Grower; 3] {
    let grower = |function: &str, sampled_touches, python_stack, system_call| Grower {
        process_id: process.id,
        kind: Some(Kind::Heap),
        function: Some(function.into()),
        module: Some("libc.so.6".into()),
        system_call,
        python_stack,
        native_stack: None,
        sampled_touches,
        pages: sampled_touches * Grower::PAGES_PER_SAMPLE,
    };
    [
        grower("_int_malloc", 120, Some(0), None),
        grower("_int_malloc", 72, Some(1), None),
        grower("read", 8, None, Some(0)),
    ]
}

#[test]
fn a_full_report_says_what_grew_the_heap() {
    let text = text(&growing(SERVICE, 60, |second| second), 80, false);
    let (_, section) = text.split_once("WHAT GREW THE HEAP").expect("the section");
    let (section, _) = section.split_once("that they leave.").expect("its end");
    insta::assert_snapshot!(format!("WHAT GREW THE HEAP{section}that they leave."));
}

#[test]
fn a_short_report_of_an_old_recording_begins_with_what_was_copied() {
    insta::assert_snapshot!(short_text(&run(SERVICE), 80));
}

#[test]
fn a_short_report_of_copies_begins_with_the_verdict() {
    insta::assert_snapshot!(short_text(&growing(SERVICE, 60, |_| 0), 80));
}

#[test]
fn a_short_report_of_new_memory_has_copies_as_an_aside() {
    insta::assert_snapshot!(short_text(&growing(SERVICE, 60, |second| second), 80));
}

/// A growing run whose living workers have cycles and a cache on their new memory, in percent of it.
pub(crate) fn grown(cycles: u64, cache: u64) -> Run {
    let mut run = growing(SERVICE, 60, |second| second);
    let pages = (60 << 20) / run.head.host.page_bytes;
    let part = |percent: u64| (60 << 20) * percent / 100;
    let living = run.memory.processes.iter();
    let living = living.filter(|it| it.exited_ns.is_none() && it.parent_id.is_some());
    for process_id in living.map(|process| process.id) {
        let grown = &mut run.growth.grown;
        grown.heaps.push(GrownHeap {
            process_id,
            new_pages: pages,
            read_pages: pages,
            objects: 900 * (cycles + cache),
            bytes: part(cycles + cache),
            unheld_objects: 900 * cycles,
            unheld_bytes: part(cycles),
            cyclic_objects: Some(900 * cycles),
            held_bytes: part(cache),
            collects: Some(cycles == 0),
            ..GrownHeap::default()
        });
        for (name, is_container) in [("bytes", false), ("app.Node\u{1b}[2J", true)] {
            grown.types.push(GrownType {
                process_id,
                name: name.into(),
                is_container,
                objects: 450 * (cycles + cache),
                bytes: part(cycles + cache) / 2,
                unheld_objects: 450 * cycles,
                unheld_bytes: part(cycles) / 2,
            });
        }
        grown.variables.push(GrownVariable {
            process_id,
            path: "Handler.post() local cache".into(),
            type_name: Some("dict".into()),
            entries: Some(19_717),
            objects: 900 * cache,
            bytes: part(cache),
        });
    }
    run
}

#[test]
fn a_short_report_of_cycles_says_what_they_are_made_of() {
    insta::assert_snapshot!(short_text(&grown(90, 0), 80));
}

#[test]
fn a_short_report_of_a_cache_and_cycles_names_both() {
    insta::assert_snapshot!(short_text(&grown(25, 60), 60));
}

#[test]
fn a_short_report_of_native_memory_says_so() {
    let mut run = grown(0, 0);
    run.growth.grown.types.clear();
    run.growth.grown.variables.clear();
    insta::assert_snapshot!(short_text(&run, 80));
    let whole = text(&run, 80, false);
    assert!(whole.contains("No Python objects live on it."), "{whole}");
}

#[test]
fn what_grows_is_in_the_whole_text_and_on_the_page() {
    let run = grown(25, 60);
    let text = text(&run, 80, false);
    let (_, section) = text.split_once("\nWHAT GROWS").expect("the section");
    let (section, _) = section.split_once("\nWHO WROTE").expect("the next one");
    insta::assert_snapshot!(section);
    let page = &page_data(&run)["grown"];
    let rows = |table: usize| page[table]["rows"].as_array().expect("rows").len();
    assert_eq!((rows(0), rows(1)), (2, 1), "{page}");
}

#[test]
fn a_short_report_at_60_columns() {
    insta::assert_snapshot!(short_text(&growing(SERVICE, 60, |_| 0), 60));
}

#[test]
fn a_short_report_at_40_columns() {
    insta::assert_snapshot!(short_text(&growing(SERVICE, 60, |_| 0), 40));
}

#[test]
fn a_short_report_of_a_native_service() {
    insta::assert_snapshot!(short_text(&run(SAVING), 80));
}

#[test]
fn a_short_report_of_ruby() {
    insta::assert_snapshot!(short_text(&run(COLLECTING), 80));
}

#[test]
fn a_short_report_without_copies() {
    insta::assert_snapshot!(short_text(&run(QUIET), 80));
}

#[test]
fn text_at_80_columns() {
    let text = text(&run(SERVICE), 80, false);
    for line in text.lines() {
        assert!(
            line.chars().count() <= 80,
            "{} columns: {line}",
            line.chars().count()
        );
    }
    assert!(!text.contains('\x1b'), "no control characters");
    insta::assert_snapshot!(text);
}

#[test]
fn text_at_40_columns_leaves_figures_out() {
    insta::assert_snapshot!(text(&run(SERVICE), 40, false));
}

#[test]
fn text_at_120_columns_shows_more_of_the_names() {
    insta::assert_snapshot!(text(&run(SERVICE), 120, false));
}

#[test]
fn a_native_service_is_told_by_functions() {
    insta::assert_snapshot!(text(&run(SAVING), 80, false));
}

#[test]
fn a_stripped_library_is_told_by_where_its_functions_begin() {
    insta::assert_snapshot!(text(&run(COLLECTING), 80, false));
}

#[test]
fn colour_changes_nothing_but_weight() {
    let run = run(SERVICE);
    let plain = text(&run, 80, true)
        .replace("\x1b[1m", "")
        .replace("\x1b[0m", "");
    assert_eq!(plain, text(&run, 80, false));
}

#[test]
fn a_run_without_copies_says_so_in_a_sentence() {
    insta::assert_snapshot!(text(&run(QUIET), 80, false));
}

#[test]
fn json_by_the_contract() {
    let mut out = Vec::new();
    report::run_as_json(&run(SERVICE), report::Histogram::Whole, &mut out)
        .expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    let report = cowtrace_tests::report::Report::parse(&text);
    assert_eq!(report.images(4242).len(), 1);
    insta::assert_snapshot!(text);
}

#[test]
fn native_stacks_at_80_columns() {
    let text = text(&run(STACKS), 80, false);
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    assert!(!text.contains('\x1b'), "no control characters");
    insta::assert_snapshot!(text);
}

#[test]
fn native_stacks_by_the_contract() {
    let mut out = Vec::new();
    report::run_as_json(&run(STACKS), report::Histogram::Whole, &mut out)
        .expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    let report = cowtrace_tests::report::Report::parse(&text);
    let writers = serde_json::to_string_pretty(&report.0["writers"]).expect("json");
    insta::assert_snapshot!(writers);
}

#[test]
fn native_stacks_for_flame_graph_tools() {
    let mut out = Vec::new();
    report::run_as_folded_stacks(&run(STACKS), &mut out).expect("memory can be written");
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
}

#[test]
fn csv_for_spreadsheets() {
    let mut out = Vec::new();
    report::run_as_csv(&run(SERVICE), &mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    assert!(
        text.lines().all(|line| !line.starts_with('=')),
        "no formula"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn folded_for_flame_graph_tools() {
    let run = run(SERVICE);
    let mut out = Vec::new();
    report::run_as_folded_stacks(&run, &mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    let mut sum = 0;
    for line in text.lines() {
        let (stack, pages) = line.rsplit_once(' ').expect("a stack and its pages");
        sum += pages.parse::<u64>().expect("a number");
        assert!(stack.split(';').all(|call| !call.is_empty()), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert_eq!(sum, run.copied().total(), "no copy is left out");
    insta::assert_snapshot!(text);
}

#[test]
fn copies_of_unknown_writers_are_a_stack_too() {
    let mut run = run(SERVICE);
    run.who_wrote.writers.truncate(1);
    let mut out = Vec::new();
    report::run_as_folded_stacks(&run, &mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    let rest = run.copied().total() - run.who_wrote.writers[0].copied_pages;
    assert!(
        text.starts_with(&format!("(unknown writer) {rest}\n")),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2, "{text}");
}

/// Decodes with protoc, using the test's own schema.
#[test]
fn pprof_as_another_program_reads_it() {
    let run = run(SERVICE);
    let mut out = Vec::new();
    report::run_as_pprof(&run, &mut out).expect("memory can be written");
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join("profile.pb.gz");
    std::fs::write(&profile, out).expect("the target folder can be written");
    let decoded = Command::new("sh")
        .args([
            "-c",
            "gzip -dc \"$0\" | protoc --decode=Profile --proto_path=tests profile.proto",
        ])
        .arg(&profile)
        .output()
        .expect("sh runs");
    let errors = String::from_utf8_lossy(&decoded.stderr);
    assert!(
        decoded.status.success(),
        "protoc is there; `cargo xtask test` installs it: {errors}"
    );
    let text = String::from_utf8(decoded.stdout).expect("text");
    let unknown = |line: &str| {
        line.trim_start()
            .starts_with(|letter: char| letter.is_ascii_digit())
    };
    assert!(
        !text.lines().any(unknown),
        "a field that is not in the format"
    );
    let values = |text: &str| -> Vec<u64> {
        let samples = text.split("sample {").skip(1);
        let of_sample = |sample: &str| {
            let values = sample
                .lines()
                .filter_map(|line| line.strip_prefix("  value: "));
            values
                .map(|value| value.parse().expect("a number"))
                .collect::<Vec<u64>>()
        };
        let all: Vec<Vec<u64>> = samples.map(of_sample).collect();
        (0..2)
            .map(|index| all.iter().map(|values| values[index]).sum())
            .collect()
    };
    let total = run.copied().total();
    assert_eq!(values(&text), [total, run.bytes(total)]);
    insta::assert_snapshot!(text);
}

/// The content of a page, as data.
pub(crate) fn page_data(run: &Run) -> Value {
    let mut out = Vec::new();
    report::run_as_html(run, &mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    let data = text.split_once("id=\"data\">").expect("data").1;
    let data = data.split_once("</script>").expect("an end").0;
    serde_json::from_str(data).expect("JSON")
}

/// The content of the page; `html_report.rs` tests that it is shown.
#[test]
fn html_with_its_data() {
    let data = page_data(&run(SERVICE));
    let pretty = serde_json::to_string_pretty(&data).expect("JSON");
    // Puts the numbers of an array on one line.
    let mut compact = String::new();
    for line in pretty.lines() {
        let word = line.trim_start();
        if word.starts_with(|letter: char| letter.is_ascii_digit()) {
            compact.push_str(word);
            compact.push(' ');
        } else {
            compact.push('\n');
            compact.push_str(line);
        }
    }
    insta::assert_snapshot!(compact);
}

#[test]
fn a_stored_run_reads_back_as_it_was() {
    let run = run(SERVICE);
    let again: Run =
        serde_json::from_str(&serde_json::to_string(&run).expect("json")).expect("a run");
    assert_eq!(run, again);
}
