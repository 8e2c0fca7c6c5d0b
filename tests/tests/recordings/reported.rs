//! Reports of recordings, and files that are not recordings.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use cowtrace::{
    recording::RecordingWriter,
    report::{self, Extent},
    run::{Run, Snapshot, SnapshotScope},
    terminal::Style,
};
use cowtrace_tests::{
    command::{cowtrace, fails},
    report::Report,
};

use super::{Folder, SERVICE, synthetic};

fn recorded(path: &Path, run: &Run, finished: bool) {
    let mut writer = RecordingWriter::create(path, false, run).expect("it is created");
    if finished {
        writer.finish(run).expect("it is written");
    } else {
        let (run, scope) = (run.clone(), SnapshotScope::default());
        writer
            .write(&Snapshot { run, scope })
            .expect("it is written");
    }
}

#[test]
fn a_report_is_that_of_the_run() {
    let folder = Folder::new("reported");
    let path = folder.path("run.cow");
    let run: Run = serde_json::from_str(SERVICE).expect("a stored run");
    recorded(&path, &run, true);
    let path = path.to_str().expect("a plain name");
    let mut expected = [Vec::new(), Vec::new(), Vec::new()];
    let style = Style {
        width: 80,
        color: false,
    };
    report::run_as_text(&run, Extent::Full, style, &mut expected[0])
        .expect("memory can be written");
    report::run_as_json(&run, report::Histogram::Whole, &mut expected[1])
        .expect("memory can be written");
    report::run_as_csv(&run, &mut expected[2]).expect("memory can be written");
    for (format, expected) in ["text", "json", "csv"].into_iter().zip(expected) {
        let output = cowtrace(&["report", path, "--full", "-f", format]);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
        assert_eq!(output.stdout, expected, "{format}");
        let file = folder.path(format);
        let file = file.to_str().expect("a plain name");
        let output = cowtrace(&["report", path, "--full", "-f", format, "-o", file]);
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "{output:?}"
        );
        assert_eq!(fs::read(file).expect("the report"), expected, "{format}");
    }
}

#[test]
fn a_short_report_says_how_to_see_all_of_this_recording() {
    let folder = Folder::new("short");
    let path = folder.path("my run.cow");
    let run: Run = serde_json::from_str(SERVICE).expect("a stored run");
    recorded(&path, &run, true);
    let path = path.to_str().expect("a plain name");
    let printed = |options: &[&str]| {
        let output = cowtrace(&[&["report", path], options].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let (short, full) = (printed(&[]), printed(&["--full"]));
    let words: Vec<&str> = short.split_whitespace().collect();
    let command = format!("More: cowtrace report '{path}' --full");
    assert!(words.join(" ").contains(&command), "{short}");
    assert!(!full.contains("More:"), "{full}");
    let lines = |text: &str| text.lines().count();
    // What was lost comes on top.
    let (report, _) = short.split_once("\nLOST\n").expect("a section of losses");
    assert!(
        lines(report) <= 50 && lines(&full) > lines(&short),
        "{short}"
    );
}

#[test]
fn an_unfinished_recording_says_so() {
    let folder = Folder::new("unfinished");
    let path = folder.path("run.cow");
    let run = synthetic(2, 100, 3);
    recorded(&path, &run, false);
    let path = path.to_str().expect("a plain name");
    let text = cowtrace(&["report", path]).stdout;
    let text = String::from_utf8(text).expect("text");
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("The trace was cut off"), "{text}");
    let report = cowtrace(&["report", path, "-f", "json"]).stdout;
    let report = Report::parse(&String::from_utf8(report).expect("text"));
    assert_eq!(report.0["run"]["unfinished"], true);
}

#[test]
fn an_unfinished_recording_says_why_no_variables_are_known() {
    let folder = Folder::new("no-holders");
    let path = folder.path("run.cow");
    let mut run: Run = serde_json::from_str(SERVICE).expect("a stored run");
    run.who_holds.holders.clear();
    run.who_holds.heap_walks.clear();
    recorded(&path, &run, false);
    let path = path.to_str().expect("a plain name");
    let reported = |format: &str| {
        let report = cowtrace(&["report", path, "-f", format]).stdout;
        String::from_utf8(report)
            .expect("text")
            .replace("\n  ", " ")
    };
    let why = "is looked up at the end of a trace, and this one was cut off";
    let text = reported("text");
    assert!(
        text.contains("HELD BY: NOT KNOWN") && text.contains(why),
        "{text}"
    );
    assert!(text.contains("variables were looked for"), "{text}");
    assert!(reported("html").contains(why));
}

#[test]
fn what_cannot_be_reported_is_one_line_and_status_1() {
    let folder = Folder::new("refused");
    let path = folder.path("other");
    let name = path.to_str().expect("a plain name");
    fails(&["report", name], 1, "other: No such file");
    fs::write(&path, SERVICE).expect("a file");
    fails(&["report", name], 1, "it is not a cowtrace recording");
    fs::write(&path, "").expect("a file");
    fails(&["report", name], 1, "it is empty");
    fails(
        &["report", folder.0.to_str().expect("a plain name")],
        1,
        "it is a folder; name a recording",
    );
    fs::remove_file(&path).expect("it is there");
    recorded(&path, &synthetic(2, 2_000, 1), true);
    let bytes = fs::read(&path).expect("the recording");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("half of it");
    fails(&["report", name], 1, "it is damaged");
}

#[test]
fn a_report_overwrites_nothing_unless_it_is_told_to() {
    let folder = Folder::new("overwrites");
    let (recording, there, link) = (
        folder.path("run.cow"),
        folder.path("there"),
        folder.path("link"),
    );
    recorded(&recording, &synthetic(1, 10, 1), true);
    fs::write(&there, "mine").expect("a file");
    symlink(&there, &link).expect("a link");
    let name = |path: &PathBuf| path.to_str().expect("a plain name").to_owned();
    let (recording, there, link) = (name(&recording), name(&there), name(&link));
    fails(
        &["report", &recording, "-o", &there],
        1,
        "exists already; --force replaces it",
    );
    for force in [&["--force"][..], &[]] {
        let arguments = [&["report", &recording, "-o", &link][..], force].concat();
        fails(&arguments, 1, "is a symbolic link");
    }
    fails(&["report", &recording, "-o", "/dev/full"], 1, "is a device");
    assert_eq!(fs::read_to_string(&there).expect("a file"), "mine");
    let forced = cowtrace(&["report", &recording, "-o", &there, "--force"]);
    assert!(forced.status.success(), "{forced:?}");
    let mut report = String::new();
    File::open(&there)
        .expect("a file")
        .read_to_string(&mut report)
        .expect("text");
    assert!(report.contains("copied on write by 1 worker"), "{report}");
    fails(&["report", &recording, "--force"], 2, "--output");
    let before = fs::read(&recording).expect("a file");
    let itself = ["report", &recording, "-o", &recording, "--force"];
    fails(&itself, 2, "is also the input");
    assert_eq!(fs::read(&recording).expect("a file"), before);
    let like_recording = name(&folder.path("copy.cow"));
    fails(
        &["report", &recording, "-o", &like_recording],
        1,
        "with the name of a recording",
    );
}

#[test]
fn a_file_gets_the_format_that_its_name_ends_in() {
    let folder = Folder::new("by-name");
    let recording = folder.path("run.cow");
    recorded(&recording, &synthetic(1, 10, 1), true);
    let recording = recording.to_str().expect("a plain name");
    for (name, format) in [("run.html", "html"), ("run.json", "json"), ("run", "text")] {
        let path = folder.path(name);
        let saved = cowtrace(&["report", recording, "-o", path.to_str().expect("plain")]);
        assert!(saved.status.success(), "{saved:?}");
        let printed = cowtrace(&["report", recording, "-f", format]);
        assert!(fs::read(&path).expect("a file") == printed.stdout, "{name}");
    }
}

#[test]
fn a_recording_that_cannot_be_written_is_told_before_the_trace() {
    let folder = Folder::new("told");
    let there = folder.path("run.cow");
    let name = there.to_str().expect("a plain name");
    let pid = std::process::id().to_string();
    fs::write(&there, "mine").expect("a file");
    fails(
        &["--pid", &pid, "-o", name],
        1,
        "exists already; --force replaces it",
    );
    fails(
        &["--pid", &pid, "-o", "/no/such/folder/run.cow"],
        1,
        "cannot write",
    );
    fails(&["--pid", &pid, "-o", "/proc/run.cow"], 1, "cannot write");
    fails(&["--pid", &pid, "-o", "/tmp"], 1, "is a folder");
    fails(&["--pid", &pid, "--force"], 2, "--output");
    assert_eq!(fs::read_to_string(&there).expect("a file"), "mine");
    assert_eq!(fs::read_dir(&folder.0).expect("the folder").count(), 1);
}
