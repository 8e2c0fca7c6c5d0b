//! Where rights are missing, the error has the whole command that has them, to be pasted into a shell.

use std::{fs, path::Path, process::Command};

use cowtrace_tests::tracer::program;

use super::{privileges::as_nobody, sudo::Ground};

/// A program in a folder of the user's own, which sudo does not look into.
fn installed(ground: &Ground) -> String {
    let cowtrace = ground.path("cowtrace");
    fs::copy(program("cowtrace"), &cowtrace).expect("a copy of the program");
    cowtrace.display().to_string()
}

/// Standard error of the program as a user without rights runs it, by its name in `PATH` or by a path.
fn said(name: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = as_nobody(&[], Path::new(name))
        .args(arguments)
        .env(
            "PATH",
            format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display()),
        )
        .env("XDG_STATE_HOME", folder)
        .output()
        .expect("setpriv is part of every system");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// The command in an error: the words that a shell makes of it.
#[track_caller]
fn pasted(errors: &str) -> Vec<String> {
    let line = errors.lines().last().expect("a line");
    let command = line
        .strip_prefix("  sudo ")
        .expect("a command of its own line");
    assert!(!command.contains(char::is_control), "{command:?}");
    let output = Command::new("bash")
        .args(["-c", &format!("printf '%s\\0' {command}")])
        .output()
        .expect("bash runs");
    let words = String::from_utf8(output.stdout).expect("text");
    let words = words.split_terminator('\0').map(str::to_owned);
    words.collect()
}

#[test]
fn whoever_lacks_rights_gets_the_command_to_paste() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("SKIPPED the command to paste: only root can become a user without rights");
        return;
    }
    let ground = Ground::new("pasted");
    let folder = ground.path("");
    let path = installed(&ground);
    let pid = std::process::id().to_string();
    for arguments in [
        &["--pid", &pid, "-d", "3s", "--label", "why=it's a b"][..],
        &["--no-keep", "--", "sh", "-c", "echo \"$HOME\" `id`"],
        &["--no-keep", "--", "echo", "it's\x1b[2J\n\u{202e}"],
        &["demo", "--seconds", "1", "--megabytes", "8"],
        &["heap", "--pid", &pid],
        &["doctor"],
    ] {
        let expected = [&[path.as_str()], arguments].concat();
        assert_eq!(pasted(&said("cowtrace", &folder, arguments)), expected);
        assert_eq!(pasted(&said(&path, Path::new("/"), arguments)), expected);
    }
    let link = ground.path("own/traces").display().to_string();
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    assert_eq!(
        pasted(&said(&link, &folder, &["doctor"])),
        [&link, "doctor"]
    );
}
