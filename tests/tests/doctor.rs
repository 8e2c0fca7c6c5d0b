//! `cowtrace doctor` in terminals of several widths: nothing is cut off, and nothing overflows.

use std::process::Command;

use cowtrace_tests::{terminal::on_terminal, tracer::program};
use unicode_width::UnicodeWidthStr as _;

/// In a user namespace nearly everything is refused, with long reasons.
fn is_namespace_to_be_had() -> bool {
    let unshared = Command::new("unshare").args(["-Ur", "true"]).output();
    unshared.is_ok_and(|output| output.status.success())
}

/// The doctor's output on a terminal with this many columns.
fn on_columns(before: &str, columns: usize) -> Vec<String> {
    let script = format!("stty rows 24 cols {columns}; NO_COLOR=1 exec {before} \"$0\" doctor");
    let cowtrace = program("cowtrace").display().to_string();
    let ended = on_terminal("wait", "0", &script, &[&cowtrace]);
    let lines = ended.written.lines();
    lines.map(|line| line.trim_end().to_owned()).collect()
}

fn words(lines: &[String]) -> Vec<&str> {
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    words.collect()
}

#[test]
fn doctor_fits_its_terminal_with_every_word() {
    let mut ways = vec![""];
    if is_namespace_to_be_had() {
        ways.push("unshare -Ur");
    } else {
        println!("SKIPPED doctor in a user namespace: unshare may not make one here");
    }
    for before in ways {
        let wide = on_columns(before, 80);
        assert!(wide.len() > 10, "{wide:#?}");
        for columns in [80, 60, 40] {
            let lines = on_columns(before, columns);
            // Like all errors, it is a single line, which the terminal wraps.
            // So is the command to paste.
            let is_whole =
                |line: &&String| line.starts_with("error: ") || line.starts_with("  sudo ");
            for line in lines.iter().filter(|line| !is_whole(line)) {
                assert!(line.width() <= columns, "{columns} columns: {line:?}");
            }
            // Words longer than a line would have to be broken, but there are none.
            assert_eq!(words(&lines), words(&wide), "{columns} columns");
            // Each check begins a line, with its result in front.
            let is_answer = |line: &&String| line.starts_with("yes  ") || line.starts_with("no   ");
            let answers = lines.iter().filter(is_answer);
            // Open files, eight other checks, and three backends.
            assert_eq!(answers.count(), 12, "{lines:#?}");
        }
    }
}

#[test]
fn doctor_takes_80_columns_where_there_is_no_terminal() {
    let output = Command::new(program("cowtrace")).arg("doctor").output();
    let output = output.expect("cowtrace runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.lines().count() > 10, "{text}");
    for line in text.lines() {
        assert!(line.width() <= 80, "{line:?}");
    }
}
