//! `cowtrace diff` as it is called: its exit status, its streams and its files.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use cowtrace::{
    recording::Writer,
    run::{Row, Run},
};
use cowtrace_tests::{browser::Browser, command::failed, tracer::program};
use serde_json::{Value, json};

const SERVICE: &str = include_str!("runs/service.json");

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder with runs in it, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cowtrace-diff-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a new folder");
        Self(folder)
    }

    /// Stores a run under this name whose first worker copied so many pages.
    fn run(&self, name: &str, pages: u64) {
        self.changed(name, |run| {
            run["processes"][1]["copied"]["anon"] = json!(pages);
            in_no_region(run, 1);
        });
    }

    fn changed(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut run: Value = serde_json::from_str(SERVICE).expect("a stored run");
        run["id"] = json!(name);
        change(&mut run);
        let run: Run = serde_json::from_value(run).expect("a run");
        let path = self.0.join(name);
        let recording = Writer::create(&path, true, &run).expect("it can be created");
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

    /// Asserts a status without results, and what standard error says in its first line.
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

/// Has the copies of a process in no range and no region, as those are that find no room.
fn in_no_region(run: &mut Value, process: usize) {
    let mut typed: Run = serde_json::from_value(run.clone()).expect("a run");
    let process = &typed.processes[process];
    typed.rows.retain(|row| row.process_id != process.id);
    typed.rows.push(Row {
        process_id: process.id,
        region_id: None,
        start: None,
        mapping: None,
        copied: process.copied,
        reused_faults: process.reused_faults,
    });
    typed.rows.sort_by_key(Row::place);
    for region in &mut typed.regions {
        let own = |row: &&Row| row.region_id == Some(region.id);
        let rows = typed.rows.iter().filter(own);
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
        told.starts_with("NEW copies 50 % less per unit of requests: "),
        "{told}"
    );
    failed(&label("a"), 2, "KEY=VALUE");
    failed(&label("a requests"), 2, "key=value");
    failed(
        &label("missing a=b"),
        1,
        "cannot label missing: it cannot be read: No such file",
    );
    fs::write(folder.0.join("other"), "text").expect("a file");
    failed(
        &label("other a=b"),
        1,
        "cannot label other: it is no recording of cowtrace",
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
    folder.fails("", 2, "--against");
    folder.fails("a", 2, "--against");
    folder.fails("--against b", 2, "BASE");
    folder.fails("a --against b --fail-above much", 2, "write it like 5%");
    folder.fails("a --against b -f csv", 2, "possible values");
    folder.fails("a --against b --force", 2, "--output");
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
    folder.fails("a --against .", 1, ".");
    folder.fails("a --against a", 1, "a and a are the same run");
}

#[test]
fn units_of_work_come_from_a_label() {
    let folder = Folder::new();
    folder.changed("a", |run| run["labels"]["requests"] = json!("1000"));
    folder.changed("b", |run| run["labels"]["requests"] = json!("2000"));
    folder.run("c", 5_000);
    let output = folder.diff("a --against b --per requests");
    let told = text(&output.stdout);
    assert!(
        told.starts_with("NEW copies 50 % less per unit of requests: "),
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
fn growth_above_the_limit_is_status_3_with_a_message_of_its_own() {
    let folder = Folder::new();
    for (name, pages) in [("a", 5_000), ("a2", 5_010), ("a3", 5_020)] {
        folder.run(name, pages);
    }
    for (name, pages) in [("b", 6_000), ("b2", 6_010), ("b3", 6_020)] {
        folder.run(name, pages);
    }
    let output = folder.diff("a --against b --fail-above 5%");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        text(&output.stderr),
        "error: NEW copies 12 % more: --fail-above allows 5% more\n"
    );
    assert!(
        text(&output.stdout).starts_with("NEW copies 12 % more"),
        "it is printed as well"
    );
    let status = |arguments| folder.diff(arguments).status.code();
    assert_eq!(status("a --against b --fail-above 15%"), Some(0));
    assert_eq!(status("b --against a --fail-above 5%"), Some(0));
    assert_eq!(status("a a2 a3 --against b b2 b3 --fail-above 5%"), Some(3));
    folder.fails(
        "a a2 --against b b2 --fail-above 5%",
        2,
        "give 3 or more a side",
    );
    folder.run("b", 4_000);
    let output = folder.diff("a a2 a3 --against b b2 b3 --fail-above 5%");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("the growth may be noise"));
}

#[test]
fn runs_that_did_not_run_alike_are_not_judged() {
    let folder = Folder::new();
    folder.run("a", 5_000);
    folder.run("b", 5_000);
    let ended = |exit: Value| {
        move |run: &mut Value| {
            run["processes"][0]["exited_ns"] = json!(1);
            run["processes"][0]["exit"] = exit;
        }
    };
    let exit = |ending: Value, with_trace: bool| json!({"ending": ending, "with_trace": with_trace, "oom_kills": 0});
    folder.changed("failed", ended(exit(json!({"status": 7}), false)));
    folder.changed("crashed", ended(exit(json!({"signal": 11}), false)));
    folder.changed("done", ended(exit(json!({"status": 0}), false)));
    folder.changed("stopped", ended(exit(json!({"signal": 15}), false)));
    folder.changed("interrupted", ended(exit(json!({"status": 130}), true)));
    let length = |factor: f64| {
        move |run: &mut Value| {
            let ns = run["duration_ns"].as_f64().expect("a number");
            run["duration_ns"] = json!((ns * factor) as u64);
        }
    };
    folder.changed("long", length(2.1));
    folder.changed("longer", length(1.9));
    folder.changed("idle", |run| {
        for list in [
            "processes",
            "regions",
            "rows",
            "writers",
            "holders",
            "heap_walks",
        ] {
            let list = run[list].as_array_mut().expect("a list");
            list.clear();
        }
        run["timeline"]["samples"] = json!([]);
    });
    for (arguments, says) in [
        (
            "a --against failed",
            "in failed python3 (4242) exited with status 7",
        ),
        (
            "crashed --against a",
            "in crashed python3 (4242) was killed by SIGSEGV",
        ),
        (
            "a --against idle",
            "idle has no workers: its service may not have run",
        ),
        ("idle --against a", "idle has no workers"),
        (
            "a --against long",
            "a was traced for 10.0 s, long for 21.0 s; trace both equally long",
        ),
    ] {
        let limited = folder.diff(&format!("{arguments} --fail-above 5%"));
        let errors = text(&limited.stderr);
        assert_eq!(limited.status.code(), Some(4), "{arguments}: {errors}");
        let line = format!("error: --fail-above cannot judge these runs: {says}");
        assert!(errors.starts_with(&line), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(!limited.stdout.is_empty(), "it is printed as well");
        let free = folder.diff(arguments);
        assert_eq!(free.status.code(), Some(0), "{arguments}");
        assert!(
            text(&free.stdout).contains("COMPARE WITH CARE"),
            "{}",
            text(&free.stdout)
        );
    }
    for other in ["b", "done", "stopped", "interrupted", "longer"] {
        let output = folder.diff(&format!("a --against {other} --fail-above 50%"));
        assert_eq!(
            output.status.code(),
            Some(0),
            "{other}: {}",
            text(&output.stderr)
        );
    }
    // Work that is counted may take its time.
    let output = folder.diff("a --against long --per case --fail-above 5%");
    assert_ne!(output.status.code(), Some(4));
    let output = folder.diff("a --against failed --fail-above 5% -f json");
    let told: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(told["verdict"]["fails"], json!(false));
    assert_eq!(
        told["verdict"]["unlike"],
        "in failed python3 (4242) exited with status 7"
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
        // Nor is a column cut where it is not to be scrolled for.
        let hidden = "[...document.querySelectorAll('.changes')]
            .filter(table => table.scrollWidth > table.clientWidth + 1).length";
        assert_eq!(browser.evaluate(hidden), json!(0), "at {width}");
    }
}

#[test]
fn a_file_is_not_overwritten_without_force() {
    let folder = Folder::new();
    folder.run("a", 5_000);
    folder.changed("b", |run| run["backend"] = json!("kprobe"));
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

#[test]
fn a_limit_holds_in_every_format() {
    let folder = Folder::new();
    folder.run("a", 5_000);
    folder.run("b", 6_000);
    for format in ["text", "json", "html"] {
        let output = folder.diff(&format!("a --against b --fail-above 5% -f {format}"));
        assert_eq!(output.status.code(), Some(3));
        assert!(!output.stdout.is_empty());
    }
    let output = folder.diff("a --against b --fail-above 5% -f json");
    let told: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(told["verdict"]["fails"], json!(true));
    assert_eq!(told["verdict"]["fail_above"], json!(0.05));
}
