//! `cowtrace report --redact`: reports and recordings that can be shared.

use std::{fs, path::Path};

use cowtrace::{
    recording::{RecordingWriter, read_recording},
    run::Run,
};
use cowtrace_tests::{
    command::{cowtrace, fails},
    recorded::Folder,
};

use super::golden_reports::{SERVICE, run};

/// Names of the recorded service.
const NAMES: [&str; 5] = ["handlers", "Catalogue", "tornado", "evil", "catalogue"];

/// A recording of the service, in a folder whose name says something.
fn recorded(folder: &Folder) -> String {
    let path = folder.path("handlers.cow");
    let run: Run = run(SERVICE);
    let writer = RecordingWriter::create(Path::new(&path), true, &run).expect("it is created");
    writer.finish(&run).expect("it is written");
    path
}

#[track_caller]
fn has_no_name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for name in NAMES {
        assert!(!text.contains(name), "{name} in {text}");
    }
}

#[test]
fn a_redacted_report_has_no_names_and_the_same_figures() {
    let folder = Folder::new("redacted-reports");
    let path = recorded(&folder);
    for format in ["text", "json", "csv", "html", "folded"] {
        let plain = cowtrace(&["report", &path, "-f", format]);
        let redacted = cowtrace(&["report", &path, "-f", format, "--redact"]);
        assert!(plain.status.success() && redacted.status.success());
        let text = String::from_utf8_lossy(&plain.stdout);
        let is_in_it = |name: &&str| text.contains(*name);
        assert!(NAMES.iter().any(is_in_it), "{text}");
        has_no_name(&redacted.stdout);
    }
    let figures = |arguments: &[&str]| {
        let output = cowtrace(&[&["report", &path, "-f", "json"], arguments].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        [report["totals"].clone(), report["loss"].clone()]
    };
    assert_eq!(figures(&["--redact"]), figures(&[]));
    let page = folder.path("page.html");
    let output = cowtrace(&["report", &path, "--redact", "-f", "html", "-o", &page]);
    assert!(output.status.success(), "{output:?}");
    has_no_name(&fs::read(&page).expect("a page"));
}

#[test]
fn a_redacted_recording_is_a_recording() {
    let folder = Folder::new("redacted-recording");
    let path = recorded(&folder);
    let shared = folder.path("shared.cow");
    let output = cowtrace(&["report", &path, "--redact", "-o", &shared]);
    assert!(output.status.success(), "{output:?}");
    has_no_name(&fs::read(&shared).expect("a recording"));
    let (whole, redacted) = [&path, &shared]
        .map(|path| read_recording(Path::new(path)).expect("a recording"))
        .into();
    assert_eq!(redacted.copied(), whole.copied());
    assert_eq!(redacted.memory.rows.len(), whole.memory.rows.len());
    let json =
        |arguments: &[&str]| cowtrace(&[&["report", "-f", "json"], arguments].concat()).stdout;
    assert_eq!(json(&[&shared]), json(&["--redact", &path]));
    // It is not replaced, nor is its source.
    fails(&["report", &path, "--redact", "-o", &shared], 1, "exists");
    fails(
        &["report", &path, "--redact", "--force", "-o", &path],
        2,
        "handlers.cow",
    );
    assert!(
        cowtrace(&["report", &path, "--redact", "--force", "-o", &shared])
            .status
            .success()
    );
    fails(
        &["report", &path, "--redact", "--live"],
        2,
        "cannot be used with",
    );
}
