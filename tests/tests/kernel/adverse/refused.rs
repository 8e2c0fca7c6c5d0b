//! Systems that show or allow less: /proc and /sys that hide, cannot be written or are not there, and filters of system
//! calls. Either the trace is complete, or one error says what is missing.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Output, Stdio},
};

use cowtrace_tests::{
    tracer::{Tracer, can_trace, program},
    workload::Workload,
};
use nix::libc;

/// Executes its arguments in a mount namespace of its own, after a script there.
fn after(script: &str) -> Vec<String> {
    let script = format!("{script} && exec \"$0\" \"$@\"");
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c"];
    let words = words.into_iter().map(str::to_owned);
    words.chain([script]).collect()
}

/// Drops everything but the capabilities that a trace needs.
const AS_NOBODY: &str = "exec setpriv --reuid 65534 --regid 65534 --clear-groups \
    --inh-caps +bpf,+perfmon,+sys_ptrace,+dac_read_search,+dac_override \
    --ambient-caps +bpf,+perfmon,+sys_ptrace,+dac_read_search,+dac_override \"$0\" \"$@\"";

#[test]
fn what_is_hidden_or_read_only_does_not_matter_to_a_trace() {
    if !can_trace("hidden and read-only") {
        return;
    }
    let hidden = "mount -t proc -o hidepid=invisible proc /proc";
    let as_nobody = format!("{hidden} && {AS_NOBODY}");
    for script in [
        &as_nobody,
        "mount -o remount,bind,ro /sys && mount -o remount,bind,ro /proc",
    ] {
        let mut workload = Workload::prepare("three-children");
        let wrapper = after(script);
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let tracer = Tracer::under(&wrapper, workload.pid());
        let writers = workload.writers();
        let report = tracer.stop();
        let counts = report.counts_in(workload.start, workload.end);
        assert_eq!(writers.len(), 3);
        for writer in writers {
            assert_eq!(writer.changed, 1000);
            assert_eq!(counts[&writer.pid].copied, 1000, "{script}");
        }
        workload.end();
    }
}

/// Executes its arguments in a domain of Landlock, which may look into no process outside of itself, whatever its
/// capabilities (landlock(7)). It handles the making of sockets alone.
const IN_DOMAIN: &str = "\
import ctypes, os, struct, sys
kernel = ctypes.CDLL(None, use_errno=True)
handled = struct.pack('Q', 1 << 9)
rules = kernel.syscall(444, handled, len(handled), 0)
assert rules >= 0, os.strerror(ctypes.get_errno())
assert kernel.prctl(38, 1, 0, 0, 0) == 0
assert kernel.syscall(446, rules, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
";

#[test]
fn where_memory_may_not_be_read_copies_are_counted_and_the_rest_is_called_unknown() {
    if !can_trace("Landlock") {
        return;
    }
    let mut workload = Workload::prepare("three-children");
    let mut tracer = Tracer::under(&["python3", "-c", IN_DOMAIN], workload.pid());
    let said = tracer.hear_after("cowtrace: the kernel keeps it from reading process ", ',');
    assert_eq!(said, workload.pid().to_string());
    let writers = workload.writers();
    let report = tracer.stop();
    let counts = report.counts_in(workload.start, workload.end);
    assert_eq!(writers.len(), 3);
    for writer in writers {
        assert_eq!(counts[&writer.pid].copied, 1000);
    }
    let unseen = report.0["run"]["backend_unseen"].to_string();
    assert!(
        unseen.contains("objects, lines and variables (the kernel keeps cowtrace from reading"),
        "{unseen}"
    );
    workload.end();
}

/// What cowtrace says of a process where it cannot trace.
fn refused(command: &mut Command) -> Output {
    let pid = std::process::id().to_string();
    let command = command.args(["--no-keep", "-d", "100ms", "--pid", &pid]);
    command.stdin(Stdio::null()).output().expect("it runs")
}

/// One error, perhaps with a line for each backend, that names what is missing.
#[track_caller]
fn expect_refusal(output: &Output, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(output.stdout.is_empty(), "there is no report");
    assert!(errors.starts_with("error: "), "{errors}");
    assert!(errors.contains(says), "{errors}");
    let mut lines = errors.lines().skip(1);
    assert!(lines.all(|line| line.starts_with("  ")), "{errors}");
}

#[test]
fn without_sys_or_proc_one_error_says_so() {
    if !can_trace("no /sys") {
        return;
    }
    for (place, says) in [("/sys", "/sys"), ("/proc", "/proc")] {
        let words = after(&format!("mount -t tmpfs none {place}"));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program("cowtrace"));
        expect_refusal(&refused(&mut command), says);
    }
}

/// Has a command's system calls of this number fail.
fn without(call: libc::c_long, error: i32) -> Command {
    let mut command = Command::new(program("cowtrace"));
    // SAFETY: the filter calls prctl alone, which is allowed between fork and exec.
    unsafe { command.pre_exec(move || forbid(call, error)) };
    command
}

/// A filter of seccomp(2): loads the call's number, compares it, and allows it or returns the error.
fn forbid(call: libc::c_long, error: i32) -> io::Result<()> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const COMPARE: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf,
        k,
    };
    let mut steps = [
        step(LOAD, 0, 0),
        step(COMPARE, 1, call as u32),
        step(RETURN, 0, libc::SECCOMP_RET_ERRNO | error as u32),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    let (option, mode) = (libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER);
    // SAFETY: the filter outlives the call.
    match unsafe { libc::prctl(option, mode, &raw const filter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[test]
fn a_filter_of_system_calls_is_named_as_a_possible_cause() {
    if !can_trace("seccomp") {
        return;
    }
    for error in [libc::EPERM, libc::ENOSYS] {
        expect_refusal(&refused(&mut without(libc::SYS_bpf, error)), "seccomp");
        // Not every backend needs this one.
        let output = refused(&mut without(libc::SYS_perf_event_open, error));
        if !output.status.success() {
            expect_refusal(&output, "seccomp");
        }
    }
}
