//! The contract of the command line: status codes, streams, and messages that say what to do.

use std::{
    fs::File,
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use cowtrace_tests::{
    command::{cowtrace, failed, fails},
    tracer::program,
};

#[test]
fn wrong_usage_is_status_2() {
    fails(&[], 2, "--pid");
    fails(&["--pid", "x"], 2, "invalid value");
    fails(&["--pid", "1", "--", "ls"], 2, "cannot be used with");
    fails(&["--nonsense"], 2, "unexpected argument");
    fails(&["--pid", "1", "-f", "yaml"], 2, "possible values");
}

#[test]
fn bad_durations_sizes_and_labels_say_what_is_right() {
    fails(&["--pid", "1", "-d", "soon"], 2, "250ms, 30s, 5m or 1h30m");
    fails(&["--pid", "1", "-d", "0s"], 2, "must be above 0");
    fails(&["--pid", "1", "-i", "1ms"], 2, "50ms to 1h");
    fails(&["--pid", "1", "--range", "5000"], 2, "power of two");
    fails(&["--pid", "1", "--label", "novalue"], 2, "key=value");
}

#[test]
fn a_value_that_begins_with_a_hyphen_is_taken_for_a_value() {
    let negative = ["diff", "a", "--against", "b", "--fail-above", "-3%"];
    fails(
        &negative,
        2,
        "'-3%' for '--fail-above <PERCENT>': must be 0% or more",
    );
    fails(&["--pid", "1", "-i", "-1s"], 2, "'-1s' for '--interval");
    fails(
        &["--pid", "1", "--range", "-4KiB"],
        2,
        "'-4KiB' for '--range",
    );
    fails(&["demo", "--workers", "-1"], 2, "-1 is not in 1..=64");
    for option in [
        &negative[..],
        &["--pid", "1", "-i", "-1s"],
        &["demo", "--workers", "-1"],
    ] {
        let output = cowtrace(option);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("tip:"), "{errors}");
    }
}

#[test]
fn targets_that_are_not_there_are_one_line_and_status_1() {
    fails(
        &["--unit", "no-such-unit"],
        1,
        "no unit no-such-unit.service",
    );
    fails(
        &["--container", "abcdefabcdef"],
        1,
        "no container abcdefabcdef",
    );
    fails(
        &["--cgroup", "no/such\x1b[2J"],
        1,
        "no cgroup no/such\\u{1b}[2J",
    );
    fails(&["--cgroup", "../.."], 1, "no cgroup ../..");
    // What calls cowtrace, and cowtrace itself, have this in their command lines.
    fails(
        &["--match", "no-such-process-at-all"],
        1,
        "matches no-such-process-at-all",
    );
}

#[test]
fn targets_and_their_names_are_checked() {
    fails(&["--unit", "a b"], 2, "such as web.service");
    fails(&["--container", "abc"], 2, "4 to 64");
    fails(&["--match", "("], 2, "no regular expression");
    fails(
        &["--pid", "1", "--name", "web"],
        2,
        "--name web names no target",
    );
    let twice = ["--name", "a", "--pid", "1", "--name", "a", "--unit", "x"];
    fails(&twice, 2, "two targets are called a");
    fails(&["--unit", "web", "--", "ls"], 2, "cannot be used with");
    fails(
        &["--unit", "web", "--ignore-command-status"],
        2,
        "cannot be used with",
    );
}

#[test]
fn a_label_is_given_once() {
    let twice = "the label a is given twice";
    fails(&["label", "no-such.cow", "a=1", "a=2"], 2, twice);
    fails(
        &["--label", "a=1", "--label", "a=2", "--", "true"],
        2,
        twice,
    );
    fails(&["demo", "--label", "a=1", "--label", "a=1"], 2, twice);
    let per = ["diff", "a", "--against", "b", "--per", "a=1"];
    fails(&per, 2, "only the name of a label");
}

#[test]
fn a_command_without_dashes_is_answered_with_the_command_that_was_meant() {
    fails(&["sleep", "1"], 2, "did you mean `cowtrace -- sleep 1`?");
    fails(&["record"], 2, "`cowtrace -o run.cow -- COMMAND`");
    fails(&["attach", "123"], 2, "`cowtrace --pid 123`");
    fails(&["--pid", "abc"], 2, "pgrep");
}

#[test]
fn a_hostile_name_is_quoted_harmless_in_one_line() {
    let output = cowtrace(&["report", "no\nsuch\x1b[2Jfile"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("no\\u{a}such\\u{1b}[2Jfile"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

/// Runs cowtrace on itself, after a shell command.
fn after(line: &str) -> Output {
    let script = format!("{line}; exec \"$0\" --pid $$ -d 0.1");
    Command::new("bash")
        .args(["-c", &script])
        .arg(program("cowtrace"))
        .output()
        .expect("bash runs")
}

#[test]
fn too_few_open_files_are_named_as_the_cause() {
    for limit in [8, 16, 24, 32, 64] {
        let output = after(&format!("ulimit -n {limit}"));
        failed(&output, 1, &format!("only {limit} files may be open"));
        failed(&output, 1, "`ulimit -n 1024`");
    }
}

/// The limit is high enough, but too little of it is left.
#[test]
fn each_backend_that_cannot_run_has_a_line_of_its_own() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let output = after("ulimit -n 128; for n in {10..110}; do eval \"exec $n</dev/null\"; done");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("cannot trace here"), "{errors}");
    assert!(!errors.contains("\\u{"), "{errors}");
    let backends = ["trampoline", "kprobe", "tracepoint"];
    for backend in backends {
        let line = format!("  {backend}: ");
        assert!(errors.lines().any(|it| it.starts_with(&line)), "{errors}");
    }
    assert!(errors.contains("too many open files"), "{errors}");
}

#[test]
fn a_pid_that_cannot_be_traced_is_one_line_and_status_1() {
    fails(&["--pid", "4194304"], 1, "there is no process 4194304");
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name.trim() == "kthreadd") {
        fails(&["--pid", "2"], 1, "is a kernel thread");
    }
}

#[test]
fn a_zombie_has_exited_already() {
    let mut child = Command::new("true").spawn().expect("true runs");
    let pid = child.id().to_string();
    while !std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.contains(") Z "))
    {
        std::thread::yield_now();
    }
    fails(&["--pid", &pid], 1, "exited already");
    child.wait().expect("true is ours");
}

#[test]
fn without_privilege_the_capabilities_are_named() {
    if !nix::unistd::Uid::effective().is_root() {
        fails(&["--pid", &std::process::id().to_string()], 1, "CAP_BPF");
        return;
    }
    let own = std::env::temp_dir().join(format!("cowtrace-cli-{}", std::process::id()));
    std::fs::copy(program("cowtrace"), &own).expect("a copy that anybody may run");
    let pid = std::process::id().to_string();
    let mut command = Command::new(&own);
    command.args(["--pid", &pid]).uid(65_534).gid(65_534);
    let output = loop {
        match command.output() {
            // A child that another test has just forked still has the copy open as it was written.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
            output => break output.expect("it runs"),
        }
    };
    std::fs::remove_file(own).expect("the copy is there");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE") && errors.contains("sudo"),
        "{errors}"
    );
}

/// In the namespace a process may have every capability, but none of them counts for tracing.
#[test]
fn in_a_user_namespace_the_namespace_is_named_whatever_it_grants() {
    let pid = std::process::id().to_string();
    for namespace in ["-Ur", "-U"] {
        let unshared = |words: &[&str]| {
            let mut command = Command::new("unshare");
            command.arg(namespace).args(words).stdin(Stdio::null());
            command.output().expect("unshare runs")
        };
        let granted = unshared(&["true"]);
        if !granted.status.success() {
            let why = String::from_utf8_lossy(&granted.stderr);
            println!("SKIPPED user namespace {namespace}: {why}");
            continue;
        }
        let cowtrace = program("cowtrace").display().to_string();
        let traced = unshared(&[&cowtrace, "--pid", &pid, "-d", "0.1"]);
        failed(
            &traced,
            1,
            "cannot trace here: this process is in a user namespace",
        );
        failed(&traced, 1, "run cowtrace as the machine's own root");
        // The same words, in a table.
        let doctor = unshared(&[&cowtrace, "doctor"]);
        assert_eq!(doctor.status.code(), Some(1), "{namespace}");
        let told = String::from_utf8_lossy(&doctor.stdout);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            told.contains("no privileges this process is in a user namespace of its own"),
            "{told}"
        );
    }
}

#[test]
fn a_closed_pipe_is_a_normal_end() {
    let mut child = Command::new(program("cowtrace"))
        .arg("man")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let mut errors = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut errors)
        .expect("text");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(errors, "");
}

#[test]
fn output_that_cannot_be_written_is_status_1() {
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full is there");
    let mut all = vec![
        vec!["man"],
        vec!["completions", "bash"],
        vec!["--help"],
        vec!["-h"],
        vec!["help"],
        vec!["--version"],
        vec!["--version", "-v"],
    ];
    for subcommand in [
        "report",
        "doctor",
        "demo",
        "diff",
        "label",
        "completions",
        "man",
    ] {
        all.push(vec![subcommand, "--help"]);
        all.push(vec!["help", subcommand]);
    }
    for arguments in &all {
        let full = full.try_clone().expect("a second handle");
        let output = Command::new(program("cowtrace"))
            .args(arguments)
            .stdout(full)
            .output()
            .expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains("cannot write") && errors.contains("No space left"),
            "{arguments:?}: {errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn help_that_nobody_can_read_is_status_1_and_a_reader_that_has_enough_is_a_normal_end() {
    for (to, status) in [
        (">&-", 1),
        ("1</dev/null", 1),
        ("| :; exit ${PIPESTATUS[0]}", 0),
    ] {
        let output = Command::new("bash")
            .args(["-c", &format!("\"$0\" --help {to}")])
            .arg(program("cowtrace"))
            .output()
            .expect("bash runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{to}: {errors}");
        assert_eq!(
            errors.contains("cannot write to standard output"),
            status == 1,
            "{errors}"
        );
    }
}

#[test]
fn help_version_completions_and_manual_go_to_standard_output() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["-vV"],
        &["completions", "zsh"],
        &["man"],
        &["demo", "--help"],
        &["list", "--help"],
    ] {
        let output = cowtrace(arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    let help = String::from_utf8(cowtrace(&["--help"]).stdout).expect("text");
    let manual = String::from_utf8(cowtrace(&["man"]).stdout).expect("text");
    let completions = String::from_utf8(cowtrace(&["completions", "bash"]).stdout).expect("text");
    for option in ["unit", "container", "cgroup", "match", "name"] {
        assert!(help.contains(&format!("--{option} ")), "{option}");
        assert!(manual.contains(&format!("\\-\\-{option}\\fR")), "{option}");
        assert!(completions.contains(&format!("--{option}")), "{option}");
    }
    assert!(
        !help.contains("__"),
        "hidden subcommands stay hidden: {help}"
    );
}

#[test]
fn every_subcommand_has_a_page_in_the_manual() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manual");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let output = cowtrace(&["man", "--folder", folder.to_str().expect("text")]);
    assert!(output.status.success(), "{output:?}");
    for name in [
        "cowtrace",
        "cowtrace-report",
        "cowtrace-diff",
        "cowtrace-heap",
        "cowtrace-man",
    ] {
        let page = std::fs::read_to_string(folder.join(format!("{name}.1")));
        assert!(
            page.expect("a page").contains(&format!(".TH {name} 1")),
            "{name}"
        );
    }
    assert!(!folder.join("cowtrace-__name.1").exists());
    let nowhere = cowtrace(&["man", "--folder", "/no/such/folder"]);
    let errors = String::from_utf8(nowhere.stderr).expect("text");
    assert!(
        errors.starts_with("error: cannot write the manual into /no/such/folder"),
        "{errors}"
    );
}
