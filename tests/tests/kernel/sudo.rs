//! Under sudo cowtrace is root only for the trace: files and the command belong to the caller. A
//! user allowed to run it must not be able to write or read root's files, nor to get the tracer's
//! descriptors.

mod kept;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use cowtrace_tests::tracer::{can_trace, program};

/// `nobody`, who owns nothing.
const CALLER: u32 = 65_534;

/// A folder that the caller can enter, with one folder of the caller and one of root in it.
pub(super) struct Ground(PathBuf);

impl Ground {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("cowtrace-sudo-{name}-{}", std::process::id());
        let ground = Self(std::env::temp_dir().join(name));
        for folder in ["", "own", "roots"] {
            fs::create_dir(ground.path(folder)).expect("a folder");
        }
        mode(&ground.0, 0o755);
        mode(&ground.path("roots"), 0o755);
        chown(ground.path("own"), Some(CALLER), Some(CALLER)).expect("root gives it away");
        mode(&ground.path("own"), 0o700);
        ground
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A run recorded by root, then given to this user.
    fn run(&self, name: &str, owner: u32) -> PathBuf {
        let path = self.path(name);
        let made = Command::new(program("cowtrace"))
            .args(recorded(&path))
            .output()
            .expect("cowtrace runs");
        assert!(made.status.success(), "{made:?}");
        chown(&path, Some(owner), Some(owner)).expect("root gives it away");
        path
    }

    /// A file of root that nobody else may read.
    fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        mode(&path, 0o600);
        path
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is root's");
}

/// cowtrace as sudo starts it for the caller.
pub(super) fn by_sudo() -> Command {
    let mut command = Command::new(program("cowtrace"));
    command
        .env("SUDO_UID", CALLER.to_string())
        .env("SUDO_GID", CALLER.to_string())
        .env("SUDO_USER", "nobody")
        .env("HOME", "/root")
        .env("USER", "root")
        .env("LOGNAME", "root")
        .env("SHELL", "/bin/rootshell")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("cowtrace runs")
}

#[track_caller]
fn is_refused(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("Permission denied"), "{errors}");
    assert!(output.stdout.is_empty());
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

/// Arguments that trace `true` and record in a file.
fn recorded(path: &Path) -> Vec<String> {
    let path = path.display().to_string();
    ["--force", "-o", &path, "--", "true"]
        .map(Into::into)
        .into()
}

#[test]
fn nothing_is_written_where_the_caller_may_not() {
    if !can_trace("sudo, root's files") {
        return;
    }
    let ground = Ground::new("refused");
    let file = ground.secret("roots/file", "root's");
    let hidden = ground.secret("hidden", "");
    fs::remove_file(&hidden).expect("it is there");
    fs::create_dir(&hidden).expect("a folder");
    mode(&hidden, 0o700);
    symlink(ground.path("roots"), ground.path("own/link")).expect("a link");
    let theirs = ground.run("own/run.cow", CALLER);
    for place in [
        "roots/file",
        "roots/new",
        "hidden/new",
        "own/link/file",
        "own/link/new",
    ] {
        let place = ground.path(place);
        is_refused(&output(by_sudo().args(recorded(&place))));
        let saved = ["--force", "-o", &place.display().to_string()].map(str::to_owned);
        let run = theirs.display().to_string();
        is_refused(&output(by_sudo().arg("report").arg(&run).args(&saved)));
    }
    let kept = fs::metadata(&file).expect("it is there");
    assert_eq!((kept.uid(), kept.mode() & 0o777), (0, 0o600));
    assert_eq!(fs::read_to_string(&file).expect("it is root's"), "root's");
    assert_eq!(
        fs::read_dir(ground.path("roots"))
            .expect("a folder")
            .count(),
        1
    );
    assert_eq!(fs::read_dir(&hidden).expect("a folder").count(), 0);
}

#[test]
fn nothing_is_read_that_the_caller_may_not() {
    if !can_trace("sudo, reading") {
        return;
    }
    let ground = Ground::new("read");
    let text = ground.secret("roots/text", "a secret of root's");
    let run = ground.run("roots/run.cow", 0);
    let own = ground.run("own/run.cow", CALLER);
    for secret in [&text, &run] {
        is_refused(&output(by_sudo().arg("report").arg(secret)));
        is_refused(&output(by_sudo().arg("label").arg(secret).arg("a=b")));
        let compare = |base: &Path, new: &Path| {
            let mut command = by_sudo();
            command.arg("diff").arg(base).arg("--against").arg(new);
            output(&mut command)
        };
        is_refused(&compare(secret, &own));
        is_refused(&compare(&own, secret));
    }
    let status = Command::new(program("cowtrace"))
        .arg("report")
        .arg(&run)
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("cowtrace runs").success(), "root may");
}

#[test]
fn only_cowtrace_itself_starts_the_process_that_reads_for_it() {
    let output = output(by_sudo().arg("__name"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("only cowtrace itself starts"), "{errors}");
}

#[test]
fn what_is_written_is_the_callers_while_the_trace_goes_on_and_afterwards() {
    if !can_trace("sudo, own files") {
        return;
    }
    let ground = Ground::new("own");
    let run = ground.path("own/run.cow");
    for round in ["new", "replaced"] {
        let list = "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2; ls -An .; done";
        let output = by_sudo()
            .current_dir(ground.path("own"))
            .args(["-i", "50ms", "--force", "-o", "run.cow", "-f", "csv", "--"])
            .args(["sh", "-c", list])
            .output()
            .expect("cowtrace runs");
        assert!(output.status.success(), "{round}: {output:?}");
        let seen = String::from_utf8_lossy(&output.stdout);
        let files: Vec<&str> = seen
            .lines()
            .filter(|line| line.contains("run.cow"))
            .collect();
        assert!(!files.is_empty(), "{seen}");
        for file in files {
            assert!(file.contains(" 65534 65534 "), "{round}: {file}");
        }
        let made = fs::metadata(&run).expect("the recording");
        assert_eq!(
            (made.uid(), made.gid(), made.mode() & 0o777),
            (CALLER, CALLER, 0o600)
        );
        assert_eq!(
            fs::read_dir(ground.path("own")).expect("a folder").count(),
            1
        );
    }
    // Commands that work on the recording afterwards keep to the caller's rights, too.
    let run = ground.run("own/labelled.cow", CALLER);
    let report = ground.path("own/report.html");
    fs::write(&report, "old").expect("a file");
    chown(&report, Some(CALLER), Some(CALLER)).expect("root gives it away");
    let labelled = output(by_sudo().arg("label").arg(&run).arg("a=b"));
    assert!(labelled.status.success(), "{labelled:?}");
    let saved = output(
        by_sudo()
            .arg("report")
            .arg(&run)
            .args(["-f", "html", "--force", "-o"])
            .arg(&report),
    );
    assert!(saved.status.success(), "{saved:?}");
    for file in [&run, &report] {
        assert_eq!(fs::metadata(file).expect("it is there").uid(), CALLER);
    }
    let page = fs::read_to_string(&report).expect("a page");
    assert!(page.contains("<html"), "{page}");
}

/// A command's view of itself: its environment, its status, its descriptors.
const SELF: &str = "env; cat /proc/self/status; exec ls -l /proc/self/fd";

fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .collect();
    let [value] = lines.as_slice() else {
        panic!("{name} {} times in {text}", lines.len())
    };
    value.trim()
}

/// Asserts that a command has no capability except in the bounding set, no signal handled, ignored
/// or blocked, and no descriptor of the tracer.
#[track_caller]
fn has_nothing_of_the_tracer(text: &str) {
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(value(text, set), "0000000000000000", "{set}");
    }
    assert_ne!(
        value(text, "CapBnd:"),
        "0000000000000000",
        "helpers of root's work"
    );
    assert_eq!(value(text, "NoNewPrivs:"), "0");
    assert_eq!(value(text, "SigBlk:"), "0000000000000000");
    assert_eq!(value(text, "SigCgt:"), "0000000000000000");
    // glibc's posix_spawn leaves its own two signals, 32 and 33, ignored.
    let ignored = u64::from_str_radix(value(text, "SigIgn:"), 16).expect("a mask");
    let own = fs::read_to_string("/proc/self/status").expect("/proc is there");
    let before = u64::from_str_radix(value(&own, "SigIgn:"), 16).expect("a mask");
    // This test's runtime ignores SIGPIPE, but its children do not. The signals that the tracer
    // handles have their default in a new program, even if this test was started with them ignored,
    // as by nohup.
    let (glibc, sigpipe, listened) = (3 << 31, 1 << 12, 0b11 | 1 << 14);
    let others = !(glibc | listened);
    assert_eq!(ignored & others, before & others & !sigpipe, "{text}");
    let open: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(" -> "))
        .map(|it| it.1)
        .collect();
    assert!(open.len() >= 3, "{text}");
    for file in open {
        let is_own = file == "/dev/null" || file.starts_with("pipe:") || file.ends_with("/fd");
        assert!(is_own, "{file} in {text}");
    }
}

#[test]
fn a_command_is_the_callers_in_every_respect() {
    if !can_trace("sudo, command") {
        return;
    }
    let output = output(by_sudo().args(["-o", "/dev/null/x"]).args(["--", "true"]));
    assert_eq!(output.status.code(), Some(1), "not a folder: {output:?}");
    let output = by_sudo()
        .args([
            "-f",
            "json",
            "--",
            "sh",
            "-c",
            &format!("{{ {SELF}; }} >&2"),
        ])
        .output()
        .expect("cowtrace runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    let nobody = nix::unistd::User::from_name("nobody").expect("an answer");
    let nobody = nobody.expect("every system has one");
    let home = nobody.dir.display().to_string();
    assert_eq!(value(&text, "HOME="), home);
    assert_eq!(value(&text, "USER="), "nobody");
    assert_eq!(value(&text, "LOGNAME="), "nobody");
    assert_eq!(value(&text, "SHELL="), nobody.shell.display().to_string());
    assert_eq!(value(&text, "SUDO_USER="), "nobody");
    let path: Vec<&str> = value(&text, "PATH=").split(':').collect();
    for folder in ["/usr/sbin", "/usr/bin", "/usr/local/bin"] {
        assert!(path.contains(&folder), "{path:?}");
    }
    assert_eq!(value(&text, "Uid:"), "65534\t65534\t65534\t65534");
    assert_eq!(value(&text, "Gid:"), "65534\t65534\t65534\t65534");
    let groups = value(&text, "Groups:").split(' ');
    assert!(groups.into_iter().all(|it| it != "0"), "none of root's");
    has_nothing_of_the_tracer(&text);
}

#[test]
fn a_command_has_no_capability_of_a_tracer_that_has_no_more_than_it_needs() {
    if !can_trace("capabilities") {
        return;
    }
    let ground = Ground::new("capabilities");
    let run = ground.path("own/run.cow").display().to_string();
    let secret = ground.secret("roots/secret", "root's");
    let needed = "+bpf,+perfmon,+sys_ptrace,+dac_read_search,+dac_override";
    let as_user = || {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args(["--inh-caps", needed, "--ambient-caps", needed])
            .arg(program("cowtrace"))
            .stdin(Stdio::null());
        command
    };
    let output = as_user()
        .args(["-o", &run, "-f", "json", "--", "sh", "-c"])
        .arg(format!("{{ {SELF}; }} >&2"))
        .output()
        .expect("setpriv is part of every system");
    assert!(output.status.success(), "{output:?}");
    has_nothing_of_the_tracer(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::metadata(&run).expect("the recording").uid(), CALLER);
    // Nor do the capabilities give access to what the user may not read.
    let read = as_user().arg("report").arg(&secret).output();
    is_refused(&read.expect("it runs"));
    is_refused(&as_user().args(recorded(&secret)).output().expect("it runs"));
    assert_eq!(fs::read_to_string(&secret).expect("it is root's"), "root's");
}

#[test]
fn what_sudo_did_not_set_is_not_believed() {
    for (name, value) in [
        ("SUDO_UID", "root"),
        ("SUDO_UID", "4294967295"),
        ("SUDO_GID", "-1"),
    ] {
        let output = output(by_sudo().env(name, value).args(["report", "/etc/shadow"]));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains(name) && errors.contains("not the number of a user or group"),
            "{errors}"
        );
    }
    let output = output(
        by_sudo()
            .env_remove("SUDO_GID")
            .args(["report", "/etc/shadow"]),
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("SUDO_UID is set, but SUDO_GID is not"),
        "{errors}"
    );
}
