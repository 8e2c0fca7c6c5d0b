//! What reports say about a run, independent of the exact text, which `golden_reports.rs` tests.

use cowtrace::{
    report,
    run::{Holder, PerfMapProblem, Run},
};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::golden_reports::{COLLECTING, QUIET, SAVING, SERVICE, STACKS, run, text};

fn json(run: &Run) -> Value {
    let mut out = Vec::new();
    report::run_as_json(run, report::Histogram::Whole, &mut out).expect("memory can be written");
    serde_json::from_slice(&out).expect("JSON")
}

/// The content of a page, as data.
fn page_data(run: &Run) -> Value {
    let mut out = Vec::new();
    report::run_as_html(run, &mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("text");
    let data = text.split_once("id=\"data\">").expect("data").1;
    let data = data.split_once("</script>").expect("an end").0;
    serde_json::from_str(data).expect("JSON")
}

/// From the page's table of variables.
fn column_names(page: &Value) -> Vec<String> {
    let columns = page["holders"]["columns"].as_array().expect("columns");
    let names = columns.iter().filter_map(|column| column["name"].as_str());
    names.map(str::to_owned).collect()
}

/// As a terminal that wraps lines would break them again.
#[test]
fn no_line_is_wider_than_the_terminal() {
    for (index, stored) in [SERVICE, SAVING, COLLECTING, STACKS, QUIET]
        .iter()
        .enumerate()
    {
        let mut runs = [run(stored), run(stored)];
        // A path without a space, with characters that are two columns wide.
        let long = "名前".repeat(200);
        for process in &mut runs[1].memory.processes {
            process.comm.clone_from(&long);
        }
        for region in &mut runs[1].memory.regions {
            region.mapping.name.clone_from(&long);
        }
        for holder in &mut runs[1].who_holds.holders {
            holder.path.clone_from(&long);
        }
        for writer in &mut runs[1].who_wrote.writers {
            writer.function = Some(long.clone());
        }
        runs[1].head.labels.insert(long.clone(), long);
        for width in 40..=120 {
            for run in &runs {
                for line in text(run, width, false).lines() {
                    assert!(
                        line.width() <= width,
                        "run {index}, {width} columns: {line}"
                    );
                }
            }
        }
    }
}

#[test]
fn variables_of_the_same_path_are_told_with_their_process() {
    let mut run = run(SERVICE);
    assert!(!text(&run, 120, false).contains("['id_title'] of "));
    let mut other = run.who_holds.holders[0].clone();
    other.process_id = run.memory.processes[1].id;
    assert_ne!(other.process_id, run.who_holds.holders[0].process_id);
    let pids = [run.who_holds.holders[0].process_id, other.process_id];
    run.who_holds.holders.insert(1, other);
    let text = text(&run, 120, false).replace('\n', " ");
    for id in pids {
        let process = run.process(id).expect("it is there");
        let owner = format!("['id_title'] of {} ({})", process.comm, process.pid);
        assert!(text.matches(&owner).count() == 2, "{owner}: {text}");
    }
}

#[test]
fn json_and_the_page_tell_whose_variable_it_is() {
    let mut run = run(SERVICE);
    let process = |report: &Value| {
        let of = |holder: &Value| (holder["pid"].clone(), holder["comm"].clone());
        let holders = report["holders"].as_array().expect("a list");
        holders.iter().map(of).collect::<Vec<_>>()
    };
    let master = (json!(4242), json!("python3"));
    assert!(process(&json(&run)).iter().all(|it| *it == master));
    assert!(!column_names(&page_data(&run)).contains(&"Process".into()));
    // The same variable in a worker, and in the program that the master's process ran next.
    let mut next = run.memory.processes[0].clone();
    next.id = run.memory.processes.last().expect("a process").id + 1;
    next.started_ns = 3_000_000_000;
    for id in [run.memory.processes[1].id, next.id] {
        let holder = run.who_holds.holders[0].clone();
        run.who_holds.holders.insert(
            1,
            Holder {
                process_id: id,
                ..holder
            },
        );
    }
    run.memory.processes.push(next);
    let told = process(&json(&run));
    assert_eq!(told[0], master);
    assert_eq!(
        told[1..3],
        [master.clone(), (json!(4250), json!("python3"))][..]
    );
    let page = page_data(&run);
    assert_eq!(
        column_names(&page).last().map(String::as_str),
        Some("Process")
    );
    let owners: Vec<&str> = page["holders"]["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row.as_array()?.last()?.as_str())
        .take(3)
        .collect();
    let mut sorted = owners.clone();
    sorted.sort_unstable();
    let expected = [
        "python3 (4242, since 0.0 s)",
        "python3 (4242, since 3.0 s)",
        "python3 (4250)",
    ];
    assert_eq!(sorted, expected);
    let text = text(&run, 120, false);
    for owner in expected {
        assert!(text.contains(&format!("['id_title'] of {owner}")), "{text}");
    }
}

#[test]
fn perf_maps_that_are_of_no_use_are_told_once_a_process_and_harmless() {
    let mut run = run(SERVICE);
    let problem = |pid: u32, problem: &str| PerfMapProblem {
        pid,
        problem: problem.into(),
    };
    assert!(!text(&run, 80, false).contains("perf map"));
    run.who_wrote.perf_map_problems = vec![
        problem(4250, "was not used: it is a symbolic link"),
        problem(9, "was not used: \u{1b}[2J</script>\u{202e}"),
    ];
    let told = text(&run, 160, false);
    for line in [
        "The perf map of python3 (4250), which names code made at run time, was not used: it is a symbolic link.",
        "The perf map of process 9, which names code made at run time, was not used: \\u{1b}[2J</script>\\u{202e}.",
    ] {
        assert_eq!(told.matches(line).count(), 1, "{told}");
    }
    let measured = page_data(&run)["measured"].to_string();
    assert!(
        measured.contains("That of python3 (4250) was not used"),
        "{measured}"
    );
    assert!(!measured.contains('\u{1b}') && !measured.contains('\u{202e}'));
    let problems = &json(&run)["run"]["perf_map_problems"];
    assert_eq!(
        problems[0],
        json!({"pid": 4250, "problem": "was not used: it is a symbolic link"})
    );
    // Of many, the text lists only a few.
    run.who_wrote.perf_map_problems = (1..=64).map(|pid| problem(pid, "was not used")).collect();
    let told = text(&run, 160, false);
    assert_eq!(told.matches("The perf map of ").count(), 3);
    let others = "The perf maps of 61 more processes had problems, too: -f json has them.";
    assert!(told.contains(others), "{told}");
    run.who_wrote.perf_map_problems.truncate(4);
    let other = "The perf map of 1 more process had a problem, too: -f json has it.";
    assert!(text(&run, 160, false).contains(other));
}

/// A heading describes an existing column, and a process keeps its role as long as its name.
#[test]
fn headings_explain_what_is_shown() {
    let mut run = run(SERVICE);
    for process in &mut run.memory.processes {
        process.exited_ns = Some(process.started_ns + 1);
    }
    let has_column = |text: &str, title: &str, column: &str| {
        let (_, section) = text.split_once(title).expect("the section");
        let line = section
            .lines()
            .find(|line| line.trim_start().starts_with("copied"));
        line.expect("a header")
            .split_whitespace()
            .any(|it| it == column)
    };
    for width in 40..=120 {
        let text = text(&run, width, false);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (title, column, explained) in [
            (
                "WHERE THE COPIES COME FROM",
                "inherited",
                "(present memory x",
            ),
            ("WHO COPIED", "reused", "(reused: write faults"),
        ] {
            let is_shown = has_column(&text, title, column);
            assert_eq!(words.contains(explained), is_shown, "{width}: {text}");
        }
        let (_, who) = text.split_once("WHO COPIED").expect("the section");
        let told = |role: &str| who.lines().filter(|line| line.contains(role)).count();
        assert!(
            told(" worker") >= 3 && told(" master") == 1,
            "{width}: {who}"
        );
    }
}
