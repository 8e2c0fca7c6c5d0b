//! Debian's Pythons that this machine does not have: the kernel tests trace them too, as stripped
//! builds of several versions. They are unpacked into the cache, not installed.

// The tests' library starts them in the same way.
#[path = "../../tests/src/pythons/root.rs"]
mod root;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    archive::{Archive, Scratch, Suite},
    say, toolchain, workspace,
};

/// Names a folder to use unchanged, and tells the tests where the Pythons are.
pub(crate) const FOLDER: &str = "COWTRACE_PYTHONS";

/// Versions that the tests require.
const NEEDED: [&str; 2] = ["3.13", "3.14"];
/// Versions that are downloaded along with a required one: young suites gain and lose them.
const OPTIONAL: [&str; 1] = ["3.15"];
/// The suites of each version, the most stable first.
const SUITES: [(&str, &[&str]); 3] = [
    ("trixie", &["3.13"]),
    ("forky", &["3.14", "3.15"]),
    ("sid", &["3.14", "3.15"]),
];
/// Modules that the tests' services import.
const TRIAL: &str = "import asyncio, gc, json, ssl, sys, threading; print(sys.version_info[:2])";
/// A module that an earlier set-up did not unpack.
const NEWEST: &str = "usr/lib/x86_64-linux-gnu/libssl.so.3";

/// Makes sure that the Pythons exist, and returns the folder with a sub-folder for each. A folder
/// given by the user is used as it is.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(folder) = workspace::given_folder(FOLDER)? {
        return Ok(folder);
    }
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if env::consts::ARCH != "x86_64" {
        say("only the Pythons of this machine are traced: Debian's are fetched on x86-64 alone");
    } else if !missing(&folder, &NEEDED).is_empty() {
        download(&folder).with_context(|| {
            format!(
                "the kernel tests trace Debian's builds of Python (instead, set {FOLDER} to a \
                 folder with a Python in each sub-folder, or to an empty one)"
            )
        })?;
    }
    Ok(folder)
}

/// Where they are kept; others placed there are traced too.
pub(crate) fn folder() -> PathBuf {
    toolchain::cache().join("pythons")
}

fn missing<'a>(folder: &Path, versions: &[&'a str]) -> Vec<&'a str> {
    let mut missing = versions.to_vec();
    missing.retain(|version| !is_whole(&folder.join(version)));
    missing
}

fn is_whole(place: &Path) -> bool {
    place.join(NEWEST).is_file()
}

fn download(folder: &Path) -> Result<()> {
    say(&format!(
        "downloading Pythons of Debian into {}, some 50 MB with the lists of packages: the kernel \
         tests trace stripped builds of several versions",
        folder.display()
    ));
    let archive = Archive::of_this_machine()?;
    for (name, versions) in SUITES {
        let wanted = missing(folder, versions);
        if wanted.is_empty() {
            continue;
        }
        let is_needed = wanted.iter().any(|version| NEEDED.contains(version));
        let got =
            Suite::open(&archive, name, "amd64").and_then(|suite| take(&suite, &wanted, folder));
        match got {
            Err(error) if !is_needed => {
                say(&format!("going on without an optional Python: {error:#}"));
            }
            other => other?,
        }
    }
    let missing = missing(folder, &NEEDED);
    if !missing.is_empty() {
        bail!("Python {} is not available (any more)", missing.join(", "));
    }
    Ok(())
}

/// Downloads the versions that a suite has.
fn take(suite: &Suite, versions: &[&str], folder: &Path) -> Result<()> {
    for version in versions {
        if !suite.has(&packages(version)[0])? {
            continue;
        }
        say(&format!(
            "downloading Python {version} from {}",
            suite.name()
        ));
        let got = unpack(suite, version, &folder.join(version));
        match got {
            Err(error) if OPTIONAL.contains(version) => {
                say(&format!("going on without Python {version}: {error:#}"));
            }
            other => other?,
        }
    }
    Ok(())
}

/// The interpreter first, then the parts of its library and of other packages with which it starts.
fn packages(version: &str) -> [String; 8] {
    [
        format!("python{version}-minimal"),
        format!("libpython{version}-minimal"),
        format!("libpython{version}-stdlib"),
        "libc6".to_owned(),
        "libexpat1".to_owned(),
        "libssl3t64".to_owned(),
        "libzstd1".to_owned(),
        "zlib1g".to_owned(),
    ]
}

/// A Python is moved into place only after it has run.
fn unpack(suite: &Suite, version: &str, place: &Path) -> Result<()> {
    let packages = packages(version);
    let scratch = Scratch::new("python")?;
    suite.unpack_into(&packages.each_ref().map(String::as_str), scratch.path())?;
    attempt(scratch.path(), version)?;
    if !is_whole(place) {
        let _ = fs::remove_dir_all(place);
    }
    match fs::rename(scratch.path(), place) {
        // A simultaneous run was faster.
        Err(_) if is_whole(place) => Ok(()),
        other => other.with_context(|| format!("cannot write {}", place.display())),
    }
}

fn attempt(root: &Path, version: &str) -> Result<()> {
    let words = root::words(root).context("the packages have no Python or no loader")?;
    let (loader, arguments) = words.split_first().context("the loader is lost")?;
    let output = Command::new(loader)
        .args(arguments)
        .args(["-c", TRIAL])
        .output()
        .with_context(|| format!("cannot start {}", loader.display()))?;
    let told = String::from_utf8_lossy(&output.stdout);
    if told.trim() != expected(version) {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!(
            "the Python {version} that was unpacked does not run ({}): {}",
            output.status,
            error.trim()
        );
    }
    Ok(())
}

/// The output of the trial.
fn expected(version: &str) -> String {
    format!("({})", version.replace('.', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_a_suite() {
        for version in NEEDED.into_iter().chain(OPTIONAL) {
            let has = |(_, versions): &(&str, &[&str])| versions.contains(&version);
            assert!(SUITES.iter().any(has), "{version}");
        }
    }

    #[test]
    fn what_is_there_is_not_downloaded() {
        let scratch = env::temp_dir().join(format!("cowtrace-pythons-{}", std::process::id()));
        let newest = scratch.join("3.13").join(NEWEST);
        fs::create_dir_all(newest.parent().unwrap()).unwrap();
        fs::create_dir_all(scratch.join("3.14/usr/bin")).unwrap();
        fs::write(newest, "").unwrap();
        let missing = missing(&scratch, &NEEDED);
        fs::remove_dir_all(&scratch).unwrap();
        assert_eq!(missing, ["3.14"], "one of an earlier set-up is not whole");
    }

    #[test]
    fn a_version_is_told_as_python_prints_it() {
        assert_eq!(expected("3.14"), "(3, 14)");
    }

    #[test]
    fn packages_without_a_python_are_no_success() {
        let error = attempt(Path::new("/no/such/folder"), "3.14").unwrap_err();
        assert!(error.to_string().contains("no Python"));
    }
}
