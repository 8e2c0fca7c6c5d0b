//! The demo shows what it claims: data that is read is copied, and data that is only collected is
//! not copied after `gc.freeze()`.

use std::process::{Command, Stdio};

use cowtrace_tests::{
    report::{Report, number},
    tracer::{can_trace, program},
};

/// Workers of the demo.
const WORKERS: u64 = 2;
/// With 32 MiB the demo makes 8 * 18,700 comments of 48 bytes each, 85 per page.
const COMMENT_PAGES: u64 = 8 * 18_700 / 85;

fn demo(more: &[&str]) -> Report {
    let output = Command::new(program("cowtrace"))
        .args(["demo", "-f", "json", "--megabytes", "32", "--workers", "2"])
        .args(["--seconds", "1"])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .expect("cowtrace runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Report::parse(&String::from_utf8_lossy(&output.stdout))
}

#[test]
fn freezing_saves_what_the_collector_copies_and_nothing_else() {
    if !can_trace("demo") {
        return;
    }
    let (plain, frozen) = (demo(&[]), demo(&["--freeze"]));
    let of_comments = |report: &Report| {
        report.written(|writer| writer["kind"] == "gc" && writer["type"] == "__main__.Comment")
    };
    // The first and last of their pages hold other objects too, which may have been written first.
    let comments = of_comments(&plain);
    assert!(comments >= WORKERS * (COMMENT_PAGES - 50), "{comments}");
    assert_eq!(of_comments(&frozen), 0);
    // The master stays until it has been examined.
    let held = |report: &Report, path: &str| -> u64 {
        let holders = report.0["holders"].as_array().expect("holders");
        let of_path = holders.iter().filter(|holder| holder["path"] == path);
        of_path.map(|holder| number(holder, "copied_pages")).sum()
    };
    let of_comments = held(&plain, "__main__.comments");
    assert!(
        of_comments.abs_diff(comments) * 50 <= comments,
        "{of_comments} of {comments}"
    );
    assert_eq!(held(&frozen, "__main__.comments"), 0);
    for report in [plain, frozen] {
        let id_title = held(&report, "__main__.id_title");
        assert!(id_title > WORKERS * COMMENT_PAGES, "{id_title}");
        let titles = report.written(|writer| writer["kind"] == "refcount");
        assert!(titles > WORKERS * COMMENT_PAGES, "{titles}");
    }
}
