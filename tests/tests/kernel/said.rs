//! What a trace prints while it runs: when the hooks are attached, and how much with `-vv`.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use cowtrace_tests::{
    recorded::interrupt,
    report::Report,
    tracer::{can_trace, program},
    workload::{Workload, writers},
};

#[test]
fn a_line_says_that_the_hooks_are_on_and_every_copy_after_it_is_counted() {
    if !can_trace("tracing") {
        return;
    }
    for (case, lines_before, processes) in [
        ("child-writes", 0, "1 process"),
        ("waiting-workers", 1, "4 processes"),
    ] {
        let mut workload = Workload::prepare(case);
        (0..lines_before).for_each(|_| drop(workload.run()));
        // The line disturbs nothing else here, so it is printed even without -v.
        let mut tracer = Command::new(program("cowtrace"))
            .args([
                "--no-keep",
                "-f",
                "json",
                "--range",
                "4KiB",
                "--pid",
                &workload.pid().to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cowtrace starts");
        let mut errors = BufReader::new(tracer.stderr.take().expect("piped"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("text");
        assert_eq!(
            line,
            format!(
                "cowtrace: tracing {processes}; Ctrl-C or SIGTERM ends the trace with its report\n"
            )
        );
        let written = writers(&workload.run());
        interrupt(tracer.id());
        let mut report = String::new();
        let mut output = tracer.stdout.take().expect("piped");
        output.read_to_string(&mut report).expect("text");
        line.clear();
        errors.read_to_string(&mut line).expect("text");
        assert_eq!(line, "", "nothing else is said");
        assert!(tracer.wait().expect("it is ours").success());
        let counts = Report::parse(&report).counts_in(workload.start, workload.end);
        for writer in written {
            assert_eq!(
                counts[&writer.pid].copied, writer.changed,
                "{case}: {writer:?}"
            );
        }
        workload.end();
    }
}

/// Lines of `-vv` that are printed once: which backends cannot run and which one does, what it does
/// without, what is traced, why it ends. 9 here; kernels differ a little.
const ONCE: usize = 24;
/// Lines per process: that it was forked, started a program, and exited.
const A_PROCESS: usize = 3;

#[test]
fn twice_verbose_says_a_few_lines_and_three_a_process() {
    if !can_trace("verbose lines") {
        return;
    }
    for processes in [1, 30] {
        let script = "n=0; while [ $n -lt $1 ]; do (:); n=$((n+1)); done";
        let output = Command::new(program("cowtrace"))
            .args(["-vv", "-f", "json", "--", "sh", "-c", script, "sh"])
            .arg(processes.to_string())
            .output()
            .expect("cowtrace runs");
        assert!(output.status.success(), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        let lines = errors.lines().count();
        // Two for each child, that it was forked and that it exited, and those of the shell itself.
        let least = 2 * processes;
        let most = ONCE + A_PROCESS * (processes + 1);
        assert!((least..=most).contains(&lines), "{lines} lines: {errors}");
        let longest = errors.lines().map(str::len).max().unwrap_or(0);
        assert!(longest < 1_000, "a line of {longest} bytes: {errors}");
    }
}
