//! Which processes count as workers in a real tree: behind a shell that starts helpers.

use cowtrace_tests::{
    python,
    recorded::{Folder, reported_in_full},
    report::{Report, number},
    tracer::{Tracer, can_trace},
};

/// Like pyenv's shim: runs other programs for small questions, then executes the requested program.
/// Each round forks seven times: four children stay shells, three execute programs.
const SHIM: &str = r#"
for name in one two three four five six seven eight; do
    version="$(echo "$name 3.11" | sed 's/.* //')"
    if echo "$version" | grep -q '^3'; then found="$(basename "/usr/$name")"; fi
    (cd / && [ "$found" = "$name" ])
done
exec "$@"
"#;
const ROUNDS: usize = 8;

/// A master with strings, and two workers that read them and stay. A process that lives for a
/// second is not a helper, and on a busy machine helpers may take some tenths.
const MASTER: &str = "
import os, time
titles = [f'title {number}' for number in range(200_000)]
for _ in range(2):
    if os.fork() == 0:
        for title in titles: pass
        time.sleep(3)
        os._exit(0)
for _ in range(2):
    os.wait()
os._exit(0)
";

/// Text with its line breaks removed.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number before these words.
#[track_caller]
fn number_before(text: &str, words: &str) -> usize {
    let (before, _) = text
        .split_once(words)
        .unwrap_or_else(|| panic!("no {words:?} in {text}"));
    let number = before.trim_end().rsplit([' ', '(']).next();
    let number = number.and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no number before {words:?} in {text}"))
}

#[test]
fn helpers_of_a_shell_in_front_of_a_service_are_not_its_workers() {
    if !can_trace("shim") {
        return;
    }
    let folder = Folder::new("shim");
    let run = folder.path("run.cow");
    let python = python();
    let report = Tracer::start(&[
        "-o", &run, "--", "bash", "-c", SHIM, "shim", &python, "-c", MASTER,
    ])
    .wait();
    let children = descendants(&report);
    assert!(children >= 7 * ROUNDS + 2, "{children} processes");
    let summary = report.0["verdict"]["summary"].as_str().expect("a sentence");
    assert_eq!(number_before(summary, " workers"), 2, "{summary}");
    let text = in_one_line(&reported_in_full(&run));
    assert!(text.contains("that 2 workers inherited"), "{text}");
    let (_, others) = text.split_once("Not counted as workers: ").expect("others");
    let helpers = number_before(others, " short-lived children of bash (");
    assert_eq!(helpers, 7 * ROUNDS, "{others}");
    // Both workers copied what they read: 200,000 objects of 56 bytes or more.
    let workers = report.processes().iter().filter(|process| {
        let copied = number(process, "copied_pages");
        process["role"] == "worker" && copied > 200_000 * 56 / 4096
    });
    assert_eq!(workers.count(), 2, "{summary}");
}

/// Processes below the master, each once.
fn descendants(report: &Report) -> usize {
    let workers = report.processes().iter();
    let pids = workers
        .filter(|process| process["role"] == "worker")
        .map(|process| number(process, "pid"));
    pids.collect::<std::collections::BTreeSet<_>>().len()
}
