//! What a report says of workers that have read the variables of the web service (`wsgi_service.py`), whoever their
//! master is and whoever started it: as much as of plain gunicorn's.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

use cowtrace_tests::{
    pythons::{Interpreter, line_of},
    recorded::reported_in_full,
    report::{Report, number},
    tracer::Tracer,
};
use serde_json::Value;

use super::server::Folder;

/// The file in its folder in which a service lists the pages of its variables.
pub const PAGES: &str = "pages.json";
/// The reported pages of a variable may differ from that list by this share: the interpreter writes
/// some pages for another reason first, some 150 of the 17,000 that a worker copies.
pub const HELD_TOLERANCE: f64 = 0.01;

/// Counts may differ from page frames by this share: on a busy machine the kernel moved up to 250 of a process's pages
/// meanwhile, without a copy on write, beside the 25,000 and more that a worker copies.
pub const FRAMES_TOLERANCE: f64 = 0.02;

const PAGE: u64 = 4096;
const READERS: &str = include_str!("pages.py");
/// Each variable, what the list and the reading function call it, and the marks of the lines that read it.
const VARIABLES: [(&str, &str, &[&str]); 2] = [
    ("wsgi_service.titles", "titles", &["title"]),
    (
        "wsgi_service.Corpus.sentences",
        "sentences",
        &["words", "word"],
    ),
];

/// The pages that reading each variable writes, as the service lists them.
pub fn planted(list: &Path) -> Value {
    let list = fs::read_to_string(list).expect("the service has told");
    serde_json::from_str(&list).expect("pages by variable")
}

/// A trace of a service by its outermost process, and its recording.
pub struct Recorded {
    tracer: Tracer,
    folder: Folder,
}

impl Recorded {
    pub fn start(outermost: u32) -> Self {
        let folder = Folder::new("recorded");
        let path = Self::path(&folder);
        let path = path.to_str().expect("a plain path");
        let tracer = Tracer::start(&["--pid", &outermost.to_string(), "-o", path]);
        Self { tracer, folder }
    }

    fn path(folder: &Folder) -> PathBuf {
        folder.path("run.cow")
    }

    /// Ends the trace. Its report, and the words of the full text.
    pub fn stop(self) -> (Report, String) {
        let report = self.tracer.stop();
        let path = Self::path(&self.folder);
        let text = reported_in_full(path.to_str().expect("a plain path"));
        let words: Vec<&str> = text.split_whitespace().collect();
        (report, words.join(" "))
    }
}

fn held_by(report: &Report, path: &str) -> u64 {
    let holders = report.0["holders"].as_array().expect("holders");
    let held = holders.iter().filter(|holder| holder["path"] == path);
    held.map(|holder| number(holder, "copied_pages")).sum()
}

/// Reference counts of a variable's objects, written by the lines that read it.
fn written_by_line(report: &Report, name: &str, marks: &[&str]) -> u64 {
    let function = format!("read_{name}");
    let lines: Vec<u64> = marks.iter().map(|mark| line_of(READERS, mark)).collect();
    report.written(|writer| {
        let innermost = &writer["python"][0];
        writer["kind"] == "refcount"
            && ["str", "int", "list"]
                .iter()
                .any(|it| writer["type"] == *it)
            && innermost["function"] == function
            && lines.iter().any(|line| innermost["line"] == *line)
    })
}

/// What was copied of each variable has its type, its line and its name. Each was read by so many processes.
#[track_caller]
pub fn expect_told(python: &Interpreter, report: &Report, planted: &Value, readers: u64) {
    expect_lines(python, report, planted, readers);
    expect_held(python, report, planted, readers, "");
}

/// Types and lines of what so many processes read, by each variable.
#[track_caller]
pub fn expect_lines(what: &impl Display, report: &Report, planted: &Value, readers: u64) {
    for (path, name, marks) in VARIABLES {
        let expected = readers * number(planted, name);
        let pages = written_by_line(report, name, marks);
        println!("{what}: {pages} of {expected} by the lines that read {path}");
        assert!(
            expected > readers * 2_000
                && pages.abs_diff(expected) as f64 <= HELD_TOLERANCE * expected as f64,
            "{what}: {pages}, not {expected}; {}",
            report.top_writers()
        );
    }
}

/// Pages that each variable holds, whose path may begin with its interpreter.
#[track_caller]
pub fn expect_held(
    what: &impl Display,
    report: &Report,
    planted: &Value,
    readers: u64,
    interpreter: &str,
) {
    for (path, name, _) in VARIABLES {
        let path = format!("{interpreter}{path}");
        let (held, expected) = (held_by(report, &path), readers * number(planted, name));
        println!("{what}: {path} holds {held} of {expected}");
        assert!(
            held.abs_diff(expected) as f64 <= HELD_TOLERANCE * expected as f64,
            "{what}: {path} holds {held}, not {expected}; {:#}",
            report.0["holders"]
        );
    }
}

/// Just so many processes inherited memory, each all that its master had loaded.
#[track_caller]
pub fn expect_inheritors(report: &Report, planted: &Value, count: usize) {
    let inherited: Vec<u64> = report
        .processes()
        .iter()
        .filter_map(|it| it["inherited_pages"].as_u64())
        .collect();
    let loaded: u64 = VARIABLES
        .iter()
        .map(|(_, name, _)| number(planted, name))
        .sum();
    assert!(
        inherited.len() == count && inherited.iter().all(|pages| *pages > loaded),
        "{inherited:?}, {loaded} loaded: {:#}",
        report.0["processes"]
    );
    let ceiling = number(&report.0["verdict"], "ceiling_bytes");
    assert_eq!(ceiling, inherited.iter().sum::<u64>() * PAGE);
}
