//! What is in contrib/: held against the programs that it is for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cowtrace_tests::recorded::Folder;
use serde_json::Value;

use super::prometheus;

fn contributed(path: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.join("../contrib").join(path)
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn the_alert_rules_pass_their_tests() {
    for arguments in [
        ["check", "rules", "cowtrace.rules.yml"],
        ["test", "rules", "cowtrace.test.yml"],
    ] {
        let output = Command::new(prometheus::program("promtool"))
            .args(arguments)
            .current_dir(contributed("prometheus"))
            .output();
        let output = output.expect("promtool starts");
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// All expressions of the dashboard, as they are asked for with a service chosen.
pub(super) fn expressions_of_dashboard() -> Vec<String> {
    let text = fs::read_to_string(contributed("grafana/cowtrace.json")).expect("it is there");
    let board: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let panels = board["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let expressions = targets.map(|target| target["expr"].as_str().expect("an expression"));
    expressions
        .map(|text| {
            text.replace("$target", ".+")
                .replace("$__rate_interval", "1m")
        })
        .collect()
}

#[test]
fn the_unit_is_sound_and_exposes_little() {
    let text = fs::read_to_string(contributed("systemd/cowtrace@.service")).expect("it is there");
    let folder = Folder::new("unit");
    let unit = folder.path("cowtrace@shop.service");
    // The program need not be installed here.
    fs::write(&unit, text.replace("/usr/bin/cowtrace", "/bin/true")).expect("a folder");
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).output();
        output.expect("systemd-analyze is there; `cargo xtask test` installs it")
    };
    let output = analyze(&["verify", "--man=no", &unit]);
    assert!(output.status.success(), "{}", said(&output));
    // In tenths of its scale, on which 10 is without any protection.
    let output = analyze(&["security", "--offline=true", "--threshold=40", &unit]);
    assert!(output.status.success(), "{}", said(&output));
}
