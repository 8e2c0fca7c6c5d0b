//! Which commit the program is built from, and for which target: `cowtrace --version -v` shows both.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Names the commit where there is no checkout: set by those who build packages.
const COMMIT: &str = "COWTRACE_COMMIT";

/// What stands for a commit that is not known.
const UNKNOWN: &str = "unknown";

/// Hands both to the compiler.
pub(crate) fn tell_origin() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed={COMMIT}");
    let commit = match env::var_os(COMMIT) {
        Some(given) => checked(&given.to_string_lossy())?,
        None => commit_of_checkout().unwrap_or_else(|| UNKNOWN.into()),
    };
    let target = env::var("TARGET").map_err(|error| format!("TARGET: {error}"))?;
    println!("cargo::rustc-env=COWTRACE_BUILT_COMMIT={commit}");
    println!("cargo::rustc-env=COWTRACE_BUILT_TARGET={target}");
    Ok(())
}

/// A commit that somebody gave, if it can be one.
fn checked(given: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._+".contains(letter);
    if given.is_empty() {
        Ok(UNKNOWN.into())
    } else if given.len() <= 64 && given.chars().all(is_plain) {
        Ok(given.into())
    } else {
        Err(format!(
            "{COMMIT} is {given:?}: it must be the name of a commit, of letters, digits and -._+"
        ))
    }
}

/// The commit that is checked out. None in an unpacked archive, even one inside another project's checkout.
///
/// Edits that are not committed do not show: cargo would have to run this script after every one of them.
fn commit_of_checkout() -> Option<String> {
    let root = fs::canonicalize("..").ok()?;
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if fs::canonicalize(top).ok()? != root {
        return None;
    }
    // These change with each commit and checkout. Cargo would run this script in every build if one were missing.
    for name in ["HEAD", "logs/HEAD", "packed-refs"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    // Of a fixed length: the shortest name depends on what else is in the clone.
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// What git prints, without the end of the line.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.trim_end_matches('\n');
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
