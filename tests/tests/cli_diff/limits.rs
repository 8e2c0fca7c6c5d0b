//! `--fail-above`: which comparisons fail, and which cannot be judged.

use serde_json::{Value, json};

use super::{Folder, text};

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
        "give 3 or more per side",
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
            run["memory"]["processes"][0]["exited_ns"] = json!(1);
            run["memory"]["processes"][0]["exit"] = exit;
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
            let ns = run["head"]["duration_ns"].as_f64().expect("a number");
            run["head"]["duration_ns"] = json!((ns * factor) as u64);
        }
    };
    folder.changed("long", length(2.1));
    folder.changed("longer", length(1.9));
    folder.changed("idle", |run| {
        for (group, list) in [
            ("memory", "processes"),
            ("memory", "regions"),
            ("memory", "rows"),
            ("who_wrote", "writers"),
            ("who_holds", "holders"),
            ("who_holds", "heap_walks"),
        ] {
            let list = run[group][list].as_array_mut().expect("a list");
            list.clear();
        }
        run["memory"]["timeline"]["samples"] = json!([]);
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
    // With units of work, a run may take any time.
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
