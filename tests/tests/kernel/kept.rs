//! Traces that nobody wants recorded leave their recordings where `cowtrace report` finds them.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    recorded::Folder,
    report::Report,
    tracer::{can_trace, program},
};

/// cowtrace that keeps runs in this folder's `cowtrace`.
fn keeping(state: &Folder) -> Command {
    let mut command = Command::new(program("cowtrace"));
    command
        .env("XDG_STATE_HOME", &state.0)
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn trace(state: &Folder, arguments: &[&str]) -> Output {
    let mut command = keeping(state);
    command.args(["-f", "json"]).args(arguments);
    command.output().expect("cowtrace runs")
}

/// The runs kept in a folder, the oldest first.
fn kept(state: &Folder) -> Vec<String> {
    let Ok(entries) = fs::read_dir(state.path("cowtrace")) else {
        return Vec::new();
    };
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).into_string().expect("text"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_is_kept_for_its_user_alone_and_reported_again() {
    if !can_trace("kept run") {
        return;
    }
    let state = Folder::new("kept");
    let output = trace(&state, &["--label", "a=b", "--", "true"]);
    assert!(output.status.success(), "{output:?}");
    let names = kept(&state);
    let [name] = names.as_slice() else {
        panic!("{names:?}")
    };
    assert!(name.ends_with("-true.cow"), "{name}");
    let path = state.path(&format!("cowtrace/{name}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let line =
        format!("cowtrace: kept as {path}, with the last 5 runs; `cowtrace report` shows it again");
    assert_eq!(said.lines().last(), Some(line.as_str()), "{said}");
    for (place, mode) in [(state.path("cowtrace"), 0o700), (path, 0o600)] {
        assert_eq!(
            fs::metadata(place).expect("it is there").mode() & 0o777,
            mode
        );
    }
    let mut again = keeping(&state);
    let again = again.args(["report", "-f", "json"]).output();
    assert_eq!(again.expect("it runs").stdout, output.stdout);
}

#[test]
fn nothing_is_kept_of_a_run_that_is_recorded_or_not_to_be_kept() {
    if !can_trace("not kept") {
        return;
    }
    let state = Folder::new("unwanted");
    let run = state.path("run.cow");
    for arguments in [
        &["-o", &run, "--", "true"][..],
        &["--no-keep", "--", "true"],
    ] {
        let output = trace(&state, arguments);
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("kept as"), "{said}");
    }
    // Nor where there is no run.
    let failed = trace(&state, &["--", "/no/such/command"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert_eq!(state.names(), ["run.cow"]);
}

#[test]
fn five_runs_are_kept_and_the_last_two_are_compared() {
    if !can_trace("rotation") {
        return;
    }
    let state = Folder::new("rotation");
    let mut last = Vec::new();
    for _ in 0..7 {
        let output = trace(&state, &["--no-writers", "--", "sh", "-c", ":"]);
        assert!(output.status.success(), "{output:?}");
        last = output.stdout;
    }
    assert_eq!(kept(&state).len(), 5);
    let again = keeping(&state).args(["report", "-f", "json"]).output();
    assert_eq!(again.expect("it runs").stdout, last);
    let compared = keeping(&state).arg("diff").output().expect("it runs");
    let said = String::from_utf8_lossy(&compared.stderr);
    assert!(compared.status.success(), "{said}");
    for (side, name) in ["BASE", "NEW"].iter().zip(&kept(&state)[3..]) {
        let line = said.lines().find(|line| line.contains(side)).expect(&said);
        assert!(line.ends_with(name), "{said}");
    }
}

#[test]
fn where_it_cannot_be_kept_one_line_says_so_and_the_trace_goes_on() {
    if !can_trace("unkept") {
        return;
    }
    let state = Folder::new("unkept");
    fs::write(state.path("cowtrace"), "in the way").expect("a file");
    let output = trace(&state, &["--", "true"]);
    assert!(output.status.success(), "{output:?}");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(!Report::parse(&report).processes().is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("kept")).collect();
    let [warning] = warnings.as_slice() else {
        panic!("{said}")
    };
    assert!(warning.contains("is not kept: "), "{said}");
    assert!(warning.contains("cowtrace is not a folder"), "{said}");
    assert_eq!(
        fs::read_to_string(state.path("cowtrace")).expect("a file"),
        "in the way"
    );
}

#[test]
fn a_run_whose_file_is_gone_is_reported_all_the_same() {
    if !can_trace("kept file gone") {
        return;
    }
    let state = Folder::new("gone");
    let folder = state.path("cowtrace");
    let script = format!("sleep 1; rm {folder}/*.cow; sleep 2");
    let output = trace(&state, &["--", "sh", "-c", &script]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("was removed while it was being written"),
        "{said}"
    );
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(!Report::parse(&report).processes().is_empty());
    assert!(kept(&state).is_empty());
}

#[test]
fn a_run_whose_trace_was_killed_is_kept_as_far_as_it_came() {
    if !can_trace("killed") {
        return;
    }
    let state = Folder::new("keptkilled");
    let mut tracer = keeping(&state)
        .args(["-f", "json", "--", "sleep", "60"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("cowtrace starts");
    let read = || {
        let mut report = keeping(&state);
        let name = kept(&state).pop().unwrap_or_default();
        let path = Path::new(&state.path("cowtrace")).join(name);
        let output = report.args(["report", "-f", "json"]).arg(path).output();
        let text = output.expect("cowtrace runs").stdout;
        let text = String::from_utf8_lossy(&text).into_owned();
        (!text.is_empty()).then(|| Report::parse(&text))
    };
    let begun = Instant::now();
    while read().is_none_or(|report| report.processes().is_empty()) {
        assert!(begun.elapsed() < Duration::from_mins(1), "no trace");
        thread::sleep(Duration::from_millis(50));
    }
    tracer.kill().expect("it is ours");
    tracer.wait().expect("it is ours");
    let last = keeping(&state).args(["report", "-f", "json"]).output();
    let last = String::from_utf8(last.expect("it runs").stdout).expect("text");
    let last = Report::parse(&last);
    assert_eq!(last.0["run"]["unfinished"], true);
    let pid = last.processes()[0]["pid"].as_i64().expect("a pid");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it sleeps");
}

#[test]
fn a_folder_of_others_is_not_used() {
    if !can_trace("open folder") {
        return;
    }
    let state = Folder::new("open");
    fs::create_dir(state.path("cowtrace")).expect("a folder");
    let mode = fs::Permissions::from_mode(0o777);
    fs::set_permissions(state.path("cowtrace"), mode).expect("it is ours");
    let output = trace(&state, &["--", "true"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("other users may write into"), "{said}");
    assert!(kept(&state).is_empty());
}
