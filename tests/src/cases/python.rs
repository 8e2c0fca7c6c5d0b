//! What cowtrace says of a Python service whose writes are known: what was written, by which line, and which
//! variable holds it.

use std::{ffi::OsString, path::Path, process::Command};

use serde_json::Value;

use super::Judged;
use crate::{
    pythons::{line_of, unpacked_words},
    report::{Report, number},
    tracer::Tracer,
    workload::Service,
};

const SERVICE: &str = include_str!("python.py");
/// Where a virtual machine has its Python.
const ROOT: &str = "/python";
/// At least this share of the known pages must be reported as they are known. A few have other objects too, which the
/// worker may write first: in seven runs on arm64 and x86-64 the least was 97 %.
const SHARE: f64 = 0.95;

/// The case's name.
pub const PYTHON: &str = "python";

/// Pages as they are known, and as they are reported.
struct Comparison {
    what: &'static str,
    known: u64,
    told: u64,
}

/// Whether this machine has a Python for the case.
#[must_use]
pub fn has_python() -> bool {
    words().is_some()
}

/// The words that start it.
fn words() -> Option<Vec<OsString>> {
    unpacked_words(Path::new(ROOT))
}

/// What is expected, for people.
#[must_use]
pub fn expectation() -> String {
    format!("{:.0} % or more of each", SHARE * 100.0)
}

/// Traces the service with a backend and compares the report with what is known.
///
/// # Panics
/// If there is no Python.
#[must_use]
pub fn judge(backend: &str) -> (Judged, String) {
    let words = words().expect("a Python");
    let (loader, arguments) = words.split_first().expect("a loader");
    let mut command = Command::new(loader);
    let mut service = Service::start(command.args(arguments).args(["-I", "-c", SERVICE]));
    let known = service.answer();
    let tracer = Tracer::by(Some(backend), service.pid(), &[]);
    service.say("go");
    service.answer();
    let report = tracer.stop();
    service.end();
    let compared = compare(&known, &report);
    let counted: Vec<String> = compared.iter().map(Comparison::text).collect();
    let mut faults: Vec<String> = compared
        .iter()
        .filter(|it| !it.is_right())
        .map(|it| format!("{}: {} of {} pages", it.what, it.told, it.known))
        .collect();
    if !faults.is_empty() {
        faults.push(report.top_writers());
        faults.push(format!("loss: {}", report.0["loss"]));
        faults.push(format!("walks: {}", report.0["heap_walks"]));
    }
    let judged = Judged {
        expected: expectation(),
        counted: counted.join(", "),
        faults,
    };
    let taken = report.0["run"]["backend"].as_str().unwrap_or_default();
    (judged, taken.to_owned())
}

impl Comparison {
    fn text(&self) -> String {
        let share = 100 * self.told / self.known.max(1);
        format!("{} {share} %", self.what)
    }

    /// Nearly all, and hardly more: the interpreter has some more strings, and the list itself belongs to the variable.
    fn is_right(&self) -> bool {
        let (known, told) = (self.known as f64, self.told as f64);
        self.known > 100 && told >= SHARE * known && told <= known * (2.0 - SHARE)
    }
}

fn compare(known: &Value, report: &Report) -> [Comparison; 6] {
    let (titles, records) = (number(known, "titles"), number(known, "records"));
    let is_title = |writer: &Value| writer["kind"] == "refcount" && writer["type"] == "str";
    let is_record = |writer: &Value| writer["kind"] == "gc" && writer["type"] == "__main__.Record";
    let by = |writer: &Value, function: &str, mark: &str| {
        let innermost = &writer["python"][0];
        innermost["function"] == function && innermost["line"] == line_of(SERVICE, mark)
    };
    let held = |path: &str| {
        let holders = report.0["holders"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let found = holders.iter().find(|holder| holder["path"] == path);
        found.map_or(0, |holder| number(holder, "copied_pages"))
    };
    let of = |what, known, told| Comparison { what, known, told };
    [
        of("type of titles", titles, report.written(is_title)),
        of("type of records", records, report.written(is_record)),
        of(
            "line that reads",
            titles,
            report.written(|it| is_title(it) && by(it, "read_titles", "titles")),
        ),
        of(
            "line that collects",
            records,
            report.written(|it| is_record(it) && by(it, "collect", "collect")),
        ),
        of("variable titles", titles, held("__main__.titles")),
        of("variable records", records, held("__main__.records")),
    ]
}
