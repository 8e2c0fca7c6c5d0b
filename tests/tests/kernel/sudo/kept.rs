//! Runs that are kept without being asked for, under sudo.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::PathBuf,
    process::Command,
};

use cowtrace_tests::tracer::{can_trace, program};

use super::{CALLER, Ground, by_sudo, output};

#[test]
fn what_is_kept_is_the_callers_and_lies_where_the_caller_may_write() {
    if !can_trace("sudo, kept") {
        return;
    }
    let ground = Ground::new("kept");
    let traced = |state: &str| {
        let state = ground.path(state);
        let output = output(by_sudo().env("XDG_STATE_HOME", state).args(["--", "true"]));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = traced("own");
    assert!(said.contains("kept as "), "{said}");
    let folder = ground.path("own/cowtrace");
    let entries = fs::read_dir(&folder).expect("a folder");
    let runs: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    for (place, expected) in [(&folder, 0o700), (&runs[0], 0o600)] {
        let made = fs::metadata(place).expect("it is there");
        let of = (made.uid(), made.gid(), made.mode() & 0o777);
        assert_eq!(of, (CALLER, CALLER, expected));
    }
    // The caller finds it without sudo, and root does not take the caller's for its own.
    let report = |user: u32| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &user.to_string(), "--regid", &user.to_string()])
            .arg("--clear-groups")
            .arg(program("cowtrace"))
            .arg("report")
            .env("XDG_STATE_HOME", ground.path("own"))
            .env("HOME", "/nonexistent");
        output(&mut command)
    };
    assert!(report(CALLER).status.success());
    let refused = String::from_utf8_lossy(&report(0).stderr).into_owned();
    assert!(refused.contains("is another user's folder"), "{refused}");
    // Where the caller may not write, or somebody else's link leads, nothing is made.
    let said = traced("roots");
    assert!(
        said.contains("is not kept: ") && said.contains("Permission denied"),
        "{said}"
    );
    fs::create_dir(ground.path("own/links")).expect("a folder");
    symlink(ground.path("roots"), ground.path("own/links/cowtrace")).expect("a link");
    let said = traced("own/links");
    assert!(said.contains("is a symbolic link"), "{said}");
    let made = fs::read_dir(ground.path("roots"))
        .expect("a folder")
        .count();
    assert_eq!(made, 0);
}
