//! `cowtrace diff` as a command: its exit status, its streams and its files.

mod limits;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use cowtrace::{
    recording::RecordingWriter,
    run::{Row, Run},
};
use cowtrace_tests::{browser::Browser, command::failed, tracer::program};
use serde_json::{Value, json};

const SERVICE: &str = include_str!("../runs/service.json");

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder with runs, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cowtrace-diff-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a new folder");
        Self(folder)
    }

    /// Stores a run under this name whose first worker copied this many pages.
    fn run(&self, name: &str, pages: u64) {
        self.changed(name, |run| {
            run["memory"]["processes"][1]["copied"]["anon"] = json!(pages);
            in_no_region(run, 1);
        });
    }

    fn changed(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut run: Value = serde_json::from_str(SERVICE).expect("a stored run");
        run["head"]["id"] = json!(name);
        change(&mut run);
        let run: Run = serde_json::from_value(run).expect("a run");
        let path = self.0.join(name);
        let recording = RecordingWriter::create(&path, true, &run).expect("it can be created");
        recording.finish(&run).expect("it can be written");
    }

    /// Runs `cowtrace diff` in the folder.
    fn diff(&self, arguments: &str) -> Output {
        Command::new(program("cowtrace"))
            .arg("diff")
            .args(arguments.split_whitespace())
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .output()
            .expect("cowtrace runs")
    }

    /// Asserts a status without results, and the first line of standard error.
    #[track_caller]
    fn fails(&self, arguments: &str, status: i32, says: &str) {
        failed(&self.diff(arguments), status, says);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Moves a process's copies out of all ranges and regions, like copies without room in the
/// histogram.
fn in_no_region(run: &mut Value, process: usize) {
    let mut typed: Run = serde_json::from_value(run.clone()).expect("a run");
    let process = &typed.memory.processes[process];
    typed.memory.rows.retain(|row| row.process_id != process.id);
    typed.memory.rows.push(Row {
        process_id: process.id,
        region_id: None,
        start: None,
        mapping: None,
        copied: process.copied,
        reused_faults: process.reused_faults,
    });
    typed.memory.rows.sort_by_key(Row::place);
    for region in &mut typed.memory.regions {
        let own = |row: &&Row| row.region_id == Some(region.id);
        let rows = typed.memory.rows.iter().filter(own);
        let pages = rows.map(|row| (row.copied.total(), row.copied.zero));
        let (copied, zero) = pages.fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
        (region.copied_pages, region.unshared_pages) = (copied, copied - zero);
    }
    *run = serde_json::to_value(typed).expect("json");
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn what_is_known_only_after_a_run_can_be_told_then() {
    let folder = Folder::new();
    let label = |arguments: &str| {
        Command::new(program("cowtrace"))
            .arg("label")
            .args(arguments.split_whitespace())
            .current_dir(&folder.0)
            .output()
            .expect("cowtrace runs")
    };
    folder.run("a", 5_000);
    folder.run("b", 5_000);
    let compared = "a --against b --per requests";
    let missing = "a has no label requests; give it one with `cowtrace label a requests=NUMBER`";
    folder.fails(compared, 1, missing);
    for arguments in [
        "a requests=1000 build=41",
        "b requests=7",
        "b requests=2000",
    ] {
        let output = label(arguments);
        assert!(output.status.success(), "{output:?}");
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("", ""));
    }
    let output = folder.diff(compared);
    let told = text(&output.stdout);
    assert!(
        told.starts_with("NEW copies 50 % less per request: "),
        "{told}"
    );
    failed(&label("a"), 2, "KEY=VALUE");
    failed(&label("a requests"), 2, "key=value");
    failed(
        &label("missing a=b"),
        1,
        "cannot label missing: No such file",
    );
    fs::write(folder.0.join("other"), "text").expect("a file");
    failed(
        &label("other a=b"),
        1,
        "cannot label other: it is not a cowtrace recording",
    );
    let mut names: Vec<_> = fs::read_dir(&folder.0)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["a", "b", "other"], "no journal is left");
}

#[test]
fn a_comparison_is_status_0_and_the_answer_comes_first() {
    let folder = Folder::new();
    folder.run("a", 5_000);
    folder.run("b", 2_000);
    let output = folder.diff("a --against b");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("NEW copies 36 % less: 21.3 MiB instead of 33.0 MiB"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn wrong_usage_is_status_2() {
    let folder = Folder::new();
    folder.fails("a", 2, "--against");
    folder.fails("--against b", 2, "BASE");
    folder.fails("a --against b --fail-above much", 2, "write it like 5%");
    folder.fails("a --against b -f csv", 2, "possible values");
    folder.fails("a --against b --force", 2, "--output");
    // Wrong usage that is found only when the runs are read.
    folder.run("a", 5_000);
    folder.fails("a --against a", 2, "a and a are the same run");
    fs::copy(folder.0.join("a"), folder.0.join("copy")).expect("a copy");
    folder.fails("a --against copy", 2, "a and copy are the same run");
    let many = "a ".repeat(21);
    folder.fails(&format!("{many} --against copy"), 2, "21 runs on one side");
    folder.run("b", 2_000);
    folder.fails("a --against b -o b --force", 2, "b is also the input");
    folder.fails("a --against b -o ..", 2, ".. is not a file name");
}

#[test]
fn files_that_are_no_runs_are_one_line_and_status_1() {
    let folder = Folder::new();
    folder.run("a", 5_000);
    folder.fails("a --against missing", 1, "missing");
    fs::write(folder.0.join("empty"), "").expect("it can be written");
    folder.fails("a --against empty", 1, "empty");
    fs::write(folder.0.join("noise"), [0u8, 159, 146, 150]).expect("it can be written");
    folder.fails("noise --against a", 1, "noise");
    folder.fails(
        "a --against .",
        1,
        "cannot read .: it is a folder; name a recording",
    );
}

#[test]
fn units_of_work_come_from_a_label() {
    let folder = Folder::new();
    folder.changed("a", |run| run["head"]["labels"]["requests"] = json!("1000"));
    folder.changed("b", |run| run["head"]["labels"]["requests"] = json!("2000"));
    folder.run("c", 5_000);
    let output = folder.diff("a --against b --per requests");
    let told = text(&output.stdout);
    assert!(
        told.starts_with("NEW copies 50 % less per request: "),
        "{told}"
    );
    folder.fails("a --against c --per requests", 1, "c has no label requests");
    folder.fails(
        "a --against b --per case",
        1,
        "label case=before, which is no number above 0",
    );
}

#[test]
fn a_comparison_fits_a_narrow_window() {
    let folder = Folder::new();
    folder.run("a", 5_000);
    folder.run("b", 2_000);
    let output = folder.diff("a --against b -f html -o out.html");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut browser = Browser::start(&folder.0, "comparison");
    browser.open(&folder.0.join("out.html"));
    for width in [1200, 500, 360] {
        browser.show(width, "light", "screen");
        let too_wide = "document.documentElement.scrollWidth - innerWidth";
        let beyond = browser.evaluate(too_wide).as_i64().expect("pixels");
        assert!(beyond <= 0, "{beyond} pixels too wide at {width}");
        // Nor is any column cut off without a way to scroll to it.
        let hidden = "[...document.querySelectorAll('.changes')]
            .filter(table => table.scrollWidth > table.clientWidth + 1).length";
        assert_eq!(browser.evaluate(hidden), json!(0), "at {width}");
    }
}

#[test]
fn a_file_is_not_overwritten_without_force() {
    let folder = Folder::new();
    folder.run("a", 5_000);
    folder.changed("b", |run| run["head"]["backend"] = json!("kprobe"));
    let output = folder.diff("a --against b -f html -o out.html");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "");
    assert!(
        text(&output.stderr).starts_with(
            "cowtrace: compare with care: backend: tracepoint in BASE, kprobe in NEW\n"
        )
    );
    let page = fs::read_to_string(folder.0.join("out.html")).expect("the page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    folder.fails("a --against b -o out.html", 1, "--force");
    assert_eq!(
        folder
            .diff("a --against b -f json -o out.html --force")
            .status
            .code(),
        Some(0)
    );
    let json = fs::read_to_string(folder.0.join("out.html")).expect("the comparison");
    assert!(json.contains("cowtrace.diff/1"));
    folder.fails("a --against b -o no/such/folder", 1, "No such file");
    folder.fails("a --against b -o /dev/null --force", 1, "/dev/null");
}
