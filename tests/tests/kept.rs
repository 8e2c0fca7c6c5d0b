//! Runs that are kept without being asked for, as `cowtrace report` and `cowtrace diff` find them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use cowtrace::{recording::RecordingWriter, run::Run};
use cowtrace_tests::{
    command::{failed, fails},
    recorded::Folder,
    tracer::program,
};
use serde_json::{Value, json};

const SERVICE: &str = include_str!("runs/service.json");

/// A user's home, with the folder of kept runs in it.
struct Home(Folder);

impl Home {
    fn new(name: &str) -> Self {
        let home = Self(Folder::new(name));
        fs::create_dir_all(home.path("")).expect("a folder");
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(home.path(""), mode).expect("it is ours");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(".local/state/cowtrace").join(name)
    }

    /// The name of a run that began then.
    fn name(second: u32, program: &str) -> String {
        format!("2026-11-27T11-30-{second:02}.000Z-42-{program}.cow")
    }

    /// A run that is being written still.
    fn begin(&self, second: u32, program: &str) -> (RecordingWriter, Run) {
        let name = Self::name(second, program);
        let mut run: Value = serde_json::from_str(SERVICE).expect("a stored run");
        run["head"]["id"] = json!(name);
        run["head"]["labels"]["build"] = json!(name);
        let run: Run = serde_json::from_value(run).expect("a run");
        let writer = RecordingWriter::create(&self.path(&name), false, &run);
        (writer.expect("it can be created"), run)
    }

    fn run(&self, second: u32, program: &str) {
        let (writer, run) = self.begin(second, program);
        writer.finish(&run).expect("it can be written");
    }

    fn cowtrace(&self, arguments: &[&str]) -> Output {
        Command::new(program("cowtrace"))
            .args(arguments)
            .env("HOME", &self.0.0)
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::null())
            .output()
            .expect("cowtrace runs")
    }

    /// The run that `cowtrace report` shows.
    #[track_caller]
    fn reported(&self) -> String {
        let output = self.cowtrace(&["report", "-f", "json"]);
        assert!(output.status.success(), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("json");
        report["run"]["id"].as_str().expect("an id").to_owned()
    }
}

#[test]
fn a_report_without_a_file_is_of_the_last_run() {
    let home = Home::new("last");
    home.run(10, "web");
    home.run(12, "demo");
    home.run(11, "web");
    assert_eq!(home.reported(), Home::name(12, "demo"));
    for format in ["text", "html", "csv"] {
        let named = home.path(&Home::name(12, "demo"));
        let named = named.to_str().expect("plain");
        // The short text ends with the command for more, which names a recording only if it was named.
        let last = home.cowtrace(&["report", "--full", "-f", format]);
        let by_name = home.cowtrace(&["report", named, "--full", "-f", format]);
        assert_eq!(last.stdout, by_name.stdout);
        let said = String::from_utf8_lossy(&last.stderr);
        assert_eq!(
            said,
            format!("cowtrace: demo (42), 2026-11-27 11:30:12 UTC: {named}\n")
        );
    }
    // Nor is it overwritten by its own report.
    let own = home.path(&Home::name(12, "demo"));
    let own = own.to_str().expect("plain");
    let output = home.cowtrace(&["report", "--force", "-o", own]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_comparison_without_files_is_of_the_last_two_runs_of_one_program() {
    let home = Home::new("pair");
    for (second, program) in [(1, "web"), (2, "web"), (3, "demo"), (4, "web")] {
        home.run(second, program);
    }
    let output = home.cowtrace(&["diff"]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    for (side, second) in [("BASE", 2), ("NEW", 4)] {
        let name = Home::name(second, "web");
        let line = format!("{side} is web (42), 2026-11-27 11:30:{second:02} UTC: ");
        let line = said.lines().find(|it| it.contains(&line)).expect(&said);
        assert!(line.ends_with(&name), "{said}");
    }
    let named = |second| home.path(&Home::name(second, "web")).display().to_string();
    let of_named = home.cowtrace(&["diff", &named(2), "--against", &named(4)]);
    assert_eq!(output.stdout, of_named.stdout);
    home.run(5, "demo2");
    failed(
        &home.cowtrace(&["diff"]),
        1,
        "the last run kept is of demo2, and no other run of it is kept",
    );
}

#[test]
fn one_side_alone_is_wrong_usage() {
    fails(&["diff", "a.cow"], 2, "--against");
    fails(&["diff", "--against", "a.cow"], 2, "BASE");
}

#[test]
fn where_nothing_is_kept_the_error_says_what_to_do() {
    let home = Home::new("nothing");
    for arguments in [&["report"][..], &["report", "-f", "html"], &["diff"]] {
        let output = home.cowtrace(arguments);
        failed(&output, 1, "no run is kept in ");
        failed(&output, 1, "`sudo cowtrace --pid PID`");
    }
    fs::remove_dir(home.path("")).expect("it is empty");
    failed(&home.cowtrace(&["report"]), 1, "no run is kept in ");
    assert!(
        !home.path("").exists(),
        "nor is a folder made to look in it"
    );
    let home = Command::new(program("cowtrace"))
        .arg("report")
        .env("XDG_STATE_HOME", "relative")
        .env("HOME", "relative")
        .output();
    failed(
        &home.expect("cowtrace runs"),
        1,
        "set HOME or XDG_STATE_HOME",
    );
}

#[test]
fn a_run_that_is_being_traced_is_not_the_last_yet() {
    let home = Home::new("running");
    let running = home.begin(9, "web");
    failed(&home.cowtrace(&["report"]), 1, "is still being traced");
    home.run(8, "web");
    assert_eq!(home.reported(), Home::name(8, "web"));
    failed(&home.cowtrace(&["diff"]), 1, "no other run of it is kept");
    // Killed: it holds what there was until then.
    drop(running);
    assert_eq!(home.reported(), Home::name(9, "web"));
}

#[test]
fn runs_are_found_where_sudo_keeps_them_as_well() {
    let home = Home::new("both");
    home.run(1, "web");
    let output = Command::new(program("cowtrace"))
        .args(["report", "-f", "csv"])
        .env("HOME", &home.0.0)
        .env("XDG_STATE_HOME", home.0.path("elsewhere"))
        .output()
        .expect("cowtrace runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_somebody_put_there_is_not_looked_at() {
    let home = Home::new("hostile");
    home.run(1, "web");
    let elsewhere = home.0.path("run.cow");
    fs::copy(home.path(&Home::name(1, "web")), &elsewhere).expect("a copy");
    symlink(&elsewhere, home.path(&Home::name(9, "web"))).expect("a link");
    fs::write(home.path(&Home::name(8, "web")), "no recording").expect("a file");
    fs::create_dir(home.path(&Home::name(7, "web"))).expect("a folder");
    fs::write(home.path(&Home::name(6, "web")), "").expect("a file");
    let pipe = home.path(&Home::name(5, "web"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    fs::copy(
        &elsewhere,
        home.path("2026-11-27T11-30-59.000Z-42-a\x1b[2Jb.cow"),
    )
    .expect("a copy");
    assert_eq!(home.reported(), Home::name(1, "web"));
    let alone = home.cowtrace(&["diff"]);
    failed(&alone, 1, "no other run of it is kept");
    // A folder that leads elsewhere, or that others write into.
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o777)).expect("it is ours");
    failed(&home.cowtrace(&["report"]), 1, "other users may write into");
    fs::rename(home.path(""), home.0.path("moved")).expect("it is ours");
    symlink(home.0.path("moved"), home.0.0.join(".local/state/cowtrace")).expect("a link");
    failed(&home.cowtrace(&["report"]), 1, "is a symbolic link");
}
