//! The page in a real browser: it opens without an error, shows the figures of the JSON report,
//! sorts, zooms, and shows hostile names as text.

use std::path::{Path, PathBuf};

use cowtrace::{report, run::Run, words};
use cowtrace_tests::browser::Browser;
use serde_json::{Value, json};

pub(super) const SERVICE: &str = include_str!("runs/service.json");
const QUIET: &str = include_str!("runs/quiet.json");

/// Largest page of an ordinary run.
const MOST_BYTES: usize = 1_000_000;

pub(super) fn run(stored: &str) -> Run {
    serde_json::from_str(stored).expect("a stored run")
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn page(run: &Run) -> Vec<u8> {
    let mut page = Vec::new();
    report::run_as_html(run, &mut page).expect("memory can be written");
    page
}

fn json_report(run: &Run) -> Value {
    let mut json = Vec::new();
    report::run_as_json(run, report::Histogram::Whole, &mut json).expect("memory can be written");
    serde_json::from_slice(&json).expect("JSON")
}

/// Opens a run's page, which stays in the target folder for inspection.
pub(super) fn opened(run: &Run, name: &str) -> (Browser, PathBuf) {
    let file = folder().join(format!("{name}.html"));
    std::fs::write(&file, page(run)).expect("the target folder can be written");
    let mut browser = Browser::start(folder(), name);
    browser.show(1280, "light", "screen");
    browser.open(&file);
    (browser, file)
}

/// A table's cells, as the page's data has them.
fn table(browser: &mut Browser, name: &str) -> Vec<Vec<Value>> {
    let data = data(browser);
    serde_json::from_value(data[name]["rows"].clone()).expect("rows")
}

pub(super) fn data(browser: &mut Browser) -> Value {
    browser.evaluate("JSON.parse(document.getElementById('data').textContent)")
}

/// The cells of a column, as shown.
fn column(browser: &mut Browser, section: &str, column: usize) -> Vec<String> {
    let cells = browser.evaluate(&format!(
        "[...document.querySelectorAll('#{section} tbody tr')].map(row => row.cells[{column}].innerText.trim())"
    ));
    serde_json::from_value(cells).expect("texts")
}

fn sum(numbers: &Value, key: &str) -> u64 {
    let rows = numbers.as_array().expect("an array");
    rows.iter().filter_map(|row| row[key].as_u64()).sum()
}

/// Labels of charts that reach beyond the chart's edge, by more than rounding.
const CUT_LABELS: &str = "[...document.querySelectorAll('.chart text')].filter(label => {
    const [inner, outer] = [label, label.closest('svg')].map(it => it.getBoundingClientRect());
    return inner.left < outer.left - 1 || inner.right > outer.right + 1;
}).map(label => label.textContent)";

#[test]
fn the_page_opens_without_a_complaint_and_asks_no_network() {
    for (stored, name) in [(SERVICE, "opens"), (QUIET, "quiet")] {
        let (mut browser, file) = opened(&run(stored), name);
        for (width, scheme, medium) in [
            (1280, "dark", "screen"),
            (400, "light", "screen"),
            (800, "dark", "print"),
        ] {
            browser.show(width, scheme, medium);
            let too_wide = "document.documentElement.scrollWidth - innerWidth";
            let beyond = browser.evaluate(too_wide).as_i64().expect("pixels");
            assert!(beyond <= 0, "{beyond} pixels too wide at {width}");
            let cut = browser.evaluate(CUT_LABELS);
            assert_eq!(cut, serde_json::json!([]), "at {width}");
        }
        assert!(browser.print().len() > 10_000, "a document");
        assert!(browser.screenshot().len() > 10_000, "a picture");
        assert_eq!(browser.complaints(), [""; 0]);
        assert_eq!(browser.fetched(), [format!("file://{}", file.display())]);
        let bytes = std::fs::metadata(&file).expect("the page").len();
        assert!(bytes < MOST_BYTES as u64, "{bytes} bytes");
    }
}

#[test]
fn the_page_shows_the_figures_of_the_json_report() {
    let run = run(SERVICE);
    let json = json_report(&run);
    let (mut browser, _) = opened(&run, "figures");
    let total = json["totals"]["copied_pages"].as_u64().expect("pages");
    let answer = browser.text("#answer .first");
    assert!(
        answer.contains("\u{a0}MiB copied"),
        "no line ends between: {answer}"
    );
    assert_eq!(
        Some(answer.replace('\u{a0}', " ").trim_end_matches('.')),
        json["verdict"]["summary"].as_str()
    );
    let shown = browser.text("#totals");
    let bytes = json["totals"]["copied_bytes"].as_u64().expect("bytes");
    assert!(shown.contains(&words::size(bytes)), "{shown}");
    let ceiling = json["verdict"]["ceiling_bytes"].as_u64().expect("bytes");
    assert!(shown.contains(&words::size(ceiling)), "{shown}");

    let mut processes: Vec<(u64, u64)> = Vec::new();
    for process in json["processes"].as_array().expect("processes") {
        let of = |key: &str| process[key].as_u64().expect("a number");
        processes.push((of("copied_pages"), of("pid")));
    }
    processes.sort_by_key(|(pages, _)| std::cmp::Reverse(*pages));
    let shown: Vec<(u64, u64)> = column(&mut browser, "processes", 1)
        .iter()
        .zip(column(&mut browser, "processes", 4))
        .map(|(pages, pid)| (number(pages), number(&pid)))
        .collect();
    assert_eq!(shown, processes);

    let pages =
        |rows: Vec<Vec<Value>>| -> u64 { rows.iter().filter_map(|row| row[1].as_u64()).sum() };
    assert_eq!(pages(table(&mut browser, "mappings")), total);
    assert_eq!(
        pages(table(&mut browser, "writers")),
        sum(&json["writers"], "copied_pages")
    );
    let holders = table(&mut browser, "holders");
    assert_eq!(pages(holders), sum(&json["holders"], "copied_pages"));
    let note = browser.text("#holders .note");
    assert!(
        note.contains("looked through only in part") && note.contains("shares are lower bounds"),
        "{note}"
    );
}

fn number(text: &str) -> u64 {
    let number = text.replace(',', "").parse();
    number.unwrap_or_else(|_| panic!("{text} is a number"))
}

#[test]
fn the_maps_the_timeline_and_the_calls_have_what_the_json_report_has() {
    let run = run(SERVICE);
    let json = json_report(&run);
    let (mut browser, _) = opened(&run, "drawings");
    let data = data(&mut browser);
    let total = json["totals"]["copied_pages"].as_u64().expect("pages");
    assert_eq!(data["flame"]["nodes"][0][2], total, "of all calls");

    let samples = json["timeline"]["samples"].as_array().expect("samples");
    let bands = data["timeline"]["bands"].as_array().expect("bands");
    for (index, sample) in samples.iter().enumerate() {
        let pages: u64 = bands
            .iter()
            .map(|band| band["pages"][index].as_u64().expect("pages"))
            .sum();
        let of_processes = sample["by_process"].as_object().expect("processes");
        let told: u64 = of_processes.values().filter_map(Value::as_u64).sum();
        assert_eq!(pages, told, "sample {index}");
    }

    for map in data["maps"]["regions"].as_array().expect("maps") {
        let start = map["start"].as_str().expect("an address");
        let is_it = |region: &&Value| region["start"] == format!("0x{start}");
        let regions = json["regions"].as_array().expect("regions");
        let region = regions.iter().find(is_it).expect("the region");
        let ranges = json["histogram"]["ranges"].as_array().expect("ranges");
        let of_region = ranges
            .iter()
            .filter(|range| range["region_id"] == region["id"] && !range["start"].is_null());
        let pages: u64 = of_region
            .filter_map(|range| range["copied_pages"].as_u64())
            .sum();
        assert_eq!(sum(&map["rows"], "copied_pages"), pages, "{start}");
        for row in map["rows"].as_array().expect("rows") {
            let stretches: Vec<u64> =
                serde_json::from_value(row["stretches"].clone()).expect("numbers");
            let drawn: u64 = stretches.chunks(3).map(|it| it[1] * it[2]).sum();
            assert_eq!(row["copied_pages"], drawn, "{row}");
        }
    }
}

#[test]
fn tables_sort_by_a_click_and_by_the_keyboard() {
    let (mut browser, _) = opened(&run(SERVICE), "sorts");
    let pids = |browser: &mut Browser| -> Vec<u64> {
        let pids = column(browser, "processes", 4);
        pids.iter().map(|pid| number(pid)).collect()
    };
    let before = pids(&mut browser);
    browser.click("#processes th:nth-child(5) button");
    let falling = pids(&mut browser);
    assert!(falling.is_sorted_by(|one, two| one >= two), "{falling:?}");
    assert_ne!(falling, before, "they were in another order before");
    let order = "document.querySelector('#processes th:nth-child(5)').ariaSort";
    assert_eq!(browser.evaluate(order), "descending");
    browser.press(" ");
    let rising = pids(&mut browser);
    assert!(rising.is_sorted(), "{rising:?}");
    assert_eq!(browser.evaluate(order), "ascending");
}

#[test]
fn maps_are_read_and_zoomed_with_the_pointer_and_the_keyboard() {
    let (mut browser, _) = opened(&run(SERVICE), "zooms");
    let span = |browser: &mut Browser| browser.text("#maps figure .hint");
    let all = span(&mut browser);
    browser.point_at("#maps canvas", 0.001);
    let readout = browser.text("#maps figure .readout");
    let first = data(&mut browser)["maps"]["regions"][0].clone();
    let name = first["rows"][0]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    let start = format!("0x{}", first["start"].as_str().expect("an address"));
    assert!(
        readout.starts_with(&format!("{name}, {start} to ")),
        "{readout}"
    );
    assert!(readout.contains(" pages copied ("), "{readout}");

    browser.drag("#maps canvas", 0.2, 0.4);
    let part = span(&mut browser);
    assert_ne!(part, all);
    let bytes = |text: &str| -> f64 {
        text.split(' ')
            .next()
            .unwrap_or_default()
            .parse()
            .expect("a number")
    };
    let share = bytes(&part) / bytes(&all);
    assert!((0.19..0.21).contains(&share), "a fifth: {part} of {all}");
    browser.evaluate("document.querySelector('#maps canvas').focus()");
    browser.press("+");
    assert!(bytes(&span(&mut browser)) < bytes(&part));
    browser.press("0");
    assert_eq!(span(&mut browser), all);
    browser.press("ArrowRight");
    assert_ne!(browser.text("#maps figure .readout"), readout);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn calls_are_zoomed_and_searched() {
    let (mut browser, _) = opened(&run(SERVICE), "calls");
    let calls = "document.querySelectorAll('.flame .call').length";
    let all = browser.evaluate(calls).as_u64().expect("a number");
    let widest = "document.querySelector('.flame .call-python').offsetWidth";
    let before = browser.evaluate(widest).as_u64().expect("pixels");
    browser.click(".flame .call-python");
    let after = browser.evaluate(widest).as_u64().expect("pixels");
    let whole = browser.evaluate("document.querySelector('.flame').offsetWidth");
    assert!(before < after, "{before} {after}");
    assert_eq!(Some(after + 1), whole.as_u64(), "the gap is a pixel");
    browser.press("Escape");
    assert_eq!(browser.evaluate(calls), all);

    browser.evaluate("document.querySelector('#flame input').focus()");
    browser.type_text("gc_collect");
    let matches = browser.evaluate("document.querySelectorAll('#flame .match').length");
    assert_eq!(matches, 1);
    let found = browser.text("#flame .controls .hint");
    assert!(found.starts_with("7.8 MiB"), "2,000 pages: {found}");
}

#[test]
fn hostile_names_stay_text() {
    const MARKUP: &str = "</script><script>hit=1</script><img src=x onerror=hit=1>&lt;";
    let mut hostile = run(SERVICE);
    for process in &mut hostile.memory.processes {
        process.comm = MARKUP.into();
    }
    for region in &mut hostile.memory.regions {
        region.mapping.name = format!("/srv/{MARKUP}");
    }
    for row in &mut hostile.memory.rows {
        row.mapping = row.region_id.is_none().then(|| MARKUP.into());
    }
    for writer in &mut hostile.who_wrote.writers {
        writer.type_name = Some(MARKUP.into());
        writer.function = Some(MARKUP.into());
        writer.module = Some(MARKUP.into());
    }
    for frame in &mut hostile.who_wrote.python_frames {
        frame.function = MARKUP.into();
        frame.file = MARKUP.into();
    }
    for holder in &mut hostile.who_holds.holders {
        holder.path = format!("app.{MARKUP}");
        holder.type_name = Some(MARKUP.into());
        for of in &mut holder.copied_types {
            of.type_name = MARKUP.into();
        }
        for other in &mut holder.also_held_by {
            other.path = MARKUP.into();
        }
    }
    for walk in &mut hostile.who_holds.heap_walks {
        walk.failure = Some(MARKUP.into());
    }
    hostile.head.labels.insert(MARKUP.into(), MARKUP.into());
    hostile.head.host.kernel = MARKUP.into();
    hostile.head.rejected = vec![(MARKUP.into(), MARKUP.into())];
    hostile.head.unseen = vec![MARKUP.into()];
    let (mut browser, file) = opened(&hostile, "hostile");
    assert_eq!(browser.evaluate("typeof hit"), "undefined");
    assert_eq!(browser.evaluate("document.images.length"), 0);
    assert_eq!(browser.evaluate("document.scripts.length"), 2);
    for section in [
        "#title",
        "#timeline",
        "#maps",
        "#mappings",
        "#flame",
        "#writers",
        "#holders",
        "#processes",
        "#measured",
    ] {
        let text = browser.text(section);
        assert!(text.contains("<script>hit=1</script>"), "{section}: {text}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
    assert_eq!(browser.fetched(), [format!("file://{}", file.display())]);
}

/// A stored object with other values in some of its fields.
fn with(stored: &Value, fields: &Value) -> Value {
    let mut made = stored.clone();
    let object = made.as_object_mut().expect("an object");
    object.extend(fields.as_object().expect("an object").clone());
    made
}

/// 500 workers, of which 40 copied in each of 3,000 ranges, and 1,000 samples.
fn many() -> Run {
    let mut run: Value = serde_json::from_str(SERVICE).expect("JSON");
    let (worker, row) = (&run["memory"]["processes"][1], &run["memory"]["rows"][1]);
    let sources = |pages: u64| json!({"anon": pages, "file": 0, "zero": 0, "ksm": 0, "hugetlb": 0, "unknown": 0});
    let start = run["memory"]["regions"][0]["mapping"]["start"].as_u64();
    let start = start.expect("an address") / 65_536 * 65_536;
    // No two neighbours are equal, so nothing can be merged into one stretch.
    let pages = |id: u64, range: u64| 1 + (range + id) % 16;
    let cells = (1..=40).flat_map(|id| (0..3_000).map(move |range| (id, range)));
    let rows: Vec<Value> = cells
        .map(|(id, range)| {
            let copied = sources(pages(id, range));
            let start = start + range * 65_536;
            with(
                row,
                &json!({"process_id": id, "start": start, "copied": copied}),
            )
        })
        .collect();
    let copied = |id: u64| -> u64 { (0..3_000).map(|range| pages(id, range)).sum() };
    let mut processes = vec![run["memory"]["processes"][0].clone()];
    processes.extend((1..=500_u64).map(|id| {
        let pages = if id <= 40 { copied(id) } else { 1 };
        with(
            worker,
            &json!({"id": id, "pid": id, "copied": sources(pages)}),
        )
    }));
    let samples = (1..=1_000_u64).map(|at| {
        let each = (1..=500_u64).map(|id| (id.to_string(), json!(at)));
        let each: serde_json::Map<_, _> = each.collect();
        json!({"at_ns": at * 1_000_000, "copied_pages": at * 500, "reused_faults": 0, "by_process": each})
    });
    run["memory"]["timeline"]["samples"] = samples.collect();
    run["memory"]["regions"][0]["copied_pages"] = (1..=40).map(copied).sum::<u64>().into();
    run["memory"]["regions"][0]["mapping"]["end"] = (start + 3_000 * 65_536).into();
    run["memory"]["processes"] = processes.into();
    run["memory"]["rows"] = rows.into();
    serde_json::from_value(run).expect("a run")
}

#[test]
fn a_run_of_many_processes_is_cut_and_says_so() {
    let (mut browser, file) = opened(&many(), "many");
    let bytes = std::fs::metadata(&file).expect("the page").len();
    assert!(bytes < MOST_BYTES as u64, "{bytes} bytes");
    for (section, says) in [
        ("#maps", "8 more processes copied "),
        // 32 rows with 3,000 stretches each are 96,000; 50,000 are drawn.
        ("#maps", "2 ranges are drawn as one "),
        ("#processes", "201 more processes with "),
        // Of the 500 workers and the master, 7 are drawn.
        ("#timeline", "494 other processes"),
        ("#timeline", "samples in between are left out"),
    ] {
        let text = browser.text(section);
        assert!(text.contains(says), "{section}: {text}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}
